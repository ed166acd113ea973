"""Scenarios as TOML: one table of keys, by which files are read, written back, and described on a page."""

import json
import math
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from itertools import starmap
from typing import Any

from probe.load.plan import LASTING, Scenario, Stage, Threshold, Upset, UpsetKind
from probe.load.seed import OPERATIONS, TRADING_OPERATIONS, LoadTestConfig
from probe.load.thresholds import read_threshold
from probe.model.errors import ConfigError, near_miss
from probe.model.units import format_duration, parse_duration, parse_rate

ORDER = "place_order"
KNOWN_OPERATIONS = (*OPERATIONS, *TRADING_OPERATIONS, "assets")
WEEK = 7 * 86_400.0
_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`read` raises ConfigError without a place; who knows it adds it. `write` gives TOML."""

    words: str
    read: Callable[[Any], Any]
    write: Callable[[Any], str] = json.dumps


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    name: str
    kind: Kind
    help: str
    attribute: str = ""  # where Python has another word
    also_tried: tuple[str, ...] = ()
    is_required: bool = False

    @property
    def field(self) -> str:
        return self.attribute or self.name


def _wrong_type(value: object, wanted: str, next_step: str) -> ConfigError:
    return ConfigError(
        f"this is {_TYPES.get(type(value), 'a date or time')}, not {wanted}", next_step=next_step
    )


def _number(value: object, wanted: str, next_step: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type(value, wanted, next_step)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError("this is no number that can be counted with", next_step=next_step)
    return number


def _within(number: float, least: float, most: float, show: Callable[[float], str]) -> float:
    if not least <= number <= most:
        raise ConfigError(
            f"{show(number)} is out of range", next_step=f"It is from {show(least)} to {show(most)}."
        )
    return number


def _duration(least: float, most: float) -> Kind:
    how = 'Write it like "20s", "1m30s" or "250ms".'

    def read(value: object) -> float:
        seconds = parse_duration(value) if isinstance(value, str) else _number(value, "a duration", how)
        return _within(seconds, least, most, format_duration)

    def write(seconds: float) -> str:
        text = format_duration(seconds)
        return json.dumps(text) if parse_duration(text) == seconds else repr(seconds)

    return Kind(words=f"{format_duration(least)} to {format_duration(most)}", read=read, write=write)


_HOW_A_SHARE = 'Write it like "50%", "1/3" or 0.5.'


def _of_hundred(text: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:%|/\s*(\d+(?:\.\d+)?)\s*)?", text, re.ASCII)
    below = float(found[2]) if found and found[2] else 100.0 if found and "%" in text else 1.0
    if found is None or not below:
        raise ConfigError("this is not a share", next_step=_HOW_A_SHARE)
    return float(found[1]) / below


def _share(least: float, most: float) -> Kind:
    def read(value: object) -> float:
        share = _of_hundred(value) if isinstance(value, str) else _number(value, "a share", _HOW_A_SHARE)
        return _within(share, least, most, lambda share: f"{share * 100:,.10g}%")

    def write(share: float) -> str:
        text = f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"
        return json.dumps(text) if _of_hundred(text) == share else repr(share)

    return Kind(words=f"{least:.0%} to {most:,.0%}", read=read, write=write)


def _speed(value: object) -> float:
    how = 'Write it like "1KiB/s".'
    speed = parse_rate(value) if isinstance(value, str) else _number(value, "a rate", how)
    return _within(speed, 1, 1e12, lambda many: f"{many:g}/s")


def _count(most: int) -> Kind:
    def read(value: object) -> int:
        number = _number(value, "a whole number", "Write digits, without quotes.")
        if number != int(number):
            raise ConfigError("this is not a whole number", next_step="Write digits, without a point.")
        return int(_within(number, 1, most, lambda many: f"{many:,.10g}"))

    return Kind(words=f"1 to {most:,}", read=read)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _wrong_type(value, "text", "Write it in quotes.")
    if not (value.strip() and value.isprintable() and len(value) <= 200):
        raise ConfigError(
            "this is empty, too long, or holds characters that cannot be shown",
            next_step="Write 1 to 200 characters.",
        )
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type(value, "true or false", "Write true or false, without quotes.")
    return value


def _upset_kind(value: object) -> UpsetKind:
    text, known = _text(value), [kind.value for kind in UpsetKind]
    if text not in known:
        raise ConfigError(
            "there is no such upset",
            suggestion=near_miss(text.lower().replace("_", "-"), known) or "",
            next_step=f"There are: {', '.join(known)}.",
        )
    return UpsetKind(text)


def _list_of(read: Callable[[Any], Any], most: int, *, least: int = 0) -> Callable[[object], tuple[Any, ...]]:
    def read_all(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong_type(value, "a list", "Write it in brackets.")
        if not least <= len(value) <= most:
            there = "it is empty" if not value else f"it has {len(value)} entries"
            raise ConfigError(there, next_step=f"It takes {least} to {most}.")
        return tuple(_at(f"[{number}]", read, each) for number, each in enumerate(value, 1))

    return read_all


def _at(place: str, read: Callable[[Any], Any], value: object) -> Any:
    try:
        return read(value)
    except ConfigError as problem:
        dot = ": " if problem.where[:1] in ("'", '"') else "." if problem.where[:1].isalpha() else ""
        raise ConfigError(
            problem.problem,
            where=f"{place}{dot}{problem.where}",
            suggestion=problem.suggestion,
            next_step=problem.next_step,
        ) from None


def _read_table(keys: tuple[Key, ...], value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type(value, "a table", "Write its keys below a line with its name in brackets.")
    known = {key.name: key for key in keys}
    for name in value:
        if name not in known:
            raise _unknown(name, known, keys)
    for key in keys:
        if key.is_required and key.name not in value:
            raise ConfigError(f"{key.name!r} is missing", next_step=f"Add it: {key.help}")
    return {known[name].field: _at(name, known[name].kind.read, each) for name, each in value.items()}


def _unknown(name: str, known: Iterable[str], keys: Iterable[Key] = ()) -> ConfigError:
    lowered, known = name.lower().replace("-", "_"), list(known)
    meant = next((key.name for key in keys if lowered in key.also_tried), None)
    shown = repr(name) if re.fullmatch(r"[\w-]{1,30}", name) else "a key here"
    return ConfigError(
        f"{shown} is unknown",
        suggestion=meant or near_miss(lowered, known) or "",
        next_step=f"There are: {', '.join(known)}.",
    )


def _upset(value: object) -> Upset:
    upset = Upset(**_read_table(UPSET_KEYS, value))
    if upset.seconds is not None and upset.kind not in LASTING:
        raise ConfigError(f"{upset.kind.value} is over at once", where="duration", next_step="Remove it.")
    if (upset.bytes_per_second is None) is (upset.kind is UpsetKind.SLOW_READER):
        needs = "a slow reader needs it" if upset.bytes_per_second is None else "it is for slow-reader only"
        raise ConfigError(needs, where="speed", next_step='Write it like "100/s", or remove it.')
    return upset


def _stage(value: object) -> Stage:
    stage = Stage(**_read_table(STAGE_KEYS, value))
    lasts = format_duration(stage.seconds)
    if stage.ramp > stage.seconds:
        raise ConfigError(f"it is longer than the stage, {lasts}", where="ramp", next_step="Make it shorter.")
    for number, upset in enumerate(stage.upsets, 1):
        if upset.at >= stage.seconds or upset.at + (upset.seconds or 0) > stage.seconds + 1e-6:
            raise ConfigError(
                f"it goes on after the stage is over, which lasts {lasts}",
                where=f"upsets[{number}]",
                next_step="Begin it earlier, or make the stage longer.",
            )
    return stage


def _operations(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _wrong_type(value, "a table", "Write [operations] on a line, and names with weights below it.")
    if unknown := [name for name in value if name not in KNOWN_OPERATIONS]:
        raise _unknown(unknown[0], KNOWN_OPERATIONS)
    return {name: _at(name, _weight, weight) for name, weight in value.items()}


def _weight(value: object) -> float:
    return _within(_number(value, "a weight", "Write it like 1 or 2.5."), 1e-6, 1e6, "{:g}".format)


def _threshold(value: object) -> Threshold:
    if isinstance(value, str):
        return read_threshold(_text(value))
    told = _read_table(THRESHOLD_KEYS, value)
    threshold: Threshold = _at("check", read_threshold, told.pop("check"))
    return replace(threshold, **told)


_FLAG = Kind(words="true or false", read=_flag)
_TEXT = Kind(words="text", read=_text)


def _tables(words: str, read: Callable[[Any], Any], most: int, *, least: int = 0) -> Kind:
    return Kind(words=words, read=_list_of(read, most, least=least))


def _texts(most: int) -> Kind:
    return Kind(words="texts", read=_list_of(_text, most), write=lambda texts: json.dumps(list(texts)))


THRESHOLD_KEYS = (
    Key(name="check", kind=_TEXT, is_required=True, help="the threshold as it is written."),
    Key(name="abort_on_fail", kind=_FLAG, help="ends the run when it breaks."),
    Key(name="grace", kind=_duration(0, WEEK), help="so long after the run's beginning it cannot end it."),
)
UPSET_KEYS = (
    Key(name="kind", kind=Kind(words=", ".join(f"`{kind.value}`" for kind in UpsetKind), read=_upset_kind, write=lambda kind: json.dumps(kind.value)), is_required=True, also_tried=("name", "type"), help="what is done to sessions that work."),
    Key(name="share", kind=_share(1e-6, 1), also_tried=("percent", "sessions"), help="of the sessions that are live then; without it all."),
    Key(name="at", kind=_duration(0, WEEK), also_tried=("start", "after"), help="so long after its stage begins."),
    Key(name="duration", attribute="seconds", kind=_duration(1e-3, WEEK), also_tried=("seconds", "for"), help="how long it lasts, where it lasts; without it to the end of its stage."),
    Key(name="jitter", kind=_duration(0, 3600), also_tried=("spread",), help="the way back is spread over so long."),
    Key(name="speed", attribute="bytes_per_second", kind=Kind(words="bytes, as in `1KiB/s`", read=_speed, write=lambda speed: json.dumps(float(speed))), also_tried=("bytes_per_second", "rate"), help="what a slow reader reads."),
)  # fmt: skip
STAGE_KEYS = (
    Key(name="name", kind=_TEXT, is_required=True, also_tried=("title",), help="what it is called in reports."),
    Key(name="duration", attribute="seconds", kind=_duration(0.1, WEEK), is_required=True, also_tried=("seconds", "for", "time"), help="how long it takes."),
    Key(name="users", kind=_share(0, 100), also_tried=("clients",), help="a share of the run's users; without it all of them, and more than 100% is more."),
    Key(name="ramp", kind=_duration(0, WEEK), also_tried=("ramp_up",), help="of its duration: so long users and rate move there from those of the stage before."),
    Key(name="rate", kind=_share(0, 100), help="a share of the run's rate, where it has one."),
    Key(name="pace", kind=_duration(0, 3600), also_tried=("delay", "think_time"), help="from one operation of a user to its next, where the run has no rate; without it the scenario's."),
    Key(name="operations_per_user", kind=_count(1_000_000_000), also_tried=("operations",), help="then a user does no more; without it as many as the time allows."),
    Key(name="upsets", kind=_tables("`[[stages.upsets]]`", _upset, 20), help="what is done to sessions that work."),
    Key(name="faults", kind=_texts(20), also_tried=("fault",), help="of the simulator, if the run starts its own, as `probe sim --fault` takes them."),
)  # fmt: skip
SCENARIO_KEYS = (
    Key(name="name", kind=_TEXT, help="what it is called; without it as its file."),
    Key(name="title", kind=_TEXT, also_tried=("description", "help"), help="what it shows, in a sentence."),
    Key(name="users", kind=_count(10_000_000), also_tried=("clients", "concurrent_clients"), help="how many there are, unless the run says it."),
    Key(name="pace", kind=_duration(0, 3600), also_tried=("delay", "think_time", "operation_delay"), help="from one operation of a user to its next, where the run has no rate."),
    Key(name="persistent", kind=_FLAG, also_tried=("use_persistent_connection",), help="one session for all that a user does (the default), or one for each operation."),
    Key(name="trading", kind=_FLAG, also_tried=("include_trading_operations",), help="demo orders are among the operations; on a simulator that proves itself, and nowhere else."),
    Key(name="symbols", kind=_texts(1000), also_tried=("symbol", "assets"), help="what each session follows; without it the broker's usual one."),
    Key(name="thresholds", kind=_tables("texts, or tables with `check`", _threshold, 100), also_tried=("threshold", "slo"), help="what must hold."),
    Key(name="operations", kind=Kind(words="`[operations]`", read=_operations), help="what users ask, each with its weight; without it they only follow prices."),
    Key(name="stages", kind=_tables("`[[stages]]`", _stage, 1000, least=1), also_tried=("stage",), help="what it goes through, one after the other."),
    Key(name="config", kind=Kind(words="`[config]`", read=lambda table: table), help="the seven fields of `LoadTestConfig`, instead of stages and operations."),
)  # fmt: skip


def read_scenario(text: str, *, where: str) -> Scenario:
    """A scenario as it is written; `where` names the file.

    Raises:
        ConfigError: it says file, key, what is wrong with it, and what was probably meant.
    """
    try:
        told = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:
        what = str(problem) if isinstance(problem, tomllib.TOMLDecodeError) else "it is nested too deeply"
        raise ConfigError(
            f"this is not TOML: {what[:1].lower()}{what[1:]}",
            where=where,
            next_step="Texts stand in quotes; a stage begins with [[stages]].",
        ) from None
    try:
        return _scenario(_read_table(SCENARIO_KEYS, told), where)
    except ConfigError as problem:
        place = f"{where}: {problem.where}" if problem.where else where
        raise ConfigError(
            problem.problem, where=place, suggestion=problem.suggestion, next_step=problem.next_step
        ) from None


def _scenario(told: dict[str, Any], where: str) -> Scenario:
    told.setdefault("name", re.split(r"[/\\]", where)[-1].removesuffix(".toml"))
    told.setdefault("title", told["name"])
    if (config := told.pop("config", None)) is not None:
        made = ("stages", "operations", "users", "pace", "persistent", "trading")
        if twice := [name for name in made if name in told]:
            raise ConfigError(
                f"{twice[0]} and [config] both stand here", next_step="Keep one: [config] makes the other."
            )
        of_config: LoadTestConfig = _at("config", _config, config)
        return replace(of_config.scenario(), **told)
    if "stages" not in told:
        raise ConfigError("it has no stages", next_step="Begin one with [[stages]], a name and a duration.")
    scenario = Scenario(**told)
    if ORDER in scenario.operations and not scenario.trading:
        raise ConfigError(
            "orders are only given where trading = true says so",
            where=f"operations.{ORDER}",
            next_step="Remove it, or set trading = true and use a simulator.",
        )
    return scenario


def _config(value: object) -> LoadTestConfig:
    names = [field.name for field in fields(LoadTestConfig)]
    if not isinstance(value, dict):
        raise _wrong_type(value, "a table", "Write [config] on a line, and keys below it.")
    if unknown := [name for name in value if name not in names]:
        raise _unknown(unknown[0], names)
    return LoadTestConfig(**value)


def write_scenario(scenario: Scenario) -> str:
    """As `read_scenario` reads it back. What is as usual is left out."""
    plain = [key for key in SCENARIO_KEYS if key.name not in ("thresholds", "operations", "stages", "config")]
    lines = list(_written(tuple(plain), scenario, Scenario(name="", title="", stages=())))
    if scenario.thresholds:
        lines += ["thresholds = [", *(f"    {_threshold_text(each)}," for each in scenario.thresholds), "]"]
    if scenario.operations:
        lines += ["", "[operations]", *starmap("{} = {!r}".format, scenario.operations.items())]
    for stage in scenario.stages:
        lines += ["", "[[stages]]", *_written(STAGE_KEYS, stage, Stage(name="", seconds=-1))]
        for upset in stage.upsets:
            lines += ["", "[[stages.upsets]]", f'kind = "{upset.kind.value}"']
            lines += _written(UPSET_KEYS, upset, Upset(kind=upset.kind))
    return "\n".join([*lines, ""])


def _written(keys: tuple[Key, ...], thing: object, usual: object) -> list[str]:
    values = [(key, getattr(thing, key.field)) for key in keys if key.name != "upsets"]
    return [
        f"{key.name} = {key.kind.write(value)}" for key, value in values if value != getattr(usual, key.field)
    ]


def _threshold_text(threshold: Threshold) -> str:
    check = json.dumps(threshold.text)
    if not (threshold.abort_on_fail or threshold.grace):
        return check
    grace = THRESHOLD_KEYS[2].kind.write(threshold.grace)
    abort = json.dumps(threshold.abort_on_fail)
    return f"{{ check = {check}, abort_on_fail = {abort}, grace = {grace} }}"
