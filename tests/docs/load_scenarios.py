"""docs/load-scenarios.md: what stands between its marks is made of the built-in scenarios and the tables of keys."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from probe.load.plan import LASTING, Scenario, Stage, Upset, UpsetKind
from probe.load.scenario import BUILT_IN
from probe.load.scenario_file import SCENARIO_KEYS, STAGE_KEYS, THRESHOLD_KEYS, UPSET_KEYS, Key
from probe.load.seed import LoadTestConfig
from probe.model.units import format_duration

PAGE = Path(__file__).parents[2] / "docs" / "load-scenarios.md"
EXAMPLE = PAGE.with_name("scenario.example.toml")
OPERATIONS = {
    "balance": "the account's balance",
    "candles": "a page of history of a symbol",
    "ping": "a sign of life, answered by the other end",
    "market_data": "to follow a symbol anew, with its recent history",
    "assets": "the list of symbols",
    "check_order": "the open orders",
    "get_orders": "the open orders",
    "place_order": "a demo order; with `trading = true`, and on a simulator that proves itself",
}
UPSETS = {
    UpsetKind.DROP: "the connection is cut from this side, without a goodbye, and opened anew",
    UpsetKind.HALF_OPEN: "the connection stays, and nothing is read or written",
    UpsetKind.SLOW_READER: "so many bytes are read in a second, and no more",
    UpsetKind.LOST_PONG: "the server's heartbeats are heard and not answered",
    UpsetKind.AUTH_EXPIRY: "cut; the next login has a credential that is not valid, the one after it the right one",
    UpsetKind.SUBSCRIBE_FLOOD: "every symbol there is is asked for, as fast as it goes",
}
CONFIG = {
    "concurrent_clients": "users, where `--users` says nothing",
    "operations_per_client": "then a user does no more; in stress mode half of them in each stage",
    "operation_delay": "seconds from one operation of a user to its next; in stress mode 10 %, 5 %, 1 % and 50 % of it",
    "test_duration_minutes": "the run ends then, even if operations are left; a stage of the stress mode takes a quarter of it, and at most a minute",
    "use_persistent_connection": "`false`: a connection for each operation",
    "include_trading_operations": "`place_order`, `check_order` and `get_orders` are among the operations",
    "stress_mode": "the four stages of `stress` instead of one",
}


def load_scenarios_page() -> str:
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in (
        ("scenarios", _scenarios()),
        ("keys", _keys()),
        ("upsets", _upsets()),
        ("operations", _operations()),
        ("config", _config()),
    ):
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        assert begin, name
        assert end, name
        page = before + begin + "\n" + "\n".join(lines).strip() + "\n\n" + end + after
    before, begin, rest = page.partition("```toml\n")
    _, end, after = rest.partition("```\n")
    return before + begin + EXAMPLE.read_text(encoding="utf-8") + end + after


def _scenarios() -> Iterator[str]:
    for scenario in BUILT_IN.values():
        yield from ("", f"### `{scenario.name}`", "", scenario.title, "")
        yield from ("| stage | lasts | users | rate | what is done |", "|---|---|---|---|---|")
        for stage in scenario.stages:
            done = "; ".join((*_of_users(stage), *map(_done, stage.upsets))) or "–"
            ramp = (
                f", the first {format_duration(stage.ramp)} a ramp" if 0 < stage.ramp < stage.seconds else ""
            )
            ramp = ", a ramp" if stage.ramp == stage.seconds else ramp
            lasts = format_duration(stage.seconds) + ramp
            yield f"| {stage.name} | {lasts} | {_share(stage.users)} | {_share(stage.rate)} | {done} |"


def _of_users(stage: Stage) -> Iterator[str]:
    if stage.operations_per_user is not None and stage.pace is not None:
        yield f"{stage.operations_per_user} operations of each user, {format_duration(stage.pace)} apart"


def _done(upset: Upset) -> str:
    words = f"`{upset.kind.value}` of {_share(upset.share)} after {format_duration(upset.at)}"
    if upset.bytes_per_second is not None:
        words += f", {upset.bytes_per_second:g} bytes a second"
    return words + (f", back within {format_duration(upset.jitter)}" if upset.jitter else "")


def _share(share: float) -> str:
    return f"{share:.0%}"


def _keys() -> Iterator[str]:
    for heading, keys, usual in (
        ("The scenario itself", SCENARIO_KEYS, Scenario(name="", title="", stages=())),
        ("`[[stages]]`", STAGE_KEYS, Stage(name="", seconds=0)),
        ("`[[stages.upsets]]`", UPSET_KEYS, None),
        ("`thresholds`, where one is a table", THRESHOLD_KEYS, None),
    ):
        yield from ("", f"### {heading}", "", "| key | takes | without it | what |", "|---|---|---|---|")
        yield from (
            f"| `{key.name}` | {key.kind.words} | {_without(key, usual)} | {key.help} |" for key in keys
        )


def _without(key: Key, usual: object) -> str:
    if key.is_required or key.name == "stages":
        return "an error, or `[config]`" if key.name == "stages" else "an error"
    if key.name in ("users", "rate", "share"):
        return "100%" if key.name != "users" or isinstance(usual, Stage) else "10"
    value = getattr(usual, key.field, None)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return format_duration(value) if isinstance(value, float) else "–"


def _upsets() -> Iterator[str]:
    yield from ("| kind | lasts | what happens to a session |", "|---|---|---|")
    for kind, what in UPSETS.items():
        yield f"| `{kind.value}` | {'yes' if kind in LASTING else 'no'} | {what} |"


def _operations() -> Iterator[str]:
    yield from ("| operation | asks for |", "|---|---|")
    yield from (f"| `{name}` | {what} |" for name, what in OPERATIONS.items())
    yield from ("", "What a broker's protocol has no question for is left out, and a warning says so.")


def _config() -> Iterator[str]:
    yield from ("| field | without it | effect |", "|---|---|---|")
    for field in fields(LoadTestConfig):
        default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default:g}"
        yield f"| `{field.name}` | `{default}` | {CONFIG[field.name]} |"
