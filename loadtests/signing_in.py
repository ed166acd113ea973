"""One user's way in where a password is exchanged for a session first: pages over HTTP, then a socket, or more questions, with what
they gave.

The flows are the brokers' own. Each user signs in as a browser of his own would, which is measured as the operation "sign-in" with
the phases of its connection. What was won is used until the server does not take it any more; then it is renewed, which is the
operation "renewal", or won again.
"""

from contextlib import closing
from dataclasses import replace
from time import monotonic
from typing import Any

import gevent

from loadtests.calls import Carrier
from loadtests.polled import PolledLoadSession
from loadtests.session import REFUSED, Common, LoadSession
from probe.model.credentials import PasswordLogin, Secret, WebSession
from probe.model.endpoint import read_url
from probe.model.errors import ProbeError
from probe.model.events import Ended, Event, PhaseFinished
from probe.model.failures import Failure, Layer
from probe.monitor.sign_in import NEEDS_THE_PASSWORD
from probe.session.broker import WebEntry
from probe.session.reconnect import decide
from probe.wire.calls import Flow, HttpCall, HttpReply

SIGN_IN, RENEWAL = "sign-in", "renewal"


class _SigningIn(LoadSession):
    """
    Args:
        common: What the sessions share; its credentials are not used.
    """

    def __init__(self, common: Common, web: WebEntry, login: PasswordLogin, **more: Any) -> None:
        super().__init__(replace(common, credentials=None), **more)
        self._web, self._login = web, login
        self._won: WebSession | None = None
        self._has_worked = False  # what was won

    def _dial(self, due: float) -> None:
        if self._common.credentials is not None:
            super()._dial(due)
        else:
            gevent.spawn(self._sign_in, due)

    def _sign_in(self, due: float) -> None:
        try:
            won = self._win()
        except ProbeError as problem:  # the guard lets nobody go there, or a certificate cannot be read
            self._fail_to_connect(REFUSED)
            self._common.on_bug(problem)
            return
        if isinstance(won, Failure):
            self._fail_to_connect(won.kind)
        elif not self._is_leaving:
            self._won, self._has_worked = won, False
            key = self._web.credentials(won, self._login.account)
            self._common = replace(self._common, credentials=key)
            super()._dial(due)

    def _went_live(self, at: float) -> None:
        self._has_worked = True
        super()._went_live(at)

    def _reopen(self, event: Ended) -> None:
        is_refused = event.failure is not None and event.failure.facts.layer is Layer.AUTH
        if not is_refused or self._spoilt or self._way_back is not None:  # an upset says itself what follows
            super()._reopen(event)
            return
        self._attempts += 1
        self._common = replace(self._common, credentials=None)
        if self._reopens and not self._is_leaving:
            # Who was refused with what he has just won gets nothing by haste.
            again = None if self._has_worked else decide(None, self._attempts, self._common.rng).delay_seconds
            self._dial_later(again or 0.0)

    # -- on the pages --------------------------------------------------------------------------------------------------

    def _win(self) -> WebSession | Failure:
        origin = self._web.origin(self._common.endpoint)
        if self._won is not None and self._won.cookies and self._has_worked:
            won = self._measured(RENEWAL, self._web.renew(self._won, origin), origin)
            if isinstance(won, WebSession) or won.kind not in NEEDS_THE_PASSWORD:
                return won
        return self._measured(SIGN_IN, self._web.sign_in(self._login, origin), origin)

    def _measured(self, name: str, flow: Flow[WebSession | Failure], origin: str) -> WebSession | Failure:
        common, due = self._common, monotonic()
        meter = common.recorder.request(name)
        meter.due(due)
        if not common.guard.claim_connection():
            common.recorder.refused(common.guard.last_refusal)
            meter.failed(REFUSED, due, due)
            return Failure(kind="local.timeout", detail="the run's caps allow no further connection")
        carrier = Carrier(replace(common.dial, address=read_url(origin)), on_event=self._note_phase)
        sent = monotonic()
        meter.sent(due, sent)
        try:
            won = _run(flow, carrier)
        finally:
            carrier.close()
            common.guard.release_connection()
            common.recorder.frames(carrier.traffic)
        at = monotonic()
        if isinstance(won, Failure):
            meter.failed(won.kind, due, at, sent)
        else:
            meter.answered(due, sent, at)
        return won

    def _note_phase(self, event: Event) -> None:
        if isinstance(event, PhaseFinished):
            self._common.recorder.phase(event.phase.value, event.seconds)


class SigningInSession(_SigningIn):
    """With a socket."""


class SigningInPolledSession(_SigningIn, PolledLoadSession):
    """With questions over HTTP."""


def _run(flow: Flow[WebSession | Failure], carrier: Carrier) -> WebSession | Failure:
    came: HttpReply | Secret | Failure | None = None
    with closing(flow):
        while True:
            try:
                step = flow.send(came)
            except StopIteration as end:
                won: WebSession | Failure = end.value
                return won
            # A PIN comes by mail, and nobody is there to read it: the flow says then what it is missing.
            came = carrier.ask(step) if isinstance(step, HttpCall) else None
