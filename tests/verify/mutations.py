"""Every fault of the simulator, planted in turn: which tests fail, and what they say it is.

`python -m tests.verify.mutations` plants them all and keeps in `caught.json` what came of it (about five minutes);
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
from probe.verify.naming import joined
from probe.verify.run import Plan, chosen_trials, looked_at, run_trial
from tests.verify.subjects import simulated

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
    "freeze": "freeze@20s",  # of what goes wrong from the beginning on nothing is seen but that there is no way in
    "cut": "cut@20s",
    "corrupt": "corrupt@20s",
    "gateway-account-switched": "gateway-account-switched@5s",  # whose account it was before is known then
    "backend-restarted": "backend-restarted@20s",  # a session from before it is
}
AT: Mapping[str, str] = {
    "interleave": "quotex",  # where the preferred one takes no harm
    "signin-challenge": "quotex",  # nor has sessions that are won with a password
    "signin-slow": "quotex",
}
# A fault that no test catches, and why none can or shall.
_HARMLESS = "nothing that a session shows is wrong by it"
_ASKS_THE_TERMINAL = "the gateway does not tell it; only a session to the terminal itself sees it"
UNCAUGHT: Mapping[str, str] = {
    "pre-auth-events": "it is about clients that ask before they are logged in, and our sessions never do",
    "flood": "two seconds of it are worked off, and the session goes on; of a longer one nobody waits for the end",
    "numbers-as-text": "they are read all the same, and every figure is right",
    "signin-pin": "whoever signs in here has the PIN at hand",
    "signin-slow": "five seconds for a page are slow, and no promise says how fast signing in is",
    "history-by-word": "the history of the web pages is asked for by other programs; our sessions ask over the socket",
    "gateway-variant": "both variants of the gateway are served, and neither is wrong",
    "gateway-algo-off": _ASKS_THE_TERMINAL,
    "gateway-investor": _ASKS_THE_TERMINAL,
    "backend-health": _HARMLESS,
    "exchange-old-codes": _HARMLESS,
}
# A fault that has another name than the simulator's catalogue gives it, because that is all that shows.
CALLED_OTHERWISE: Mapping[str, str] = {
    "auth-outage": "of one target alone it is a refused login",
    "truncate-json": "the frames are sound, what they say is not",
    "garbage": "the frames are sound, what they say is not",
    "binary-garbage": "it looks like an attachment without its header",
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
    codes: tuple[str, ...]  # that it is said to be, the surest first


def broker_of(fault: str) -> str:
    order = read_fault(fault)
    names = (*FIRST, *(name for name in broker_names() if name not in FIRST))
    return next(name for name in names if can_have(find_broker(name), order))


def planted(name: str, only: Sequence[str] = ()) -> Caught:
    """
    Args:
        only: These tests; none: all of them.
    """
    fault = WRITTEN.get(name, name)
    broker = AT.get(name) or broker_of(fault)
    subject, plan = simulated(broker, REGION.get(name)), Plan(faults=(fault,))
    results = [
        run_trial(subject, suite, trial, plan)
        for suite, trial in chosen_trials(plan, broker)
        if trial.name not in LEFT_OUT
        and Need.REAL_TIME not in trial.needs
        and (not only or trial.name in only)
    ]
    failed = [each for each in results if each.outcome in (Outcome.FAILED, Outcome.ERROR)]
    found = joined(looked_at(subject, plan), *(each.causes for each in failed)) if failed else ()
    return Caught(
        fault=fault,
        broker=broker,
        tests=tuple(each.trial.name for each in failed),
        codes=tuple(each.code for each in found),
    )


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
        "was on, as written here, in pretended time, while [`probe verify`](verify.md) ran all its suites, but for what measures real time.",
        f"Of {len(found)} faults {by_one} make at least one test fail. A fault is planted at one broker that can have it; the memory test is",
        "left out, for it takes longest and looks at us. `make test-long` plants each anew before the first test that is named here, and",
        "`make test-patient` before all of them; both hold this page to it.",
        "",
        "| fault | at | tests that fail | verdicts |",
        "|---|---|---|---|",
        *(_row(each) for each in found.values() if each.tests),
        "",
        "## Faults that are called otherwise",
        "",
        "The verdicts above name the fault by its own name, as `probe sim --list-faults` says it, but for these:",
        "",
        "| fault | its own name | why |",
        "|---|---|---|",
        *(f"| `{name}` | `{FAULTS[name].finding}` | {why} |" for name, why in CALLED_OTHERWISE.items()),
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
    codes = ", ".join(f"`{code}`" for code in each.codes) or "–"
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
