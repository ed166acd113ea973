"""What only many connections show: rows of ends, of attempts and of refusals, as a monitor has kept them."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from probe.catalogue import Reason, entries
from probe.diagnose.case import Case, End, Try
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.config import ago
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

SHOWN = 3  # the last ones
ROW = 3  # ends alike that are no chance
ALIKE = 0.1  # of their median: as far apart as ends of one row may be
SHORTEST_IDLE = 5.0  # seconds; prices come more often, so less is not idle
SHORTEST_LIFE = 300.0  # ends after less are another failure each time
BY_THEM = ("session.closed-1005", "session.closed-1006", "session.closed-normal", "session.tcp-reset")
STORM, WITHIN = 20, 60.0  # so many attempts in so many seconds are one
GROWS = 1.5  # pauses of a client that waits longer each time
ABANDONED = 300.0  # seconds; the longest pause between two attempts is below it
GIVEN_UP_ON_PURPOSE = ("auth.", "tls.", "cfg.")  # no client shall try these again


def _alike(values: Sequence[float | None]) -> float | None:
    """Their median, if they are so close together that one cause made them."""
    known = [each for each in values if each is not None]
    if len(known) < ROW or len(known) < len(values):
        return None
    middle = median(known)
    return middle if max(known) - min(known) <= max(1.0, ALIKE * middle) else None


def _when(rows: Sequence[End | Try]) -> str:
    return f"the first of them was {ago(rows[0].ago_seconds)}, the last {ago(rows[-1].ago_seconds)}"


def _ended_by_them(case: Case) -> list[End]:
    return [each for each in case.past.ends if each.code in BY_THEM] if case.past else []


def not_idle_alike(case: Case) -> str | None:
    """That earlier sessions were ended after idle times that have nothing in common."""
    idle = [each.heard_seconds for each in _ended_by_them(case) if each.heard_seconds is not None]
    if len(idle) < ROW or _alike(idle) is not None:
        return None
    return f"the last {len(idle)} sessions ended {min(idle):.0f} to {max(idle):.0f} s after anything had come"


@book.of("session.idle-timeout")
def idle_timeout(case: Case) -> Sign | None:
    ends = _ended_by_them(case)
    for idle, since in (
        (_alike([each.heard_seconds for each in ends]), "anything had come"),
        (_alike([each.said_seconds for each in ends]), "we had said anything"),
    ):
        lives = [each.lived_seconds for each in ends]
        age = _alike(lives)
        if idle is None or idle < SHORTEST_IDLE or (age is not None and age >= SHORTEST_LIFE):
            continue
        excluded = {
            "session.tcp-reset": f"each end came {idle:.0f} s after {since}, and not amid traffic",
            "session.half-open": "the time before the end is the same each time, and the end was told",
        }
        ages = f"the sessions were {min(lives):.0f} to {max(lives):.0f} s old"
        if age is None:
            excluded |= dict.fromkeys(("eio.ping-direction", "session.max-lifetime"), ages)
        return Sign(
            evidence=(
                f"the last {len(ends)} sessions ended {idle:.0f} s after {since}, each time",
                ages,
                _when(ends),
            ),
            excluded=excluded,
            says=f"sessions are ended when they were idle for {idle:.0f} s",
            state=State.DEGRADED,
            at_most=Certainty.LIKELY,  # until a shorter heartbeat was tried
        )
    return None


@book.of("session.max-lifetime")
def max_lifetime(case: Case) -> Sign | None:
    ends = _ended_by_them(case)
    age = _alike([each.lived_seconds for each in ends])
    if age is None or age < SHORTEST_LIFE:
        return None
    excluded = {"eio.ping-direction": f"{age:.0f} s are far more than an interval of heartbeats"}
    if all(each.heard_seconds is not None and each.heard_seconds < SHORTEST_IDLE for each in ends):
        excluded["session.idle-timeout"] = "something had come just before each end"
    hours = [each.ago_seconds % 86_400 for each in ends]
    if max(hours) - min(hours) > age * ALIKE:
        excluded["session.closed-normal"] = "they ended at different hours of the day"
    return Sign(
        evidence=(f"the last {len(ends)} sessions ended at the same age, {age:.0f} s", _when(ends)),
        excluded=excluded,
        says=f"sessions are ended when they are {age / 60:.0f} min old",
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,
    )


@book.of("session.reconnect-storm")
def reconnect_storm(case: Case) -> Sign | None:
    tries = [each for each in case.past.tries if each.purpose == "hold"] if case.past else []
    burst = _burst(tries)
    if not burst:
        return None
    pauses = [earlier.ago_seconds - later.ago_seconds for earlier, later in pairwise(burst)]
    half = len(pauses) // 2
    if median(pauses[half:]) > GROWS * median(pauses[:half]):
        return None
    codes = {each.code for each in burst}
    excluded = {"load.reconnect-herd": "all of them are attempts of one client"}
    if not any(code.startswith("auth.") for code in codes):
        excluded["auth.reconnect-stale-token"] = f"what came back was {', '.join(sorted(codes))}"
    if burst[0].code != "http.429":
        excluded["http.429"] = "the attempts came that often before any such answer"
    seconds = burst[0].ago_seconds - burst[-1].ago_seconds
    return Sign(
        evidence=(
            f"{len(burst)} attempts within {seconds:.0f} s, and none succeeded",
            f"the pauses between them do not grow: about {median(pauses):.1f} s",
            _when(burst),
        ),
        excluded=excluded,
        state=State.DEGRADED,
    )


def _burst(tries: Sequence[Try]) -> list[Try]:
    """The last attempts in a row that failed, if there are as many in a short time as no patient client makes."""
    failed: list[Try] = []
    for each in tries:
        failed = [*failed, each] if each.code else []
    close = [each for each in failed if each.ago_seconds - failed[-1].ago_seconds <= WITHIN]
    return close if len(close) >= STORM else []


@book.of("session.reconnect-broken")
def reconnect_broken(case: Case) -> Sign | None:
    past = case.past
    if past is None or not past.ends:
        return None
    end = past.ends[-1]
    later = [each for each in past.tries if each.ago_seconds < end.ago_seconds]
    stopped = end.code.startswith(GIVEN_UP_ON_PURPOSE)
    # Whoever still looks at the target in between is not stopped itself.
    watched = any(each.purpose == "knock" for each in later)
    if end.next_try_after_seconds is not None or end.ago_seconds < ABANDONED or stopped or not watched:
        return None
    return Sign(
        evidence=(
            f"the session ended {end.ago_seconds / 60:.0f} min ago ({end.code or 'in order'}), and none was opened since",
            "the monitor itself was alive: it went on looking at the target",
        ),
        excluded={
            "auth.reconnect-stale-token": "no attempt was made",
            "session.resubscribe-lost": "there is no session",
            "session.half-open": "the end of the session was noticed",
            "tcp.timeout": "no attempt was made",
        },
        state=State.DEGRADED,
    )


@book.of("auth.reconnect-stale-token")
def reconnect_stale_token(case: Case) -> Sign | None:
    if case.failure is not None and case.failure.kind == "login.stale-token":
        return Sign(
            evidence=("the broker handed out the very token that it had just rejected",),
            excluded={
                "cfg.ssid-stale-cache": "the token came from the broker's own page, and not from a file or setting",
                "session.reconnect-storm": "one attempt was made",
                "session.reconnect-broken": "attempts are made",
            },
            at_most=Certainty.LIKELY,
        )
    past, facts = case.past, case.facts
    if past is None or facts is None or not facts.went_live or not past.ends:
        return None
    end = past.ends[-1]
    later = [each for each in past.tries if each.ago_seconds <= end.ago_seconds and each.purpose != "knock"]
    refused = [each for each in later if _is_refusal(each.code)]
    if len(refused) < ROW or len(refused) < len(later):
        return None
    excluded = {
        "auth.session-expired": "the credential given now was accepted",
        "cfg.ssid-stale-cache": "a session had been live before the refusals began",
        "session.reconnect-broken": f"{len(refused)} attempts were made",
    }
    if not _burst(refused):
        excluded["session.reconnect-storm"] = "the attempts were few and far between"
    return Sign(
        evidence=(
            f"since the session ended {end.ago_seconds / 60:.0f} min ago all {len(refused)} attempts were refused",
            "a fresh login was accepted just now",
        ),
        excluded=excluded,
        state=State.DEGRADED,
    )


@book.of("data.dropped-in-client")
def dropped(case: Case) -> Sign | None:
    said = case.past.not_kept if case.past else ()
    if not said:
        return None
    excluded = {
        "data.gap": "they had come: it was this machine that could not keep them",
        "session.slow-consumer": "they are not late, but lost",
    }
    if case.facts is not None and not case.facts.surprises:
        excluded["sio.binary-placeholder"] = "nothing came without its contents"
    return Sign(
        says="the monitor on this machine could not keep all that had come",
        evidence=tuple(each.rstrip(".") for each in said[-SHOWN:]),
        excluded=excluded,
        advice=_KEEP_UP,
        state=State.DEGRADED,
    )


_KEEP_UP = (
    "See whether the disk of the store is slow or full, and whether this machine is busy with something else.",
    "Watch fewer symbols, or keep the store on another disk.",
)


def _is_refusal(code: str) -> bool:
    entry = entries().get(code)
    return entry is not None and entry.reason in (Reason.AUTH_REJECTED, Reason.AUTH_EXPIRED)
