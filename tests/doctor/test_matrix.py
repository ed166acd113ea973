"""What was staged against what was said, all of it together."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from typing import Any
from unittest import mock

import pytest

from probe.catalogue import entries
from probe.diagnose.diagnose import ceiling
from probe.doctor.examine import DEEP_BUDGET
from probe.faults.catalogue import FAULTS
from probe.faults.grammar import parse_fault
from probe.model.findings import Certainty
from probe.simulator.run import Simulator
from tests.doctor.staged import ALL
from tests.doctor.staging import Said, Staged

FIRST_RIGHT, WRONG_AND_LIKELY, SAID_WITH_CERTAINTY, UNDETERMINED = 0.95, 0.03, 0.80, 0.10  # the aims
HEALTHY, NOTHING = "healthy", "nothing"


@dataclass(frozen=True)
class Matrix:
    played: Sequence[tuple[Staged, Said]]
    left_out: int = 0  # they need what this machine does not give: namespaces of their own

    @cached_property
    def failures(self) -> list[tuple[Staged, Said]]:
        return [(each, said) for each, said in self.played if each.code]

    @cached_property
    def mistaken(self) -> Counter[tuple[str, str, str]]:
        """The cells off the diagonal: what it was, what it was called, how surely."""
        return Counter(
            (each.code or HEALTHY, said.first or NOTHING, _sure(said).value)
            for each, said in self.played
            if said.first != each.code
        )

    @property
    def right(self) -> float:
        return sum(said.first == each.code for each, said in self.failures) / len(self.failures)

    def wrong(self, certainty: Certainty) -> int:
        return sum(count for (_, _, sure), count in self.mistaken.items() if sure == certainty.value)

    @cached_property
    def provable(self) -> set[str]:
        return {each.code for each, _ in self.failures if ceiling(entries()[each.code]) is Certainty.CERTAIN}

    @cached_property
    def unproven(self) -> set[str]:
        said = {each.code for each, said in self.failures if said.verdicts[:1] == (_certainly(each.code),)}
        return self.provable - said

    @property
    def proven(self) -> float:
        return 1 - len(self.unproven) / len(self.provable)

    @cached_property
    def slowest(self) -> tuple[Staged, Said]:
        return max(self.played, key=lambda each: each[1].seconds)

    @property
    def undetermined(self) -> float:
        return sum(_sure(said) is Certainty.UNDETERMINED for _, said in self.failures) / len(self.failures)

    def lines(self) -> Iterator[str]:
        """At a glance: the aims, the layers, and each mistake by name."""
        codes = {each.code for each, _ in self.failures}
        healthy = len(self.played) - len(self.failures)
        yield f"{len(self.failures)} staged failures of {len(codes)} kinds, {healthy} healthy sessions"
        if self.left_out:
            yield f"  left out, since no network namespace can be made here: {self.left_out}"
        wrong = self.wrong(Certainty.LIKELY) / len(self.played)
        for words, value, aim in (
            ("first verdict right", f"{self.right:.1%}", f"at least {FIRST_RIGHT:.0%}"),
            ("wrong, and said to be certain", self.wrong(Certainty.CERTAIN), "none"),
            ("wrong, and said to be likely", f"{wrong:.1%}", f"at most {WRONG_AND_LIKELY:.0%}"),
            (
                "certain, of kinds that allow it",
                f"{self.proven:.1%}",
                f"at least {SAID_WITH_CERTAINTY:.0%}",
            ),
            ("undetermined, or nothing said", f"{self.undetermined:.1%}", f"at most {UNDETERMINED:.0%}"),
        ):
            yield f"  {words:<32}{value:>8}   aim: {aim}"
        longest, said = self.slowest
        yield f"  {'the longest examination':<32}{said.seconds:>6.1f} s   of {longest.id}"
        yield ""
        yield f"  {'layer':<10}{'staged':>8}{'right':>8}" + "".join(f"{sure.value:>14}" for sure in Certainty)
        by_layer: dict[str, list[tuple[Staged, Said]]] = defaultdict(list)
        for each, said in self.played:
            by_layer[each.code.partition(".")[0] or HEALTHY].append((each, said))
        for layer, rows in by_layer.items():
            right = sum(said.first == each.code for each, said in rows)
            sure = Counter(_sure(said) for _, said in rows if said.verdicts)
            yield f"  {layer:<10}{len(rows):>8}{right:>8}" + "".join(
                f"{sure[word]:>14}" for word in Certainty
            )
        yield ""
        yield "  mistaken for something else:" + ("" if self.mistaken else " none")
        for (staged, said_of_it, how), count in sorted(self.mistaken.items()):
            yield f"    {staged} was called {said_of_it} ({how}), {count} times"
        yield "  never said with certainty, though the catalogue allows it:" + (
            "" if self.unproven else " none"
        )
        yield from (f"    {code}" for code in sorted(self.unproven))


def _sure(said: Said) -> Certainty:
    return said.verdicts[0][1] if said.verdicts else Certainty.UNDETERMINED


def _certainly(code: str) -> tuple[str, Certainty]:
    return code, Certainty.CERTAIN


# Of the simulator's faults those of which something else is said, or nothing, and why.
OTHERWISE = {
    **dict.fromkeys(
        ("close-after-order", "close-lost", "order-unanswered", "order-ignored"),
        "the doctor places no orders",
    ),
    **dict.fromkeys(
        ("stuck-history", "short-history"), "it asks for one page of the past, and shows none to anybody"
    ),
    **dict.fromkeys(
        ("gateway-algo-off", "gateway-investor"), "only whoever asks the terminal itself sees it"
    ),
    **dict.fromkeys(
        ("beat-terms", "stop-pings"), "from the start: the server never pings (eio.ping-direction)"
    ),
    **dict.fromkeys(
        ("garbage", "truncate-json"), "the frames are sound, what they say is not (cfg.client-outdated)"
    ),
    "binary-garbage": "it looks like an attachment without its header (sio.binary-placeholder)",
    "freeze": "the kernel of this machine acknowledges what the server does not read (session.peer-stopped-ponging)",
    "auth-outage": "of one target alone it is a refused login (auth.session-expired)",
    "pre-auth-events": "the doctor asks for nothing before the login",
    "subscription-cap": "it subscribes to one symbol there; symbols that the house's own cap displaces are staged",
    "connection-cap": "its page is that of a challenge (http.cf-challenge); a bare refusal is staged",
    **dict.fromkeys(("signin-stale-token", "signin-expired"), "whoever is examined signs in anew"),
}


def played(number: int) -> tuple[Said | None, set[str]]:
    """What was said of one of them, None if it cannot be staged here; and the simulator's faults that it was rightly said of."""
    staged, met, begin = ALL[number], set[str](), Simulator.__init__

    def begun(simulator: Simulator, *brokers: Any, **about: Any) -> None:
        met.update(parse_fault(fault, FAULTS).spec.name for fault in about.get("faults", ()))
        begin(simulator, *brokers, **about)

    with mock.patch.object(Simulator, "__init__", begun):
        try:
            said = staged.play()
        except pytest.skip.Exception:
            return None, set()
    is_right = said.first == staged.code
    return said, {name for name in met if is_right and FAULTS[name].finding == staged.code}


@pytest.mark.long
@pytest.mark.alone  # what it prints is to be read
def test_what_is_staged_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        told = list(pool.map(played, range(len(ALL))))
    rows = [(each, said) for each, (said, _) in zip(ALL, told, strict=True) if said is not None]
    matrix = Matrix(rows, len(ALL) - len(rows))
    by_faults = set[str]().union(*(names for _, names in told))
    with capsys.disabled():
        print("\n", *matrix.lines(), sep="\n")
    assert matrix.right >= FIRST_RIGHT
    assert matrix.wrong(Certainty.CERTAIN) == 0
    assert matrix.wrong(Certainty.LIKELY) / len(matrix.played) <= WRONG_AND_LIKELY
    assert matrix.proven >= SAID_WITH_CERTAINTY
    assert matrix.undetermined <= UNDETERMINED
    named = {name for name, spec in FAULTS.items() if spec.finding} - OTHERWISE.keys()
    assert (named - by_faults, by_faults & OTHERWISE.keys()) == (set(), set())
    assert matrix.slowest[1].seconds <= DEEP_BUDGET


def test_a_mistake_is_seen_at_a_glance() -> None:
    certain, likely = Certainty.CERTAIN, Certainty.LIKELY

    def staged(code: str, *verdicts: tuple[str, Certainty]) -> tuple[Staged, Said]:
        said = Said(verdicts=verdicts, without="")
        return Staged(code=code, name="one", play=lambda: said), said

    matrix = Matrix(
        [
            staged("tcp.refused", ("tcp.refused", certain)),
            staged("tcp.timeout", ("tcp.refused", certain)),
            staged("dns.nxdomain"),
            staged("", ("host.cpu-starved", likely)),
        ],
        left_out=2,
    )
    assert (matrix.right, matrix.wrong(certain), matrix.wrong(likely)) == (1 / 3, 1, 1)
    assert (matrix.unproven, matrix.undetermined) == ({"tcp.timeout", "dns.nxdomain"}, 1 / 3)
    shown = list(matrix.lines())
    assert "  left out, since no network namespace can be made here: 2" in shown
    assert "    tcp.timeout was called tcp.refused (certain), 1 times" in shown
    assert "    healthy was called host.cpu-starved (likely), 1 times" in shown
    assert "    dns.nxdomain was called nothing (undetermined), 1 times" in shown
