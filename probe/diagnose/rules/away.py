"""What is too often, and what is away: limits, bans that look like an outage, and the server behind the edge."""

from probe.diagnose.answers import (
    BEHIND_THE_EDGE,
    NO_BODY_IN_FULL,
    calm,
    edge_code,
    hammering,
    is_before_login,
    is_edges,
    none_open,
    told_as,
)
from probe.diagnose.case import Case
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.edge import ONE_PACKET, no_challenge, on_answer, ruled_out, seen_in
from probe.model.events import Phase
from probe.model.failures import Answer
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

# -- too often ---------------------------------------------------------------------------------------------------------


@on_answer(book, "http.429")
def too_many(case: Case, answer: Answer) -> Sign | None:
    names_time = (
        answer.header("retry-after") or answer.header("x-ratelimit-reset") or edge_code(answer) == 1015
    )
    return Sign(
        evidence=seen_in(answer),
        excluded=ruled_out(
            {
                "http.ban-disguised": f"the status says it openly: {answer.status}",
                "auth.login-rate-limited": "it is the endpoint itself that refuses"
                if is_before_login(case) and not _while_signing_in(case)
                else "",
                "auth.connection-cap": "it is about a rate: waiting is what it asks for"
                if names_time
                else "",
            }
        ),
    )


def _while_signing_in(case: Case) -> bool:
    ended = case.facts.ended if case.facts else None
    return ended is not None and ended.phase is Phase.SIGNING_IN


@book.of("http.ban-disguised")
def banned(case: Case) -> Sign | None:
    if told_as(case) != "http.ban-disguised" or case.failure is None:
        return None
    answer, before = case.failure.seen.answer, hammering(case)
    limited = (
        "it had said openly before that there were too many requests" if before.endswith("(429)") else ""
    )
    status = answer.status if answer else 0
    known = f"the status is {status}" if status else "no status came"
    by_load = case.past is not None and any(each.purpose == "load" for each in case.past.tries)
    return Sign(
        evidence=(*(seen_in(answer) if answer else ("no answer came",)), *((before,) if before else ())),
        excluded=ruled_out(
            {
                "http.bad-gateway": limited or (known if status < 500 else ""),
                "http.cf-52x": limited or (known if status not in BEHIND_THE_EDGE else ""),
                "http.429": known,
                "tcp.timeout": "the connection came about",
                "load.self-inflicted-ban": "no load test was among the attempts that are known"
                if case.past and not by_load
                else "",
            }
        ),
        at_most=Certainty.LIKELY if limited else Certainty.POSSIBLE,
    )


# -- the server behind -------------------------------------------------------------------------------------------------


@on_answer(book, "http.bad-gateway")
def bad_gateway(case: Case, answer: Answer) -> Sign | None:
    return Sign(
        evidence=seen_in(answer),
        says=f"the server behind the edge or proxy does not do its work (HTTP {answer.status})",
        excluded=ruled_out(
            {
                "http.ban-disguised": calm(case),
                "http.error-seen-as-timeout": "the answer came whole",
                "http.cf-52x": f"the status is {answer.status}"
                if answer.status not in BEHIND_THE_EDGE
                else "it does not come from Cloudflare",
                "http.cf-challenge": no_challenge(answer),
                "auth.connection-cap": f"the status is {answer.status}"
                if answer.status != 503
                else none_open(case),
            }
        ),
    )


@on_answer(book, "http.cf-52x")
def behind_the_edge(case: Case, answer: Answer) -> Sign | None:
    what = _BEHIND[answer.status]
    return Sign(
        evidence=(*seen_in(answer), f"{answer.status} is the edge's word for it: the server behind {what}"),
        excluded=ruled_out(
            {
                "http.bad-gateway": f"the status is {answer.status}",
                "tls.eof-in-handshake": "the edge was reached, and answered",
                "http.ban-disguised": calm(case)
                or ("the edge itself says that the server behind it is away" if is_edges(answer) else ""),
            }
        ),
    )


_BEHIND = {
    520: "answers with something that is no answer",
    521: "refuses the edge's connections",
    522: "does not take the edge's connections",
    523: "cannot be reached by the edge",
    524: "is too slow for the edge",
    525: "fails in its TLS handshake with the edge",
    526: "has a certificate that the edge does not accept",
    530: "is not found by the edge",
}


@book.of(NO_BODY_IN_FULL)
def endless(case: Case) -> Sign | None:
    """Beside a status that says why by itself, this is only worth knowing; that it says so is why we never time out here."""
    answer = case.failure.seen.answer if case.failure else None
    if answer is None or answer.is_whole:
        return None
    length = answer.header("content-length")
    promised = int(length) if length.isdecimal() and len(length) < 9 else None
    return Sign(
        evidence=(
            *seen_in(answer),
            f"only {len(answer.body)} characters of its page came, and not its end"
            + (f"; {promised} bytes were announced" if promised else ""),
        ),
        says=f"the server answered with an error (HTTP {answer.status}) whose page never ended",
        excluded=ruled_out(
            {
                "http.open-timeout": "the head of an answer came",
                "http.bad-gateway": "the end of its page did not come",
                "http.not-http": "the head of an HTTP answer was read",
                "tcp.mtu-blackhole": "the whole page would fit into one small packet"
                if promised is not None and promised < ONE_PACKET
                else "",
            }
        ),
        state=State.FAILED if told_as(case) == NO_BODY_IN_FULL else State.HEALTHY,
    )
