"""The backend's people: sign-up with a code by mail, registration, sign-in and sign-out."""

import asyncio
import hashlib
import hmac
from collections import deque
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.security import APIKeyCookie

from probe.faults.backend import HashBroken, MailFlaw, MailTrouble
from probe.faults.signin import SignInRefused
from probe.simulator.web.crypto_core import Broken, Core, stamp
from probe.simulator.web.crypto_sessions import COOKIE, Sessions
from probe.simulator.web.crypto_shapes import (
    BrokerOfUser,
    CompleteRegistration,
    Message,
    OtpSent,
    OtpVerified,
    SignIn,
    SignUp,
    UserMessage,
    UserOut,
    VerifyOtp,
    problems,
)
from probe.simulator.web.crypto_store import Store, User

OTP_SECONDS = 600
OTP_ATTEMPTS = 5
RESEND_SECONDS = 60
START_CASH = 10_000.0
PENDING_KEPT = 1_000
MAILS_KEPT = 100
# Some hundred times cheaper than in earnest: a simulator is signed in to all the time.
_COST = {"n": 2**6, "r": 8, "p": 1}
_TOO_LONG = "ValueError: password cannot be longer than 72 bytes, truncate manually if necessary (e.g. my_password[:72])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    to: str
    otp: str
    sent_at: float  # UTC


class Outbox:
    """The mail that would have been sent."""

    def __init__(self) -> None:
        self.mails: deque[Mail] = deque(maxlen=MAILS_KEPT)  # newest last

    def otp_for(self, email: str) -> str | None:
        return next((mail.otp for mail in reversed(self.mails) if mail.to == email), None)


@dataclass(slots=True, kw_only=True, eq=False)
class _Pending:
    """Somebody on the way from an address to an account."""

    otp: bytes | None  # hashed; None: it was used
    sent_at: float
    attempts: int = 0
    token: str | None = None  # for the rest of the registration
    referral_code: str | None = None


class People:
    def __init__(self, core: Core, store: Store, sessions: Sessions) -> None:
        self.outbox = Outbox()
        self.store, self._core, self._sessions = store, core, sessions
        self._pending: dict[str, _Pending] = {}

    def add(self, *, email: str, name: str, password: str, phone: str | None = None) -> User:
        salt = self._core.rng.randbytes(16)
        user = User(
            id=self._core.new_id(),
            email=email,
            name=name,
            phone=phone,
            password=salt + _hashed(password, salt),
            referral_code=self._core.draw(8),
            created_at=self._core.utc(),
        )
        self.store.users[user.id] = user
        return user

    # -- registration ----------------------------------------------------------------------------------------------------

    async def sign_up(self, asked: SignUp) -> OtpSent:
        email, now = asked.email.lower(), self._core.utc()
        await self.store.reach()
        if self.store.by_email(email):
            raise HTTPException(400, "Email already registered")
        earlier = self._pending.get(email)
        if earlier and now < earlier.sent_at + RESEND_SECONDS:
            wait = str(round(earlier.sent_at + RESEND_SECONDS - now) or 1)
            words = "Please wait before you ask for another code"
            raise HTTPException(429, words, headers={"Retry-After": wait})
        otp = f"{self._core.rng.randrange(1_000_000):06}"
        await self._mail(email, otp)
        self._pending.pop(email, None)
        self._pending[email] = _Pending(
            otp=_hashed(otp, email.encode()), sent_at=self._core.utc(), referral_code=asked.referral_code
        )
        if len(self._pending) > PENDING_KEPT:
            del self._pending[next(iter(self._pending))]
        return OtpSent(message="OTP sent", expires_in=OTP_SECONDS)

    async def verify_otp(self, asked: VerifyOtp) -> OtpVerified:
        email = asked.email.lower()
        await self.store.reach()
        pending = self._pending.get(email)
        if pending is None:
            raise HTTPException(404, "No pending signup for this email")
        if pending.attempts >= OTP_ATTEMPTS:
            raise HTTPException(429, "Too many attempts. Please request another code.")
        if self._core.utc() >= pending.sent_at + OTP_SECONDS:
            raise HTTPException(400, "OTP expired")
        if pending.otp is None or not hmac.compare_digest(pending.otp, _hashed(asked.otp, email.encode())):
            pending.attempts += 1
            raise HTTPException(400, "Invalid OTP")
        pending.otp, pending.token = None, self._core.draw(32)
        return OtpVerified(message="Email verified", registration_token=pending.token)

    async def complete_registration(self, asked: CompleteRegistration) -> UserMessage:
        email = asked.email.lower()
        await self.store.reach()
        pending, users = self._pending.get(email), self.store.users.values()
        if pending is None:
            words = "User not found or already verified. Please start registration again."
            raise HTTPException(404, words)
        given = asked.registration_token.encode()
        if pending.token is None or not hmac.compare_digest(pending.token.encode(), given):
            raise HTTPException(400, "OTP not verified")
        if any(user.phone == asked.phone for user in users):
            raise HTTPException(409, "Phone number already registered")
        self._use_hash()
        referral = asked.referral_code or pending.referral_code
        inviter = next((user.id for user in users if user.referral_code == referral), None)
        del self._pending[email]
        user = self.add(email=email, name=asked.name, password=asked.password, phone=asked.phone)
        user.invited_by = inviter
        user.cash.append((user.created_at, START_CASH))
        return UserMessage(message="Registration complete", user=shown(user))

    async def _mail(self, email: str, otp: str) -> None:
        trouble = self._core.suffers(MailTrouble)
        if trouble and trouble.flaw is MailFlaw.REFUSED:
            raise HTTPException(503, "Failed to send OTP email")
        if trouble and trouble.flaw is MailFlaw.LOST:
            return
        if trouble:
            async with self._core.processor:  # it is sent where nothing else can run meanwhile
                await asyncio.sleep(trouble.seconds)
        self.outbox.mails.append(Mail(to=email, otp=otp, sent_at=self._core.utc()))

    # -- sessions --------------------------------------------------------------------------------------------------------

    async def sign_in(self, asked: SignIn, response: Response) -> UserMessage:
        await self.store.reach()
        self._use_hash()
        email = asked.email.lower()
        if email in self._pending:
            raise HTTPException(403, "Account not verified")
        user = self.store.by_email(email)
        refused = self._core.suffers(SignInRefused) is not None
        if refused or user is None or not _matches(asked.password, user.password):
            raise HTTPException(401, "Invalid email or password")
        self._sessions.begin(user.id, response)
        return UserMessage(message="Signed in", user=shown(user))

    async def sign_out(self, request: Request, user: "Member", response: Response) -> Message:
        self._sessions.end(request.cookies[COOKIE], response)
        return Message(message="Signed out")

    def member(self, cookie: str | None) -> User:
        """Whose session it is; sessions are cached, so that this does not need the database.

        Raises:
            HTTPException: nobody's.
        """
        session = self._sessions.find(cookie or "")
        user = self.store.users.get(session.user) if session else None
        if user is None:
            raise HTTPException(401, "Not authenticated")
        return user

    def _use_hash(self) -> None:
        if broken := self._core.suffers(HashBroken):
            raise Broken(_TOO_LONG, broken.tells)


def _hashed(word: str, salt: bytes) -> bytes:
    return hashlib.scrypt(word.encode(), salt=salt, **_COST)


def _matches(password: str, kept: bytes) -> bool:
    return hmac.compare_digest(_hashed(password, kept[:16]), kept[16:])


def shown(user: User) -> UserOut:
    connected = user.broker_keys is not None
    return UserOut(
        id=user.id,
        name=user.name,
        email=user.email,
        phone=user.phone,
        google_id=None,
        status="active",
        is_admin=False,
        referral_code=user.referral_code,
        invited_by=user.invited_by,
        created_at=stamp(user.created_at),
        broker=BrokerOfUser(name="bingx" if connected else None, connected=connected),
    )


async def member(
    request: Request,
    cookie: Annotated[str | None, Security(APIKeyCookie(name=COOKIE, auto_error=False))],
) -> User:
    people: People = request.app.state.people
    return people.member(cookie)


Member = Annotated[User, Depends(member)]  # who is signed in


async def trader(request: Request, user: Member) -> User:
    people: People = request.app.state.people
    await people.store.reach()
    return user


Trader = Annotated[User, Depends(trader)]  # the same, and the database can be used


async def me(user: Trader) -> UserOut:
    return shown(user)


def serve_people(app: FastAPI, people: People) -> None:
    app.post("/signup", responses=problems(400, 503))(people.sign_up)
    app.post("/verify-otp", responses=problems(400, 404))(people.verify_otp)
    register = app.post("/complete-registration", status_code=201, responses=problems(400, 404, 409))
    register(people.complete_registration)
    app.post("/signin", responses=problems(400, 401, 403))(people.sign_in)
    app.post("/signout", responses=problems(401))(people.sign_out)
    app.get("/me", responses=problems(401))(me)
