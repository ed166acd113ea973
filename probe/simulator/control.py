"""The control API of a running simulator: faults on and off, sessions looked at and ended. Loopback and a token only.

A web page that the user has open can send requests to loopback, and by rebinding a name of its own even read the
answers. So each request must carry the token and name this host.
"""

import hmac
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from probe.model.credentials import Secret
from probe.model.errors import ConfigError
from probe.simulator.listen import HOST
from probe.simulator.run import Simulator
from probe.simulator.sessions import Counters, SessionFacts, SessionRecord
from probe.simulator.web import serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    url: str
    token: Secret


class FaultRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    fault: Annotated[str, Field(min_length=1, max_length=500)]


class SwitchedOn(BaseModel):
    id: int
    fault: str


class Health(BaseModel):
    healthy: bool = True
    endpoints: int
    faults: int
    counters: Counters


class Frame(BaseModel):
    at: float
    direction: str
    text: str
    binary: bool


class AccountAnswer(BaseModel):
    broker: str
    account: str
    user: str
    balance: float
    credential: str
    sign_in: dict[str, object] | None  # each broker's logins have keys of their own


class MailAnswer(BaseModel):
    broker: str
    to: str
    otp: str
    sent_at: float


@asynccontextmanager
async def controlling(simulator: Simulator) -> AsyncIterator[Control]:
    """The control API, for as long as the block lasts."""
    token = secrets.token_urlsafe(24)
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        async with serving(control_api(simulator, port=port, token=token), listener):
            yield Control(url=f"http://{HOST}:{port}", token=Secret(token))


def control_api(simulator: Simulator, *, port: int, token: str) -> FastAPI:
    hosts = (f"{HOST}:{port}", f"localhost:{port}")

    async def guard(request: Request) -> None:
        if request.headers.get("host", "").lower() not in hosts:
            raise HTTPException(421, f"this API is at {' or '.join(hosts)} only")
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise HTTPException(
                401,
                "send the token from the ready line: Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )

    app = FastAPI(openapi_url=None, dependencies=[Depends(guard)])

    def session(number: int) -> SessionRecord:
        found = simulator.sessions.find(number)
        if found is None:
            raise HTTPException(404, f"there is no session {number}, or it ended too long ago")
        return found

    @app.get("/health")
    async def health() -> Health:
        return Health(
            endpoints=len(simulator.endpoints),
            faults=len(simulator.board.orders),
            counters=simulator.counters,
        )

    @app.get("/faults")
    async def faults() -> list[SwitchedOn]:
        return [SwitchedOn(id=number, fault=str(order)) for number, order in simulator.board.orders.items()]

    @app.post("/faults", status_code=201)
    async def switch_on(asked: FaultRequest) -> SwitchedOn:
        try:
            number = await simulator.board.switch_on(asked.fault)
        except ConfigError as problem:
            raise HTTPException(422, str(problem)) from None
        return SwitchedOn(id=number, fault=str(simulator.board.orders[number]))

    @app.delete("/faults/{number}", status_code=204)
    async def switch_off(number: int) -> None:
        if number not in simulator.board.orders:
            raise HTTPException(404, f"fault {number} is not switched on")
        await simulator.board.switch_off(number)

    @app.get("/sessions")
    async def sessions() -> list[SessionFacts]:
        return [record.facts() for record in simulator.sessions.records()]

    @app.get("/sessions/{number}")
    async def one_session(number: int) -> SessionFacts:
        return session(number).facts()

    @app.get("/sessions/{number}/frames")
    async def frames(number: int) -> list[Frame]:
        return [Frame.model_validate(line._asdict()) for line in session(number).frames()]

    @app.post("/sessions/{number}/close", status_code=202)
    async def close(number: int, code: Annotated[int, Query(ge=1000, le=4999)] = 1000) -> SessionFacts:
        record = session(number)
        record.close(code)
        return record.facts()

    @app.post("/sessions/{number}/drop", status_code=202)
    async def drop(number: int) -> SessionFacts:
        record = session(number)
        record.drop()
        return record.facts()

    @app.get("/accounts")
    async def accounts() -> list[AccountAnswer]:
        return [
            AccountAnswer(
                broker=facts.broker,
                account=facts.account.value,
                user=facts.user,
                balance=facts.balance,
                credential=facts.credential.reveal(),
                sign_in=facts.sign_in.revealed() if facts.sign_in else None,
            )
            for facts in simulator.accounts()
        ]

    @app.get("/outbox")
    async def outbox() -> list[MailAnswer]:
        """What would have been mailed, newest last."""
        return [
            MailAnswer(broker=name, to=mail.to, otp=mail.otp, sent_at=mail.sent_at)
            for name, pages in simulator.pages.items()
            for mail in getattr(getattr(pages.state, "outbox", None), "mails", ())
        ]

    return app
