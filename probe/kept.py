"""Keeps what signing in has won, for one account of one broker each, in a file or in the system's keyring.

A token that the broker rejected is dropped at once and never taken again, by any process: of every rejected one a
fingerprint is kept. The cookies stay, because a new token may be had for them.
"""

import hashlib
import json
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from probe.disk import NO_LINK, NO_WAIT, data_folder, locked, make_private_folder, replace_file
from probe.model.credentials import Secret, WebSession
from probe.model.errors import ConfigError
from probe.model.failures import Failure
from probe.vault import LARGEST, SystemKeyring

VERSION = 1
REJECTED_KEPT = 16
PIECE = 1000  # characters: Windows takes 2,560 bytes for one entry, and two for each character

Warn = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    session: WebSession
    rejected: tuple[str, ...] = ()  # SHA-256 of tokens, the newest last

    @property
    def has_token(self) -> bool:
        """Without one the session is good for renewing only."""
        return bool(self.session.token.reveal())


class KeptSessions(ABC):
    """What all places have in common. `warn` is told in words what was wrong with something kept."""

    def __init__(self, folder: Path | None, warn: Warn) -> None:
        self._folder = folder or data_folder() / "sessions"
        self._warn = warn

    def load(self, broker: str, key: str) -> Kept | None:
        """What is kept of this account; None also for what cannot be used.

        Raises:
            ConfigError: the place cannot be used at all. So do the other verbs.
        """
        with self._alone():
            return self._load(broker, key)

    def save(self, session: WebSession) -> Failure | None:
        """Keep it instead of what there is. A failure: it was not kept, for its token is one that was rejected."""
        with self._alone():
            old = self._load(session.broker, session.key)
            rejected = old.rejected if old else ()
            if _digest(session.token) in rejected:
                return Failure(kind="login.stale-token", detail=f"token {session.token.fingerprint()}")
            self._keep(Kept(session=session, rejected=rejected))
            return None

    def reject(self, session: WebSession) -> None:
        """The broker refused its token. A newer one that somebody else has kept meanwhile stays."""
        with self._alone():
            digest = _digest(session.token)
            old = self._load(session.broker, session.key) or Kept(session=session)
            kept = old.session
            if _digest(kept.token) == digest:
                kept = replace(kept, token=Secret(""), cookies=_others(kept, digest))
            rejected = [*(each for each in old.rejected if each != digest), digest][-REJECTED_KEPT:]
            self._keep(Kept(session=kept, rejected=tuple(rejected)))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            make_private_folder(self._folder)
            with locked(self._folder / "lock"):
                yield
        except OSError as problem:
            raise ConfigError(
                f"sessions cannot be kept in {str(self._folder)!r} ({problem.strerror})",
                next_step="Name a folder of your own that can be written with TRADEPROBE_HOME.",
            ) from None

    def _load(self, broker: str, key: str) -> Kept | None:
        name = _name(broker, key)
        try:
            text = self._fetch(name)
            return None if text is None else _parse(text, broker, key)
        except _Unusable as problem:
            self._warn(f"{self._place(name)} {problem}. It is left aside; the next sign-in replaces it.")
            return None

    def _keep(self, kept: Kept) -> None:
        self._store(_name(kept.session.broker, kept.session.key), _write(kept))

    @abstractmethod
    def _place(self, name: str) -> str:
        """In words, safe to show."""

    @abstractmethod
    def _fetch(self, name: str) -> str | None: ...

    @abstractmethod
    def _store(self, name: str, text: str) -> None: ...


class SessionFile(KeptSessions):
    """One file for each account, for nobody else to read, in a folder of its own."""

    def __init__(self, folder: Path | None = None, *, warn: Warn) -> None:
        super().__init__(folder, warn)

    def _place(self, name: str) -> str:
        return f"the session file {str(self._path(name))!r}"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _fetch(self, name: str) -> str | None:
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | NO_LINK | NO_WAIT)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise _Unusable(f"cannot be opened, or is a link ({problem.strerror})") from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _Unusable("is no file")
            if sys.platform != "win32":
                if status.st_uid != os.geteuid():
                    raise _Unusable("belongs to another user")
                if status.st_mode & 0o077:
                    os.fchmod(descriptor, 0o600)
                    self._warn(f"{self._place(name)} could be read by other users. Now it cannot any more.")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(LARGEST + 1).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def _store(self, name: str, text: str) -> None:
        replace_file(self._path(name), text.encode(), mode=0o600)


class SessionKeyring(KeptSessions):
    """In pieces, because some keyrings take little at a time. The entry with the session's name is written last and says
    which pieces count, so that half of a change is none. The folder holds only the lock."""

    def __init__(self, *, warn: Warn) -> None:
        super().__init__(None, warn)
        self._keyring = SystemKeyring()

    def _place(self, name: str) -> str:
        return f"the session {name!r} in the system's keyring"

    def _pieces(self, name: str) -> list[str]:
        try:
            digest, count = (self._keyring.get(name) or " 0").split(" ")
            return [f"{name}/{digest}/{number}" for number in range(min(int(count), LARGEST // PIECE))]
        except ValueError:
            raise _Unusable("is damaged") from None

    def _fetch(self, name: str) -> str | None:
        pieces = self._pieces(name)
        return "".join(self._keyring.get(piece) or "" for piece in pieces) if pieces else None

    def _store(self, name: str, text: str) -> None:
        old: list[str] = []
        with suppress(_Unusable):
            old = self._pieces(name)
        parts = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        digest = hashlib.sha256(text.encode()).hexdigest()
        new = [f"{name}/{digest}/{number}" for number in range(len(parts))]
        for piece, part in zip(new, parts, strict=True):
            self._keyring.set(piece, part)
        self._keyring.set(name, f"{digest} {len(new)}")
        for piece in set(old) - set(new):
            self._keyring.delete(piece)


# -- how it is written -------------------------------------------------------------------------------------------------


class _Unusable(Exception):
    """Words that go on after the name of the place."""


def _name(broker: str, key: str) -> str:
    return f"{quote(broker, safe='')}-{quote(key, safe='')}"


def _others(session: WebSession, rejected: str) -> tuple[tuple[str, Secret], ...]:
    """Its cookies but for one that is the rejected token itself."""
    return tuple(each for each in session.cookies if _digest(each[1]) != rejected)


def _digest(token: Secret) -> str:
    return hashlib.sha256(token.reveal().encode("utf-8", "surrogatepass")).hexdigest()


def _write(kept: Kept) -> str:
    session = kept.session
    return json.dumps(
        {
            "version": VERSION,
            "broker": session.broker,
            "key": session.key,
            "origin": session.origin,
            "token": session.token.reveal(),
            "cookies": [[name, value.reveal()] for name, value in session.cookies],
            "user_agent": session.user_agent,
            "facts": [[name, value] for name, value in session.facts],
            "rejected": list(kept.rejected),
        }
    )


def _parse(text: str, broker: str, key: str) -> Kept:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise _Unusable("is damaged") from None
    match data:
        case {
            "version": 1,
            "broker": str(kept_broker),
            "key": str(kept_key),
            "origin": str(origin),
            "token": str(token),
            "cookies": list(cookies),
            "user_agent": str(user_agent),
            "facts": list(facts),
            "rejected": list(rejected),
        } if _are_pairs(cookies) and _are_pairs(facts) and all(isinstance(each, str) for each in rejected):
            if (kept_broker, kept_key) != (broker, key):
                raise _Unusable("belongs to another account")
            session = WebSession(
                broker=broker,
                key=key,
                origin=origin,
                token=Secret(token),
                cookies=tuple((name, Secret(value)) for name, value in cookies),
                user_agent=user_agent,
                facts=tuple((name, value) for name, value in facts),
            )
            return Kept(session=session, rejected=tuple(rejected))
        case {"version": version} if version != VERSION:
            raise _Unusable("was written by another version of tradeprobe")
        case _:
            raise _Unusable("is damaged")


def _are_pairs(items: list[Any]) -> bool:
    return all(
        isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)
        for item in items
    )
