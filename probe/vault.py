"""Where secrets come from: standard input, an environment variable, a file, or (with a warning) the value itself."""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from probe.model.credentials import Secret
from probe.model.errors import CredentialMissing

LARGEST = 64 * 1024
BETTER = "Use -, env:NAME or file:PATH instead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    secret: Secret
    source: str  # in words, safe to show
    warnings: tuple[str, ...] = ()


def is_reference(text: str) -> bool:
    return text == "-" or text.startswith(("env:", "file:"))


def read_secret(reference: str) -> Found:
    """Follow a reference to the secret it names; anything else is taken as the value.

    Raises:
        CredentialMissing: it says where nothing was found.
    """
    kind, _, name = reference.partition(":")
    if reference == "-":
        return _checked(sys.stdin.read(LARGEST + 1), "standard input", "Pipe it in: probe check - < ssid.txt")
    if kind == "env":
        value = os.environ.get(name, "")
        return _checked(
            value, f"the environment variable {name!r}", f"Set it: export {name}='42[\"auth\",…]'"
        )
    if kind == "file":
        return _read_file(Path(name).expanduser())
    warning = f"the credential was given as an argument: other users of this machine can read it. {BETTER}."
    return Found(secret=Secret(reference), source="an argument", warnings=(warning,))


def _read_file(path: Path) -> Found:
    where = f"the file {str(path)!r}"
    try:
        mode = path.stat().st_mode
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(LARGEST + 1)
    except OSError as problem:
        raise CredentialMissing(
            f"{where} ({problem.strerror})", "Check the path and that it may be read."
        ) from None
    found = _checked(text, where, "Put the whole frame into it, on one line.")
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        warning = f"{where} can be read by other users: chmod 600 it."
        return Found(secret=found.secret, source=found.source, warnings=(warning,))
    return found


def _checked(value: str, where: str, next_step: str) -> Found:
    if not value.strip():
        raise CredentialMissing(where, next_step)
    return Found(secret=Secret(value.removesuffix("\n").removesuffix("\r")), source=where)
