"""Finds `probe.toml` and reads it as TOML."""

import os
import re
import stat
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe.config.kinds import expanded
from probe.disk import NO_WAIT, data_folder
from probe.model.errors import ConfigError

NAME = "probe.toml"
LARGEST = 1024 * 1024
MOST_DOTS = 200  # in a line: a key of many parts takes memory by the square of them


def find_file(named: str | Path | None, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """The file to read and who named it (nobody, if it was found)."""
    if named is not None:
        return expanded(str(named)), "--config"
    if variable := environ.get("TRADEPROBE_CONFIG"):
        return expanded(variable), "TRADEPROBE_CONFIG"
    usual = (Path(NAME), data_folder() / NAME)
    return next(((path, "") for path in usual if os.path.lexists(path)), None)


def read_file(path: Path, named_by: str) -> tuple[dict[str, Any], list[str]]:
    """What stands in it, and warnings.

    Raises:
        ConfigError: it cannot be read, or is no TOML; with the line.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAIT)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError("this is no file", where=str(path), next_step="Name a file.")
            data = file.read(LARGEST + 1)
    except OSError as problem:
        named = f" (named by {named_by})" if named_by else ""
        raise ConfigError(
            f"it cannot be read ({problem.strerror})",
            where=f"{path}{named}",
            next_step="Check the path and its permissions.",
        ) from None
    warnings = []
    if sys.platform != "win32":
        if not named_by and status.st_uid not in (os.geteuid(), 0):  # it can name commands to run
            raise ConfigError(
                "it belongs to another user, so it is not read unasked",
                where=str(path),
                next_step=f"If you trust it: --config {path}",
            )
        if status.st_mode & 0o022:
            warnings.append(f"{path} can be changed by other users, and it can name commands: chmod 644 it.")
    if len(data) > LARGEST:
        raise ConfigError(
            "it is larger than 1 MiB", where=str(path), next_step="It is hardly a configuration."
        )
    for number, line in enumerate(data.splitlines(), 1):
        if line.count(b".") > MOST_DOTS and not line.lstrip().startswith(b"#"):
            raise ConfigError(
                f"more than {MOST_DOTS} dots stand here",
                where=f"{path}, line {number}",
                next_step="Write a list over several lines; no key has so many parts.",
            )
    return _parsed(path, data), warnings


def _parsed(path: Path, data: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8-sig"))  # some editors on Windows begin with a mark
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ConfigError(
            "this is not UTF-8", where=f"{path}, line {line}", next_step="Save the file as UTF-8."
        ) from None
    except (ValueError, RecursionError) as problem:
        message = "it is nested too deeply" if isinstance(problem, RecursionError) else str(problem)
        if not isinstance(problem, tomllib.TOMLDecodeError | RecursionError):
            message = "a number in it is too long"
        words, _, place = message.partition(" (at ")
        found = re.match(r"line (\d+)", place)
        line = int(found[1]) if found else data.count(b"\n") + 1
        if re.search(r"\w{20}", words):  # a name out of the file, and it may be a credential
            words = "a table or key stands twice, or is both a table and a value"
        raise ConfigError(
            f"this is not TOML: {words[:1].lower()}{words[1:]}",
            where=f"{path}, line {line}",
            next_step='Texts stand in quotes, as in broker = "…"; a section begins with [targets.NAME].',
        ) from None
