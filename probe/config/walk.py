"""Goes through what stands in the file, key by key, and keeps what is good and everything that is wrong."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from probe.config.keys import KEYS, SECTIONS, Key, Section, Shape, keys_of, section_at
from probe.config.kinds import type_in_words
from probe.model.errors import ConfigError, near_miss

MOST_LISTED = 50  # channels


@dataclass(slots=True)
class Written:
    """`tables`: what was read, by the place of its table: ``targets.demo``, ``alerts.channels[0]``."""

    file: str
    folder: Path
    tables: dict[str, dict[str, object]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)  # of the tables in a NAMED section
    problems: list[ConfigError] = field(default_factory=list)

    def wrong(self, where: str, problem: ConfigError) -> None:
        place = f"{self.file}: {where}" if where else self.file
        told = f"{problem.where}: {problem.problem}" if problem.where else problem.problem
        self.problems.append(
            ConfigError(told, where=place, suggestion=problem.suggestion, next_step=problem.next_step)
        )

    def walk(self, table: Mapping[str, Any], section: str = "", at: str = "") -> None:
        kept = self.tables.setdefault(at, {})
        keys = keys_of(section) if section else {}
        for name, value in table.items():
            where = _join(at, name)
            below = _join(section, name)
            if name in keys:
                try:
                    kept[name] = keys[name].kind.read(value, self.folder)
                except ConfigError as problem:
                    self.wrong(where, problem)
            elif inner := section_at(below) or section_at(f"{below}.*"):
                self._enter(inner, value, where)
            else:
                self.wrong(where, _unknown(name, section))
        for key in keys.values():
            if key.is_required and key.name not in table:
                self.wrong(at, ConfigError(f"it has no {key.name}", next_step=f"Add one: {key.name} = …"))

    def _enter(self, section: Section, value: object, at: str) -> None:
        if section.shape is Shape.LISTED:
            if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
                self.wrong(at, _not_a_table(section, value))
            elif len(value) > MOST_LISTED:
                self.wrong(
                    at, ConfigError(f"there are more than {MOST_LISTED} of them", next_step="Remove some.")
                )
            else:
                self.names[section.path] = [f"[{index}]" for index in range(len(value))]
                for index, each in enumerate(value):
                    self.walk(each, section.path, f"{at}[{index}]")
        elif not isinstance(value, dict):
            self.wrong(at, _not_a_table(section, value))
        elif section.shape is Shape.NAMED:
            for name, each in value.items():
                self._enter_named(section, name, each, at)
        else:
            self.walk(value, section.path, at)

    def _enter_named(self, section: Section, name: str, value: object, at: str) -> None:
        is_good = re.fullmatch(section.name_pattern, name, re.ASCII) and name != "sim"
        at = f"{at}.{name}" if is_good else _join(at, name)
        if not isinstance(value, dict):
            self.wrong(at, _not_a_table(section, value))
        elif not is_good:
            self.wrong(at, ConfigError("this is no name that can be used here", next_step=section.help))
        else:
            self.names.setdefault(section.path, []).append(name)
            self.walk(value, section.path, at)


def _join(at: str, name: str) -> str:
    """A name that may be a credential in the wrong place is not repeated."""
    if not re.fullmatch(r"[\w*-]{1,20}|[a-z0-9]+([_-][a-z0-9]+)+", name, re.ASCII) or len(name) > 64:
        name = f"(a name of {len(name)} characters)"
    return f"{at}.{name}" if at else name


def heading(section: str) -> str:
    """As it is written in the file."""
    shape = next((each.shape for each in SECTIONS if each.path == section), Shape.ONE)
    written = section.replace("*", "NAME")
    return f"[[{written}]]" if shape is Shape.LISTED else f"[{written}]"


def _not_a_table(section: Section, value: object) -> ConfigError:
    return ConfigError(
        f"this is {type_in_words(value)}, not {section.shape.value}",
        next_step=f"Write {heading(section.path)} on a line, and keys below it.",
    )


def _unknown(name: str, section: str) -> ConfigError:
    keys = keys_of(section) if section else {}
    inner = [each.path.removesuffix(".*").rpartition(".")[2] for each in SECTIONS if _above(each) == section]
    known = [*keys, *inner]
    lowered = name.lower().replace("-", "_")
    meant = near_miss(lowered, known) or next(
        (key.name for key in keys.values() if lowered in key.also_tried), None
    )
    if meant is not None:
        return ConfigError("nothing is called that", suggestion=meant, next_step=_there_are(known))
    elsewhere = [key for key in KEYS if key.name == lowered]
    return ConfigError(
        "nothing is called that here", next_step=_belongs(elsewhere) if elsewhere else _there_are(known)
    )


def _above(section: Section) -> str:
    return section.path.removesuffix(".*").rpartition(".")[0]


def _there_are(known: Iterable[str]) -> str:
    return f"There are: {', '.join(known)}."


def _belongs(keys: Iterable[Key]) -> str:
    places = [heading(key.section) if key.section else f"the environment: {key.variable}" for key in keys]
    return f"It belongs into {' or '.join(places)}."
