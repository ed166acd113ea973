"""A network that wants a login before it lets anything through, and answers in everybody's place until then."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from probe.diagnose.case import USUAL, Case
from probe.diagnose.rule import RuleBook
from probe.model.findings import Certainty, Sign

book = RuleBook()


def is_captive(case: Case) -> bool:
    """So that nothing else needs to be said of the way. A host to which nothing leads at all may as well be dead."""
    sent = _sent_elsewhere(case)
    all_dead = bool(case.ways) and all(way.failure is not None for way in case.ways)
    return bool(sent) and (_is_one_portal(sent) or not all_dead)


def _sent_elsewhere(case: Case) -> Mapping[str, str]:
    """Controls that redirect to a host of another owner, and that host; none: somebody is not led away."""
    usual, facts = case.handshake(USUAL), case.facts
    was_let_through = (
        (usual is not None and usual.failure is None)
        or (facts is not None and (facts.upgraded is not None or facts.went_live))
        or (case.looks is not None and case.failure is None)
    )
    answers = [each for each in case.controls if each.status is not None]
    hosts = {each.host: urlsplit(each.redirects_to).hostname or "" for each in answers}
    if was_let_through or any(_owner(other) == _owner(own) or not other for own, other in hosts.items()):
        return {}
    return hosts


def _is_one_portal(sent: Mapping[str, str]) -> bool:
    """Hosts that have nothing to do with each other are sent to the same one."""
    return len(sent) > 1 and len({_owner(other) for other in sent.values()}) == 1


def _owner(host: str) -> str:
    return ".".join(host.rstrip(".").lower().split(".")[-2:])


@book.of("tcp.captive-portal")
def captive_portal(case: Case) -> Sign | None:
    sent = _sent_elsewhere(case)
    if not sent:
        return None
    control, portal = next(iter(sent.items()))
    too = f"the control {control} is not left alone either"
    answer = case.failure.seen.answer if case.failure else None
    same = answer is not None and urlsplit(answer.header("location")).hostname == portal
    # One control alone may redirect so at home as well.
    at_most = Certainty.LIKELY if is_captive(case) else Certainty.POSSIBLE
    return Sign(
        evidence=(
            *(f"the control {each} redirects to {other}" for each, other in sent.items()),
            *((f"so does the host itself: HTTP {answer.status}",) if same and answer else ()),
        ),
        excluded={
            "http.redirect": too,
            "tls.hostname": too,
            "http.200-not-101": too,
            "tls.interception": f"the page of {control} is not its own",
            "dns.blocked": too,
        },
        at_most=Certainty.CERTAIN if same or _is_one_portal(sent) else at_most,
    )
