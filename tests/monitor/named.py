"""What the doctor's rules must name an incident of a fault, beside the incident's own code."""

from collections.abc import Iterable

from probe.measure.records import Incident
from probe.model.findings import Certainty

# By the fault as it stands in its row, where the name is not the incident's code: which it is, and why.
FINER = {
    "backend-database-down": ("crypto.mongo-down", "the login only takes long, and the database is why"),
    "connect-error": ("sio.namespace", "the refusal says that it is the namespace"),
    "beat-terms": ("eio.ping-direction", "the server has never sent the heartbeat that it promised"),
    "stop-pings": ("eio.ping-direction", "the same, before the first heartbeat was due"),
    **dict.fromkeys(
        ("half-open:at=0s", "freeze"),
        ("session.peer-stopped-ponging", "the system of the other end still acknowledges what we send"),
    ),
    **dict.fromkeys(
        ("interleave", "drop-attachment", "binary-garbage:at=0s"),
        ("sio.binary-placeholder", "it is binary parts that do not fit what was announced"),
    ),
}
# Not named at all, or by chance.
UNNAMED = {
    "slow:seconds=12s": "slow, and nothing failed: a connection on its way shows no failure",
    "delay:seconds=1.5s": "no rule judges how long answers take",
    "signin-slow": "no rule judges how long answers take",
}
# Certain as well, beside its code and its name, and true of it.
BESIDE = {
    "backend-health-lies": ("crypto.mongo-down", "what /health hides is a database that is down"),
    **dict.fromkeys(
        ("gateway-drip", "gateway-ipc-timeout:seconds=60s", "gateway-nginx-504:seconds=30s"),
        ("mt5.bridge-hang", "/health, which asks nobody, takes longer than anybody waits"),
    ),
    "jitter:seconds=9s": ("session.request-no-reply", "answers come after nobody waits for them any more"),
    "throttle:bytes_per_second=100": ("session.peer-stopped-ponging", "so is the answer to a ping"),
}


# Named, but after something else.
NOT_FIRST = {
    **dict.fromkeys(
        ("rename-event", "missing-element"),
        "prices stopped as well, and nobody can be sure that they are in what is not understood",
    ),
    **dict.fromkeys(("flood:at=0s", "flood:at=23s"), "what floods is not understood either"),
    "disowned:at=0s": "first the prices stop; that the login does not hold shows when it is tried anew",
}


def first_of(incidents: Iterable[Incident]) -> str:
    """What is named first in the first incident in which anything is."""
    return next((each.verdicts[0].code for each in incidents if each.verdicts), "")


def names(incidents: Iterable[Incident]) -> set[str]:
    return {each.code for incident in incidents for each in incident.verdicts}


def names_for(fault: str, code: str) -> set[str]:
    """One of them is to be named; none: nobody can tell."""
    return set() if fault in UNNAMED else {code, FINER.get(fault, (code, ""))[0]}


def wrong_certainties(fault: str, code: str, incidents: Iterable[Incident]) -> set[str]:
    certain = {
        each.code
        for incident in incidents
        for each in incident.verdicts
        if each.certainty is Certainty.CERTAIN
    }
    return certain - names_for(fault, code) - {code, BESIDE.get(fault, ("", ""))[0]}
