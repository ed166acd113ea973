"""What the broker's web pages say to a password. The flow tells those pages apart by their own marks."""

import re

from probe.catalogue import entries
from probe.diagnose.case import Case
from probe.diagnose.rule import Rule, RuleBook
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign
from probe.session.signs import as_told

book = RuleBook()

_TTL = re.compile(r'"ttl"\s*:\s*(\d{1,7})\b')


@book.of("cfg.login-page-changed")
def login_page_changed(case: Case) -> Sign | None:
    failure = case.failure
    if failure is None or failure.code != "cfg.login-page-changed":
        return None
    said = "the flow knows those pages by their own marks, and this was none of them"
    return Sign(
        says=failure.facts.says,
        evidence=(failure.detail or str(failure),),
        excluded=dict.fromkeys(entries()[failure.code].look_alikes, said),
        advice=(failure.facts.advise,),
        at_most=Certainty.LIKELY,
    )


@book.of("auth.login-rate-limited")
def login_rate_limited(case: Case) -> Sign | None:
    failure = case.failure
    if failure is None or failure.code != "auth.login-rate-limited":
        return None
    evidence, wait = [failure.detail], _wait(failure)
    if wait is not None:
        evidence.append(f"it asks to wait {wait:.0f} s")
    others = "the pages before it were answered; only the login itself was refused"
    return Sign(
        evidence=tuple(evidence),
        excluded={
            "http.429": others,
            "http.ban-disguised": others,
            "auth.bad-credentials": "429 says nothing about e-mail and password",
        },
    )


def _wait(failure: Failure) -> float | None:
    """Seconds, as the answer says."""
    found = _TTL.search(failure.seen.answer.body) if failure.seen.answer else None
    return float(found[1]) if found else failure.retry_after_seconds


def _of_sign_in(code: str, *others: str) -> Rule:
    """What the sign-in pages themselves answered: the flow tells those pages apart by their own marks."""

    def rule(case: Case) -> Sign | None:
        if told := case.shown.troubles.get(code):
            return as_told(told)
        failure = case.failure
        if failure is None or failure.code != code:
            return None
        return Sign(
            says=failure.facts.says,
            evidence=(failure.detail or str(failure),),
            excluded=dict.fromkeys(others, "the answer has the marks of this one alone"),
            advice=(failure.facts.advise,),
        )

    return rule


_PAGES = ("cfg.login-page-changed", "http.cf-challenge")
book.of("auth.bad-credentials")(
    _of_sign_in("auth.bad-credentials", "auth.2fa-pin", "auth.login-rate-limited", *_PAGES)
)
book.of("auth.2fa-pin")(_of_sign_in("auth.2fa-pin", "auth.bad-credentials", *_PAGES))
