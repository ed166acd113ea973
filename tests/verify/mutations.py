"""Every fault of the simulator, planted in turn: which tests fail, and what they say it is.

`python -m tests.verify.mutations` plants them all and keeps in `caught.json` what came of it (about ten minutes);
`docs/verify-mutations.md` is drawn from that.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from probe.brokers import broker_names, find_broker
from probe.faults.catalogue import FAULTS, read_fault
from probe.simulator.switchboard import can_have
from probe.verify.model import Need, Outcome
from probe.verify.run import Plan, chosen_trials, run_trial
from tests.verify.subjects import simulated

SUITES = ("integration", "advanced")
KEPT = Path(__file__).with_name("caught.json")
FIRST = (
    "pocketoption",
    "quotex",
)  # those with the most to lose; each fault is planted at one broker that can have it
# Looked at by time alone, or by what a test does anyway: memory says nothing about a broker, and is what takes longest.
LEFT_OUT = ("Memory Usage Test",)
# How a fault is written so that it does something; without an entry by its name alone.
WRITTEN: Mapping[str, str] = {
    "slow": "slow:seconds=12",
    "delay": "delay:seconds=1.5",
    "jitter": "jitter:seconds=3",
    "throttle": "throttle:bytes_per_second=2000",
    "connection-cap": "connection-cap:cap=1",
    "flood": "flood@1s+2s",  # a flood for an hour is more than anybody waits for
    "exchange-limit": "exchange-limit:requests=0",
    "gateway-account-switched": "gateway-account-switched@5s",  # whose account it was before is known then
    "backend-restarted": "backend-restarted@20s",  # a session from before it is
}
AT: Mapping[str, str] = {"interleave": "quotex"}  # where the preferred one takes no harm
# A fault that no test catches, and why none can or shall.
_SIGNS_IN = "these suites open sessions with a credential, and sign in nowhere"
_NO_TLS = "the suites' simulators serve their plain endpoints; certificates and versions are what probe check and probe doctor look at"
_HARMLESS = "nothing that a session shows is wrong by it"
_ASKS_THE_TERMINAL = "the gateway does not tell it; only a session to the terminal itself sees it"
UNCAUGHT: Mapping[str, str] = {
    "pre-auth-events": "it is about clients that ask before they are logged in, and our sessions never do",
    "flood": "two seconds of it are worked off, and the session goes on; of a longer one nobody waits for the end",
    "numbers-as-text": "they are read all the same, and every figure is right",
    "signin-challenge": _SIGNS_IN,
    "signin-form-missing": _SIGNS_IN,
    "signin-region-blocked": _SIGNS_IN,
    "signin-pin": _SIGNS_IN,
    "signin-refused": _SIGNS_IN,
    "signin-settings-missing": _SIGNS_IN,
    "signin-stale-token": _SIGNS_IN,
    "signin-expired": _SIGNS_IN,
    "signin-slow": _SIGNS_IN,
    "history-by-word": "the history of the web pages is asked for by other programs; our sessions ask over the socket",
    "gateway-variant": "both variants of the gateway are served, and neither is wrong",
    "gateway-algo-off": _ASKS_THE_TERMINAL,
    "gateway-investor": _ASKS_THE_TERMINAL,
    "gateway-long-history": _HARMLESS,
    "backend-health": _HARMLESS,
    "backend-docs-exposed": "it is a note to whoever runs the backend, and harms no session",
    "backend-hash-broken": _SIGNS_IN,
    "backend-mail": _SIGNS_IN,
    "backend-cookie": _SIGNS_IN,
    "backend-cookie-signed": "it is about sessions that were signed out of, and nobody signs out here",
    "exchange-old-codes": _HARMLESS,
    "tls-certificate": _NO_TLS,
    "tls-version": _NO_TLS,
}

# Faults of one of several ways to a broker, which is not the first.
REGION: Mapping[str, str] = dict.fromkeys(
    (
        "exchange-error",
        "exchange-limit",
        "exchange-symbol-offline",
        "exchange-clock-skew",
    ),
    "rest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    fault: str  # as planted
    broker: str
    tests: tuple[str, ...]  # that failed
    codes: tuple[str, ...]  # that they said it is, the most frequent first


def broker_of(fault: str) -> str:
    order = read_fault(fault)
    names = (*FIRST, *(name for name in broker_names() if name not in FIRST))
    return next(name for name in names if can_have(find_broker(name), order))


def planted(name: str) -> Caught:
    fault = WRITTEN.get(name, name)
    broker = AT.get(name) or broker_of(fault)
    failed, said = list[str](), dict[str, int]()
    if UNCAUGHT.get(name) == _NO_TLS:  # and so refuse it
        return Caught(fault=fault, broker=broker, tests=(), codes=())
    for suite, trial in chosen_trials(Plan(suites=SUITES)):
        if trial.name in LEFT_OUT or Need.REAL_TIME in trial.needs:
            continue
        result = run_trial(simulated(broker, REGION.get(name)), suite, trial, Plan(faults=(fault,)))
        if result.outcome in (Outcome.FAILED, Outcome.ERROR):
            failed.append(trial.name)
            for cause in result.causes:
                said[cause.code] = said.get(cause.code, 0) + 1
    codes = sorted(said, key=lambda code: -said[code])
    return Caught(fault=fault, broker=broker, tests=tuple(failed), codes=tuple(codes))


def kept() -> dict[str, Caught]:
    rows = json.loads(KEPT.read_text(encoding="utf-8"))
    return {
        name: Caught(
            fault=row["fault"], broker=row["broker"], tests=tuple(row["tests"]), codes=tuple(row["codes"])
        )
        for name, row in rows.items()
    }


def mutations_page() -> str:
    found = kept()
    by_one = sum(bool(each.tests) for each in found.values())
    lines = [
        "# What each fault makes fail",
        "",
        "Drawn by `make docs` from what `python -m tests.verify.mutations` found: each fault of [the simulator](simulator.md#faults)",
        f"was on from the beginning, in pretended time, while [`probe verify`](verify.md) ran the suites {' and '.join(SUITES)}, but for",
        "what measures real time.",
        f"Of {len(found)} faults {by_one} make at least one test fail. A fault is planted at one broker that can have it; the memory test is",
        "left out, for it takes longest and looks at us. `make test-patient` plants them all anew and holds this page to it.",
        "",
        "| fault | at | tests that fail | verdicts |",
        "|---|---|---|---|",
        *(_row(each) for each in found.values() if each.tests),
        "",
        "## Faults that no test catches",
        "",
        "| fault | at | why |",
        "|---|---|---|",
        *(
            f"| `{each.fault}` | {each.broker} | {UNCAUGHT[name]} |"
            for name, each in found.items()
            if not each.tests
        ),
        "",
    ]
    return "\n".join(lines)


MOST_NAMED = 4


def _row(each: Caught) -> str:
    more = len(each.tests) - MOST_NAMED
    tests = ", ".join(each.tests[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
    codes = ", ".join(f"`{code}`" for code in each.codes[:3]) or "–"
    return f"| `{each.fault}` | {each.broker} | {tests} | {codes} |"


def _measured(names: Sequence[str]) -> Iterator[tuple[str, Caught]]:
    with ProcessPoolExecutor(2) as pool:
        for name, caught in zip(names, pool.map(planted, names), strict=True):
            print(name, caught.broker, len(caught.tests), *caught.codes, flush=True)
            yield name, caught


def main() -> None:
    rows = {name: asdict(each) for name, each in kept().items()} if KEPT.exists() else {}
    for name, caught in _measured(sys.argv[1:] or list(FAULTS)):
        rows[name] = asdict(caught)
        in_order = {each: rows[each] for each in FAULTS if each in rows}
        KEPT.write_text(json.dumps(in_order, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
