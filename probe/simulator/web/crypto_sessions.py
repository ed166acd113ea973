"""Who is signed in at the backend: sessions that it keeps itself, or cookies that it only signed."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

from fastapi import Response

from probe.faults.backend import (
    CookieFlaw,
    CookieUnsendable,
    ManySecrets,
    Restarted,
    ShortSessions,
    SignedCookie,
)
from probe.simulator.web.crypto_core import Core, Pin

COOKIE = "session"
LIFE_SECONDS = 14 * 86_400  # as Starlette has it
KEPT = 10_000


class Session(NamedTuple):
    user: str
    began_at: float  # UTC


class Sessions:
    def __init__(self, core: Core) -> None:
        self.restarted = Pin(core, Restarted)
        self._core = core
        self._secret = core.rng.randbytes(32)
        self._kept: dict[str, Session] = {}

    def admit(self, value: str, user: str) -> None:
        """From now on this cookie opens."""
        self._kept[value] = Session(user, self._core.utc())
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    def find(self, value: str) -> Session | None:
        session = self._read(value) if "." in value else self._recall(value)
        if session is None or self._core.suffers(ManySecrets):
            return None
        short = self._core.suffers(ShortSessions)
        life = short.seconds if short else LIFE_SECONDS
        return session if self._core.utc() - session.began_at < life else None

    def begin(self, user: str, response: Response) -> None:
        self.restarted.since()  # whoever signs in now does so after it
        if self._core.suffers(SignedCookie):
            value = self._sign(user)
        else:
            value = self._core.draw(64)
            self.admit(value, user)
        flawed = self._core.suffers(CookieUnsendable)
        flaw = flawed.flaw if flawed else None
        response.set_cookie(
            COOKIE,
            value,
            max_age=LIFE_SECONDS,
            path="/signin" if flaw is CookieFlaw.PATH else "/",
            domain="app.sim.test" if flaw is CookieFlaw.DOMAIN else None,
            secure=flaw is CookieFlaw.SECURE,
            samesite="none" if flaw is CookieFlaw.SECURE else "lax",
            httponly=True,
        )

    def end(self, value: str, response: Response) -> None:
        """A signed cookie is cleared at the client alone: an old one opens as before."""
        self._kept.pop(value, None)
        response.set_cookie(COOKIE, "null", expires="Thu, 01 Jan 1970 00:00:00 GMT", httponly=True)

    def _recall(self, value: str) -> Session | None:
        session, restarted_at = self._kept.get(value), self.restarted.since()
        if session and restarted_at is not None and session.began_at < restarted_at:
            return None
        return session

    def _sign(self, user: str) -> str:
        payload = urlsafe_b64encode(json.dumps({"user_id": user}).encode()).decode()
        at = urlsafe_b64encode(int(self._core.utc()).to_bytes(4, "big")).decode().rstrip("=")
        return f"{payload}.{at}.{self._signature(f'{payload}.{at}')}"

    def _read(self, value: str) -> Session | None:
        signed, _, signature = value.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        payload, _, at = signed.partition(".")
        began_at = int.from_bytes(urlsafe_b64decode(f"{at}=="), "big")
        return Session(json.loads(urlsafe_b64decode(payload))["user_id"], began_at)

    def _signature(self, signed: str) -> str:
        secret = self._secret + str(self.restarted.since()).encode()
        return hmac.new(secret, signed.encode(), hashlib.sha256).hexdigest()
