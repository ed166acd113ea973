"""Logins that only something beside them explains: another browser, other accounts, a session that runs."""

from probe.catalogue import entries
from probe.diagnose.beside import is_blocked_demo, refused_beside
from probe.diagnose.case import Case
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.config import ago
from probe.diagnose.rules.login import address_fits, refusal, said, suspect, unused_seconds
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

DAY = 86_400.0


@book.of("auth.ua-bound")
def agent_bound(case: Case) -> Sign | None:
    failure = refusal(case)
    if failure is None or suspect(case) != "auth.ua-bound":
        return None
    excluded = {
        "http.origin-or-ua": "the upgrade was taken; the refusal came as an answer to the login",
        "http.cf-challenge": "the upgrade was taken; the refusal came as an answer to the login",
    }
    if address_fits(case):
        excluded["auth.ip-bound"] = "the address in the session is the one we come from"
    unused = unused_seconds(case)
    if unused is not None and unused < DAY:
        excluded["auth.session-expired"] = (
            f"by what is written in it, the session was last used {ago(unused)}"
        )
    both = len(excluded) == len(entries()["auth.ua-bound"].look_alikes)
    return Sign(
        evidence=(
            "the session names its browser in letters that no request may carry, so another name was sent",
            *said(case, failure),
        ),
        excluded=excluded,
        at_most=Certainty.LIKELY if both else Certainty.POSSIBLE,
    )


@book.of("auth.rejected-fleetwide")
def rejected_fleetwide(case: Case) -> Sign | None:
    failure, refused = refusal(case), refused_beside(case)
    if failure is None or not refused or suspect(case) != "auth.rejected-fleetwide":
        return None
    others = "another target" if len(refused) == 1 else f"{len(refused)} other targets"
    ways = {each.tries[-1].proxy for each in refused} | {case.looks.first.proxy if case.looks else ""}
    excluded = {
        "auth.session-expired": "it is not this account alone",
        "http.ban-disguised": "the refusal came as an answer to the login",
    }
    if len(ways) > 1:
        excluded["auth.ip-bound"] = "they come from different addresses"
    if case.facts is not None and not case.facts.surprises:
        excluded["cfg.client-outdated"] = "nothing came that was not understood"
    return Sign(
        evidence=(
            *said(case, failure),
            f"the monitor has seen {others} of this broker refused since about the same time",
        ),
        excluded=excluded,
        at_most=Certainty.LIKELY if len(ways) > 1 else Certainty.POSSIBLE,
    )


@book.of("auth.session-outlives-token")
def session_outlives_token(case: Case) -> Sign | None:
    failure, held = refusal(case), case.past.held if case.past else None
    if (
        failure is None
        or held is None
        or case.looks is None
        or suspect(case) != "auth.session-outlives-token"
    ):
        return None
    lives = f"the monitor's session, begun {ago(held.seconds)}, goes on: its last price came {ago(held.heard_seconds)}"
    excluded = {
        "auth.session-expired": "a session that this credential opened still runs",
        "http.401": "it is the broker's answer to the login, and no status of HTTP",
    }
    if held.region == case.looks.first.endpoint.region:
        excluded["auth.wrong-region"] = "it is the same host that the session runs on"
    sources = case.pasted.sources if case.pasted else ()
    written = max((each.age_seconds or 0.0 for each in sources if each.used), default=0.0)
    is_same = written > held.seconds
    return Sign(
        evidence=(
            *said(case, failure),
            lives,
            *([f"the credential was written {ago(written)}, before that session began"] if is_same else []),
        ),
        excluded=excluded,
        state=State.DEGRADED,
        # The monitor may still run on an earlier one.
        at_most=Certainty.CERTAIN if is_same else Certainty.LIKELY,
    )


@book.of("auth.demo-blocked")
def demo_blocked(case: Case) -> Sign | None:
    if case.looks is None or not is_blocked_demo(case):
        return None
    first, other = case.looks.first, case.looks.elsewhere
    assert other is not None  # noqa: S101 - else nobody knew
    return Sign(
        evidence=(
            f"the demo account was let in, and nothing it asked for was answered in {first.facts.seconds_live:.1f} s",
            "the live account's requests are answered",
        ),
        excluded={
            "session.request-no-reply": "the live account's requests are answered",
            "data.demo-feed-dead": "requests are not answered either",
            "auth.demo-real-mismatch": f"{first.endpoint.region} is for demo accounts",
        },
        at_most=Certainty.POSSIBLE,
    )
