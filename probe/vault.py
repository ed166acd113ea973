"""Where secrets come from: standard input, an environment variable, a file, the system's keyring, a person at a terminal,
or (with a warning) the value itself."""

import atexit
import getpass
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from probe.model.credentials import Secret
from probe.model.errors import ConfigError, CredentialMissing

if sys.platform != "win32":
    import termios

LARGEST = 64 * 1024
BETTER = "Use -, env:NAME, file:PATH or keyring:NAME instead"
SERVICE = "tradeprobe"  # the name that everything of ours in the keyring is filed under

_LONGEST_PROMPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    secret: Secret
    source: str  # in words, safe to show
    warnings: tuple[str, ...] = ()


def is_reference(text: str) -> bool:
    return text == "-" or text.startswith(("env:", "file:", "keyring:"))


def read_secret(reference: str) -> Found:
    """Follow a reference to the secret it names; anything else is taken as the value.

    Raises:
        CredentialMissing: it says where nothing was found.
        ConfigError: there is no keyring to look into.
    """
    kind, _, name = reference.partition(":")
    if reference == "-":
        return _checked(sys.stdin.read(LARGEST + 1), "standard input", "Pipe it in: probe check - < ssid.txt")
    if kind == "env":
        value = os.environ.get(name, "")
        return _checked(value, f"the environment variable {name!r}", f"Set it: export {name}='…'")
    if kind == "file":
        return _read_file(Path(name).expanduser())
    if kind == "keyring":
        kept = SystemKeyring().get(name) or ""
        where = f"the system's keyring, under {name!r} of {SERVICE}"
        return _checked(kept, where, f"Put it there: keyring set {SERVICE} {name}")
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


# -- answers -----------------------------------------------------------------------------------------------------------


def only_one_reads_standard_input(*references: str | None) -> None:
    """To be called before anything is read, while it can still be told who wants it.

    Raises:
        ConfigError: more than one of the references is ``-``.
    """
    if references.count("-") > 1:
        raise ConfigError(
            "standard input (-) was given for more than one thing, and can be read only once",
            next_step="Give all of them but one as env:NAME or file:PATH.",
        )


def ask(prompt: str, reference: str | None) -> Secret | None:
    """One line, from where the reference points to, or from a person at a terminal. None: there is nobody, or nothing was
    typed.

    Raises:
        CredentialMissing, ConfigError: there is nothing where the reference points to.
    """
    if reference is not None and not is_reference(reference):
        raise ConfigError(
            "this is no place to read an answer from", next_step="Use -, env:NAME or file:PATH."
        )
    if reference not in (None, "-"):
        return _line(read_secret(reference).secret.reveal())
    if _is_attended(sys.stdin) and _is_attended(sys.stderr):
        return _line(_ask_at_terminal(prompt))
    if reference is None:
        return None
    line = sys.stdin.readline(LARGEST)
    if not line:
        raise ConfigError(
            "standard input (-) has ended: what it held was read before, perhaps as the credential",
            next_step="Give one of the two as env:NAME or file:PATH.",
        )
    return _line(line)


def _line(text: str) -> Secret | None:
    return Secret(text.strip()) if text.strip() else None


def _is_attended(stream: TextIO | None) -> bool:
    """Whether a person sees it. A job in the background has a terminal, too, and would be stopped for using it."""
    if stream is None or stream.closed or not stream.isatty():
        return False
    if sys.platform != "win32":
        with suppress(OSError):  # a terminal that controls nobody
            return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    return True


def _ask_at_terminal(prompt: str) -> str:
    # A web page may have worded it: nothing in it may steer the terminal.
    words = "".join(char for char in prompt if char.isprintable())[:_LONGEST_PROMPT]
    with _echo_restored(), suppress(EOFError):
        return getpass.getpass(f"{words}: ", sys.stderr)
    return ""


@contextmanager
def _echo_restored() -> Iterator[None]:
    """`getpass` hides what is typed and ends that itself, but not on a thread that is still waiting when the program ends."""
    if sys.platform == "win32":
        yield  # it hides nothing there but its own reading
    else:
        terminal = sys.stdin.fileno()
        restore = partial(termios.tcsetattr, terminal, termios.TCSANOW, termios.tcgetattr(terminal))
        atexit.register(restore)
        try:
            yield
        finally:
            atexit.unregister(restore)


# -- the keyring -------------------------------------------------------------------------------------------------------


class SystemKeyring:
    """Names and values in the keyring of the user's desktop, by a package that is installed only if asked for.

    Raises, also in its methods:
        ConfigError: this system has none, or it does not let us in.
    """

    def __init__(self) -> None:
        try:
            import keyring  # noqa: PLC0415 - optional
        except ImportError:
            raise ConfigError(
                "the system's keyring is read by a package that is not installed",
                next_step="Install it: pip install 'tradeprobe[keyring]', or keep the credential in a file: file:PATH.",
            ) from None
        self._keyring = keyring

    def get(self, name: str) -> str | None:
        with self._translated():
            return self._keyring.get_password(SERVICE, name)

    def set(self, name: str, value: str) -> None:
        with self._translated():
            self._keyring.set_password(SERVICE, name, value)

    def delete(self, name: str) -> None:
        """Also of what is not there."""
        with self._translated(), suppress(self._keyring.errors.PasswordDeleteError):
            self._keyring.delete_password(SERVICE, name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        errors = self._keyring.errors
        try:
            yield
        except errors.NoKeyringError:
            raise ConfigError(
                "this system has no keyring service",
                next_step="On a machine without a desktop keep the credential in a file: file:PATH.",
            ) from None
        except errors.KeyringError as problem:
            raise ConfigError(
                f"the system's keyring refused ({type(problem).__name__})",
                next_step="Unlock it and allow the access, or keep the credential in a file: file:PATH.",
            ) from None
