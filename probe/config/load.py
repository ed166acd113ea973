"""Settings: defaults < `probe.toml` < environment < options, checked strictly, and every value knows where it came from."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from probe.config.checks import (
    check_channels,
    check_quiet,
    check_references,
    check_rules,
    check_target,
    doubts,
)
from probe.config.file import find_file, read_file
from probe.config.keys import KEYS, SECTIONS, Key, Shape, keys_of, variables
from probe.config.kinds import repeatable
from probe.config.places import ProxyUrl
from probe.config.settings import (
    AlertSettings,
    ChannelSettings,
    DoctorSettings,
    ExporterSettings,
    Given,
    KeepSettings,
    MonitorSettings,
    RuleSettings,
    SafetySettings,
    Settings,
    StoreSettings,
    TargetSettings,
    VantageSettings,
)
from probe.config.walk import Written
from probe.model.errors import ConfigError, near_miss

MOST_TOLD = 50


class BadSettings(ConfigError):
    """Everything that is wrong, told together."""

    def __init__(self, problems: list[ConfigError]) -> None:
        super().__init__(f"{len(problems)} things are wrong")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        shown = [*map(str, self.problems[:MOST_TOLD])]
        if len(self.problems) > MOST_TOLD:
            shown.append(f"and {len(self.problems) - MOST_TOLD} more")
        return "\n  ".join([f"the configuration is wrong in {len(self.problems)} places", *shown])


def load_settings(
    named: str | Path | None = None,
    *,
    options: Mapping[str, tuple[str, object]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings of this run.

    Args:
        named: the file, by `--config`.
        options: what beats everything: the path of a key (``targets.*.connect``) to the option's name and its value.

    Raises:
        ConfigError: the file cannot be read, or is no TOML.
        BadSettings: something in it, in the environment or in an option is wrong.
    """
    environ = os.environ if environ is None else environ
    found = find_file(named, environ)
    table, warnings = read_file(*found) if found else ({}, [])
    path = found[0] if found else None
    written = Written(str(path or ""), path.absolute().parent if path else Path.cwd())
    written.walk(table)
    warnings += strange_variables(environ, references_in(written.tables.values()))
    merged = _Merged(written, path.name if path else "")
    for key in KEYS:
        if key.variable and (text := environ.get(key.variable)):
            # A proxy's URL may hold a login: the variable is referred to, its value not copied.
            raw = f"env:{key.variable}" if isinstance(key.kind, ProxyUrl) else text
            merged.override(key, key.variable, raw)
    by_path = {key.path: key for key in KEYS}
    for name, (option, value) in (options or {}).items():
        merged.override(by_path[name], option, value)
    settings = merged.settings(path)
    problems = [*written.problems, *merged.problems]
    if problems:
        raise BadSettings(problems)
    return Settings(**settings, warnings=(*warnings, *doubts(settings["targets"], settings["alerts"])))


def references_in(tables: Iterable[Mapping[str, object]]) -> Iterator[str]:
    for table in tables:
        for value in table.values():
            if isinstance(value, str):
                yield value
            elif isinstance(value, Given) and value.is_reference:
                yield value.shown


def strange_variables(environ: Mapping[str, str], references: Iterable[str] = ()) -> list[str]:
    """Warnings about variables that look like ours and say nothing to us. What a reference points to is the user's own."""
    known = {
        **variables(),
        **{each.removeprefix("env:"): "" for each in references if each.startswith("env:")},
    }
    warnings = []
    for name in sorted(environ):
        if name.startswith("TRADEPROBE_") and name not in known and name.removeprefix("TRADEPROBE_"):
            shown = name if repeatable(name.removeprefix("TRADEPROBE_")) else "a variable TRADEPROBE_…"
            meant = near_miss(name, known)
            hint = f"did you mean {meant}?" if meant else f"there are: {', '.join(sorted(known))}."
            warnings.append(f"{shown} in the environment does nothing; {hint}")
    return warnings


class _Merged:
    def __init__(self, written: Written, file: str) -> None:
        self.problems: list[ConfigError] = []
        self._written = written
        self._tables = {at: dict(table) for at, table in written.tables.items()}
        self._origin = {
            f"{at}.{name}" if at else name: file for at, table in written.tables.items() for name in table
        }

    def override(self, key: Key, source: str, raw: object) -> None:
        try:
            if key.path == "store.path" and isinstance(raw, str):
                self._put("store", "enabled", raw != "none", source)
                if raw == "none":
                    return
            value = key.kind.read(key.kind.of_text(raw) if isinstance(raw, str) else raw, Path.cwd())
        except ConfigError as problem:
            place = f"{source}: {problem.where}" if problem.where else source
            self.problems.append(
                ConfigError(
                    problem.problem, where=place, suggestion=problem.suggestion, next_step=problem.next_step
                )
            )
            return
        for at in self._places(key.section):
            self._put(at, key.name, value, source)

    def _put(self, at: str, name: str, value: object, source: str) -> None:
        self._tables.setdefault(at, {})[name] = value
        self._origin[f"{at}.{name}" if at else name] = source

    def _places(self, section: str) -> list[str]:
        """Where tables of a section stand."""
        names = self._written.names.get(section, [])
        shape = next((each.shape for each in SECTIONS if each.path == section), Shape.ONE)
        match shape:
            case Shape.ONE:
                return [section]
            case Shape.NAMED:
                return [section.replace("*", name) for name in names]
            case Shape.LISTED:
                return [f"{section}{index}" for index in names]

    def _of(self, section: str, at: str | None = None) -> dict[str, Any]:
        """The fields of one table, defaults included."""
        at = section if at is None else at
        table = self._tables.get(at, {})
        for key in keys_of(section).values():
            self._origin.setdefault(f"{at}.{key.name}" if at else key.name, "default")
        return {key.field: table.get(key.name, key.default) for key in keys_of(section).values()}

    def settings(self, file: Path | None) -> dict[str, Any]:
        general = self._of("")
        if general["debug"] and self._origin["log_level"] == "default":
            general["log_level"], self._origin["log_level"] = "debug", self._origin["debug"]
        targets = {}
        for name in self._written.names.get("targets.*", []):
            at = f"targets.{name}"
            targets[name] = TargetSettings(name=name, **self._of("targets.*", at))
            self._check(at, check_target(targets[name], self._written.tables[at]))
        self._check("targets", check_references(targets))
        if "deadman_every" in self._tables.get("monitor", {}) and "deadman" not in self._tables["monitor"]:
            problem = ConfigError(
                "there is no deadman", where="deadman_every", next_step="Name its URL, or leave this out."
            )
            self._check("monitor", iter([problem]))
        channels = tuple(
            ChannelSettings(**{"name": "", **self._of("alerts.channels", at)})
            for at in self._places("alerts.channels")
        )
        self._check("alerts.channels", check_channels(channels))
        rules = {
            name: RuleSettings(name=name, **self._of("alerts.rules.*", f"alerts.rules.{name}"))
            for name in self._written.names.get("alerts.rules.*", [])
        }
        self._check("alerts.rules", check_rules(rules))
        alerts = AlertSettings(**self._of("alerts"), rules=rules, channels=channels)
        self._check("alerts", check_quiet(alerts))
        return {
            **general,
            "file": file,
            "vantage": VantageSettings(**self._of("vantage")),
            "targets": targets,
            "monitor": MonitorSettings(**self._of("monitor")),
            "doctor": DoctorSettings(**self._of("doctor")),
            "alerts": alerts,
            "exporter": ExporterSettings(**self._of("exporter")),
            "safety": SafetySettings(**self._of("safety")),
            "store": StoreSettings(**self._of("store"), keep=KeepSettings(**self._of("store.keep"))),
            "origin": self._origin,
        }

    def _check(self, at: str, problems: Iterator[ConfigError]) -> None:
        """Tables with a broken key are not judged further: the key may be what is missed."""
        broken = [problem.where for problem in self._written.problems]
        for problem in problems:
            glue = "" if problem.where.startswith("[") or not problem.where else "."
            place = f"{at}{glue}{problem.where}"
            problem.where = ""
            if not any(f": {at}" in where for where in broken):
                self._written.wrong(place, problem)
