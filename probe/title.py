"""The process's title, without the secrets that were given as arguments."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from probe.model.credentials import MASK, Redactor, Secret

_INSTALL = "The package setproctitle, which could hide it from the list of processes, is not installed."


def hide_arguments(secrets: Iterable[Secret], arguments: Sequence[str] | None = None) -> str:
    """Take them out of what other users see in the list of processes; the rest of the command line stays.

    Returns:
        A sentence that says what was done, for the warning.
    """
    redact = Redactor(secrets)
    words = ["probe", *(_masked(word, redact) for word in (sys.argv[1:] if arguments is None else arguments))]
    if sys.platform == "win32":
        return "On this system it cannot be hidden from the list of processes."
    try:
        from setproctitle import setproctitle  # noqa: PLC0415 - optional
    except ImportError:
        return _INSTALL
    setproctitle(" ".join(words))
    if _is_still_seen(redact):
        return "This system did not let it be hidden from the list of processes."
    return "It is hidden from the list of processes now, but could be seen there for a moment."


def _masked(word: str, redact: Redactor) -> str:
    if redact(word) == word:
        return word
    option, equals, _ = word.partition("=")
    return f"{option}={MASK}" if equals and option.startswith("--") else MASK


def _is_still_seen(redact: Redactor) -> bool:
    """By the word of systems that can be asked."""
    try:
        seen = Path("/proc/self/cmdline").read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return False
    return redact(seen) != seen
