"""Two causes at once: pairs of different layers, drawn with a fixed seed from all that is staged, and what is said of each."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations, cycle, product
from types import ModuleType

from probe.catalogue import entries
from probe.diagnose.diagnose import Diagnosis
from probe.doctor.examine import Means, examine
from probe.model.findings import Certainty, State
from tests.doctor.alone import told_there
from tests.doctor.parts import PARTS, Part, Step
from tests.doctor.patients import HOSTS, SECOND, calm_and_hasty, serving
from tests.doctor.scenes import Scene
from tests.doctor.simulated import simulated
from tests.doctor.staged import ALL, clients, kept, load
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.virtual.travelling import run

SEED, WANTED = 10, 72
OURSELVES = ("host", "load")
ORDER = list(entries())
BUDGET = 120.0
_PARTS = frozenset(part.code for part in PARTS)


def _of(module: ModuleType, why: str) -> dict[str, str]:
    return {each.code: why for each in module.CASES if each.code and each.is_real and each.code not in _PARTS}


_SECONDS = "real seconds pass in it, and in a row of pairs they would add up"
_NETWORK = "its stage is a whole network"
ALONE: Mapping[str, str] = {  # staged, and not beside others
    "dns.slow": _SECONDS,
    "session.half-open": _SECONDS,
    "mt5.bridge-timeout": _SECONDS,
    **dict.fromkeys(
        (
            "tcp.mtu-blackhole",
            "tcp.captive-portal",
            "tcp.proxy-ignored",
            "tls.interception",
            "tls.sni-blocked",
        ),
        _NETWORK,
    ),
    "tls.clock-skew": "it is a wrong clock and a certificate at once",
    "tls.not-verified": "it withholds the credential, so that nothing later is tried",
    "http.ban-disguised": "without a past it is a status like others",
    "mt5.auth-mode-unsupported": "it is a refused login like another",
    "mt5.bridge-type-error": "it is an error of the gateway like another",
    "crypto.bingx-listen-key": "it needs a simulator that is told when the key expires",
    **dict.fromkeys(
        ("auth.wrong-region", "auth.demo-blocked", "data.demo-feed-dead"), "it is two places at once"
    ),
    **dict.fromkeys(
        (
            "crypto.fernet-key",
            "crypto.session-cookie",
            "crypto.session-expired",
            "crypto.session-secret",
            "data.cached-as-fresh",
            "data.stale-history",
            "host.unreadable-file",
            "mt5.market-closed",
            "mt5.ping-high",
            "mt5.wrong-account-type",
        ),
        "it shows after minutes, in a journal or by signing in, which nobody has composed yet",
    ),
    **dict.fromkeys(
        (
            "auth.ua-bound",
            "eio.websocket-only",
            "net.slow",
            "session.disconnected",
            "session.slow-consumer",
            "session.we-stopped-ponging",
        ),
        "its server or relay is one of its own, which nobody has composed yet",
    ),
    **_of(clients, "it is read in another client's log"),
    **_of(kept, "it needs a store in which much has happened"),
    **_of(load, "it is a load run"),
}
_ENDS_LIVE = frozenset(part.code for part in PARTS if part.step is Step.END)
NOT_TOGETHER: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset(("cfg.ssid-field-override", "auth.demo-real-mismatch")),
        "a balance of the other kind is what that setting asks for",
    ),
    (
        frozenset(("data.stale-ticks", "session.subscription-cap", "session.one-symbol-stall")),
        "a price that does not come does not stand still",
    ),
    *(
        (
            frozenset(("host.clock-wrong", code)),
            "where nobody knows where it leads, nobody is asked for the time",
        )
        for code in ("cfg.ssid-mangled", "cfg.ssid-raw-token", "cfg.ssid-wrong-frame", "cfg.url-malformed")
    ),
    *(
        (frozenset((code, other)), "the session ends before the other is overdue")
        for code in _ENDS_LIVE
        for other in (
            "data.gap",
            "data.stale-ticks",
            "session.one-symbol-stall",
            "session.subscription-cap",
            "session.peer-stopped-ponging",
        )
    ),
    (
        frozenset(("session.one-symbol-stall", "session.subscription-cap", "data.gap")),
        "it is away all the time, and a hole has two ends",
    ),
    (
        frozenset(("auth.demo-real-mismatch", "cfg.client-outdated")),
        "what is not understood is the balance, which would tell",
    ),
    (
        frozenset(("auth.connection-cap", "session.reconnect-storm")),
        "after so many attempts nobody knows what a bare refusal is about",
    ),
    (
        frozenset(("tcp.timeout", "cfg.socks-extra-missing")),
        "where a proxy is set, a silent direct way speaks of that",
    ),
    (
        frozenset(("host.clock-stepped", "session.reconnect-storm")),
        "by a clock that was set back the attempts lie in the future",
    ),
    *(
        (
            frozenset(("session.reconnect-storm", code)),
            "after so many attempts such an answer is taken for a ban until something tells them apart",
        )
        for code in ("http.bad-gateway", "http.cf-52x", "http.open-timeout", "http.error-seen-as-timeout")
    ),
)


NOT_YET = "nobody has said yet how it can stand beside others"


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """One verdict."""

    code: str
    certainty: Certainty
    excluded: Mapping[str, str]


@dataclass(frozen=True)
class Pair:
    first: Part  # as they must be named
    second: Part

    @property
    def codes(self) -> tuple[str, str]:
        return self.first.code, self.second.code

    @property
    def parts(self) -> tuple[Part, Part]:
        return self.first, self.second

    @property
    def id(self) -> str:
        return "+".join(self.codes)

    @property
    def is_there(self) -> bool:
        """Only in the namespace of `tests.doctor.alone`."""
        return any(part.there for part in self.parts)

    @property
    def allowed(self) -> frozenset[str]:
        busy = (
            {"host.cpu-starved", "host.event-loop-blocked"} if self.is_there else set()
        )  # whoever runs tests
        return self.first.beside | self.second.beside | {*self.codes} | busy


def paired(one: Part, two: Part) -> Pair:
    """What keeps from trading first, of that what is wrong with ourselves, then the earliest stage."""

    def place(part: Part, other: Part) -> tuple[bool, bool, int]:
        return not part.stops_trading(other), part.layer not in OURSELVES, ORDER.index(part.code)

    return Pair(one, two) if place(one, two) < place(two, one) else Pair(two, one)


# -- what can be at once -------------------------------------------------------------------------------------------------


def why_not(one: Part, two: Part) -> str:
    """Empty: both can be seen at once."""
    for early, late in ((one, two), (two, one)):
        if early.ends and (late.step > early.step or early.step == late.step > Step.HERE):
            return (
                f"{early.code} ends the look at the step {early.step.name}, before {late.code} could be seen"
            )
    if not one.brokers & two.brokers:
        return "no one server can have both"
    if any(
        part.server and (other.server or other.faults or other.symbol)
        for part, other in ((one, two), (two, one))
    ):
        return "each is another server"
    if why := next((why for codes, why in NOT_TOGETHER if {one.code, two.code} <= codes), ""):
        return why
    for part, other in ((one, two), (two, one)):
        if part.there and other.step is Step.TLS:
            return "a certificate that is staged is made out for an address, and this host has a name"
        if part.there and other.step >= Step.LOGIN:
            return "a host with a name that no certificate proves gets no credential"
    return ""


@dataclass(frozen=True)
class Drawn:
    pairs: tuple[Pair, ...]
    skipped: Mapping[tuple[str, str], str]

    @property
    def reasons(self) -> Counter[str]:
        """Why pairs cannot be, without their names."""
        return Counter(
            f"one ends the look at the step {why.partition(' step ')[2].partition(',')[0]}, before the other could be seen"
            if " ends the look " in why
            else why
            for why in self.skipped.values()
        )


@cache
def drawn() -> Drawn:
    """Layers in turn, so that none is drawn for having many kinds. A kind that is new moves no other's place."""
    kinds = sorted({each.code for each in ALL if each.code and each.is_real} | {part.code for part in PARTS})
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for one, two in combinations(kinds, 2):
        layers = one.partition(".")[0], two.partition(".")[0]
        if layers[0] != layers[1]:
            rows.setdefault(layers, []).append((one, two))
    for row in rows.values():
        row.sort(key=_lot)
    order = sorted(rows, key=_lot)
    pairs: list[Pair] = []
    skipped: dict[tuple[str, str], str] = {}
    for layers in cycle(order):
        if len(pairs) == WANTED:
            return Drawn(tuple(pairs), skipped)
        while rows[layers]:  # until one of these layers is possible
            codes = rows[layers].pop()
            pair, why = _made(*codes)
            if pair is not None:
                pairs.append(pair)
                break
            skipped[codes] = why
    raise AssertionError("a cycle has no end")


def _lot(names: tuple[str, str]) -> bytes:
    return hashlib.sha256(f"{SEED} {' '.join(names)}".encode()).digest()


def _made(one: str, two: str) -> tuple[Pair | None, str]:
    ways = list(product(_parts(one), _parts(two)))
    reasons = [why_not(*way) for way in ways]
    possible = next((way for way, why in zip(ways, reasons, strict=True) if not why), None)
    if possible is not None:
        return paired(*possible), ""
    return None, next(iter(reasons), "") or ALONE.get(one) or ALONE.get(two) or NOT_YET


def _parts(code: str) -> list[Part]:
    return [part for part in PARTS if part.code == code]


# -- both at once --------------------------------------------------------------------------------------------------------


def spoken(diagnosis: Diagnosis) -> tuple[Spoken, ...]:
    return tuple(
        Spoken(code=each.code, certainty=each.certainty, excluded=each.excluded)
        for each in diagnosis.verdicts
        if each.state is not State.HEALTHY
    )


async def examined(*parts: Part) -> Diagnosis:
    clock = asyncio.get_running_loop().time
    began = clock()
    utc = next((part.utc for part in parts if part.utc), WEDNESDAY_NOON)
    reading = next((part.reading for part in parts if part.reading), float)
    server = next((part.server for part in parts if part.server), None)
    if server is None:
        brokers = sorted(frozenset.intersection(*(part.brokers for part in parts)))
        symbol = next((part.symbol for part in parts if part.symbol), "")
        regions = next((part.regions for part in parts if part.regions), None)
        faults = [fault for part in parts for fault in part.faults]
        broker = "pocketoption" if "pocketoption" in brokers else brokers[0]
        server = simulated(broker, *faults, at=regions, **({"symbol": symbol} if symbol else {}))
    with simulated_at(utc):
        async with AsyncExitStack() as stack:
            patient, means = (
                await stack.enter_async_context(server()),
                Means(budget=BUDGET, leaves_early=False),
            )
            for name in filter(None, (part.there for part in parts)):
                assert patient.endpoint is not None
                url = patient.endpoint.url.replace("127.0.0.1", name)
                endpoint = replace(patient.endpoint, url=url)
                patient = replace(patient, endpoint=endpoint, key=None)
                second = () if HOSTS[name].second is None else (SECOND,)
                means = replace(means, controls=HOSTS[name].controls, resolvers=second)
            scene = Scene(patient=patient, means=means, utc=utc + reading(0.0))
            for around in filter(None, (part.around for part in parts)):
                scene = await stack.enter_async_context(around(scene))
            seen = await examine(scene.patient, scene.means, utc=lambda: utc + reading(clock() - began))
            return seen.diagnosis


def play(pair: Pair) -> tuple[Spoken, ...]:
    if pair.is_there:
        return _played_there()[pair.id]
    return spoken(run(examined(*pair.parts)))


@cache
def _played_there() -> Mapping[str, tuple[Spoken, ...]]:
    """All those of which a part is a network of its own."""
    told = told_there("tests.doctor.compound")
    return {
        name: tuple(
            Spoken(code=code, certainty=Certainty(word), excluded=excluded)
            for code, word, excluded in verdicts
        )
        for name, verdicts in told.items()
    }


async def _examined_there() -> dict[str, tuple[Spoken, ...]]:
    async with serving():
        return {pair.id: spoken(await examined(*pair.parts)) for pair in drawn().pairs if pair.is_there}


def main() -> None:
    """In the namespace, in time that waits: names are looked up by threads."""
    with calm_and_hasty():
        said = asyncio.run(_examined_there())
    rows = {
        name: [(each.code, each.certainty.value, dict(each.excluded)) for each in verdicts]
        for name, verdicts in said.items()
    }
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
