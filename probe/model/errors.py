"""Exceptions are for broken promises and bad configuration; a failed connection is data (see ``failures``).

ProbeError                 something the user or we must change before it can work
├── ConfigError            a setting, a target or an option is wrong
├── CredentialInvalid      the credential cannot be what it should be; found offline
├── CredentialMissing      the place that should hold the credential holds none
├── UnknownBroker          no broker folder has that name
├── UnsafeTarget           refused, because it could cost somebody money or an account
├── StoreError             the history cannot be read or written (probe.store); StoreBusy: another process writes it
└── LocalProtocolError     a bug of ours: a session was driven in a way it forbids
"""

import difflib
from collections.abc import Iterable


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


class ProbeError(Exception):
    """Base of all our exceptions. `exit_code` is what the command line ends with."""

    exit_code = 2


class ConfigError(ProbeError):
    def __init__(self, problem: str, *, where: str = "", suggestion: str = "", next_step: str = "") -> None:
        self.problem, self.where, self.suggestion, self.next_step = problem, where, suggestion, next_step
        super().__init__(problem)

    def __str__(self) -> str:
        text = f"{self.where}: {self.problem}" if self.where else self.problem
        if self.suggestion:
            text += f" (did you mean {self.suggestion!r}?)"
        return f"{text}. {self.next_step}" if self.next_step else text


class CredentialInvalid(ProbeError):
    """`code` is the catalogue's slug of what is wrong with it."""

    def __init__(self, code: str, problem: str, next_step: str) -> None:
        self.code, self.problem, self.next_step = code, problem, next_step
        super().__init__(problem)

    def __str__(self) -> str:
        return f"{self.problem}. {self.next_step} [{self.code}]"


class CredentialMissing(ProbeError):
    def __init__(self, where: str, next_step: str) -> None:
        self.where, self.next_step = where, next_step
        super().__init__(where)

    def __str__(self) -> str:
        return f"no credential found in {self.where}. {self.next_step}"


class UnknownBroker(ProbeError):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name, self.known = name, sorted(known)
        super().__init__(name)

    def __str__(self) -> str:
        meant = near_miss(self.name, self.known)
        hint = f"did you mean {meant!r}? " if meant else ""
        return f"unknown broker {self.name!r}; {hint}known: {', '.join(self.known)}"


class UnsafeTarget(ProbeError):
    def __init__(self, refused: str, because: str, next_step: str) -> None:
        self.refused, self.because, self.next_step = refused, because, next_step
        super().__init__(refused)

    def __str__(self) -> str:
        return f"{self.refused} refused: {self.because}. {self.next_step}"


class LocalProtocolError(ProbeError):
    exit_code = 70
