"""Reads YAML as text that a person wrote: each key once, and everything that is wrong with its place."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from probe.model.credentials import Secret
from probe.model.errors import ConfigError, near_miss

LARGEST = 256 * 1024


class _Once(yaml.SafeLoader):
    """Refuses a key that stands there twice: of two passwords nobody knows which one counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - its own signature
        names = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in names:
                raise yaml.MarkedYAMLError(problem="duplicate", problem_mark=key.start_mark)
            names.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def parsed(path: Path) -> object:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as problem:
        raise ConfigError(
            f"it cannot be read ({problem.strerror})",
            where=str(path),
            next_step="Check the path (`web_config` in [exporter]) and its permissions.",
        ) from None
    if len(data) > LARGEST:
        raise ConfigError(
            "it is larger than 256 KiB", where=str(path), next_step="It is hardly a web configuration."
        )
    try:
        return yaml.load(data, _Once)  # noqa: S506 - it is the safe loader
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        what = (
            "this key stands there a second time"
            if problem.problem == "duplicate"
            else "it is no YAML from here on"
        )
        raise ConfigError(what, where=where, next_step="`promtool check web-config` shows it too.") from None
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that does not exist
        raise ConfigError(
            "it is no YAML", where=str(path), next_step="`promtool check web-config` shows it too."
        ) from None


class Reading:
    """Looks at values of one file, and names file and key of one that is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, key: str, problem: str, next_step: str, suggestion: str | None = None) -> ConfigError:
        where = f"{self._path}, {key}" if key else str(self._path)
        return ConfigError(problem, where=where, suggestion=suggestion or "", next_step=next_step)

    def mapping(self, value: object, key: str) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong(
                key, "here belong lines of the form NAME: VALUE", "Names that are numbers are put in quotes."
            )
        return value

    def only(self, found: Mapping[str, Any], key: str, known: tuple[str, ...]) -> None:
        for name in found:
            if name not in known:
                at = f"{key}.{name}" if key else name
                shown = at if name.isidentifier() and len(name) <= 40 else key
                raise self.wrong(
                    shown, "nobody knows this key", f"Known are: {', '.join(known)}.", near_miss(name, known)
                )

    def text(self, found: Mapping[str, Any], key: str) -> str:
        value = found.get(key.rpartition(".")[2])
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(key, "this is not text", "Put it in quotes.")
        return value

    def truth(self, found: Mapping[str, Any], key: str, *, default: bool) -> bool:
        value = found.get(key.rpartition(".")[2])
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(key, "this is neither true nor false", "Write true or false, without quotes.")
        return value

    def texts(self, found: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
        value = found.get(key.rpartition(".")[2])
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.wrong(key, "this is not a list of texts", "Write one a line, each after a dash.")
        return tuple(value)

    def one_of(self, value: str, key: str, known: tuple[str, ...]) -> str:
        if value not in known:
            raise self.wrong(
                key,
                "this is none of the known values",
                f"They are: {', '.join(known)}.",
                near_miss(value, known),
            )
        return value

    def source(self, found: Mapping[str, Any], text_key: str, file_key: str) -> Path | Secret | None:
        """A file, or what would stand in it."""
        text, file = (self.text(found, f"tls_server_config.{key}") for key in (text_key, file_key))
        if text and file:
            raise self.wrong(
                f"tls_server_config.{text_key}", f"{file_key} says the same", "Leave one of them out."
            )
        if "\0" in file:
            raise self.wrong(
                f"tls_server_config.{file_key}", "this is no path", "Write the path of a PEM file."
            )
        return self._path.parent / file if file else Secret(text) if text else None
