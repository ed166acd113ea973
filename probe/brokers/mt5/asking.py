"""How a gateway is asked: by GET alone, without following it anywhere, and with the token only while that is good."""

from dataclasses import replace

from probe.brokers.mt5.answers import Body, Complaint, read_answer
from probe.brokers.mt5.credentials import expiry_of, write_instant
from probe.brokers.mt5.troubles import TOKEN
from probe.model.credentials import Secret, redactor_for
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure, Speaker
from probe.session.broker import SurveyPlan
from probe.wire.calls import Asking, HttpCall, HttpReply

Answer = Body | Complaint


class Stopped(Exception):
    """A question's end, on its way out of a flow as what the flow returns."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Asker:
    __slots__ = ("_base", "_bearer", "_redact", "_utc_at_zero", "expires_at")

    def __init__(self, plan: SurveyPlan) -> None:
        credentials = plan.credentials
        self._base, self._utc_at_zero = plan.base, plan.utc_at_zero
        self._redact = redactor_for(credentials)
        self._bearer = Secret(f"Bearer {credentials.token.reveal()}") if credentials else None
        self.expires_at = (
            expiry_of(dict(credentials.facts)) if credentials else None
        )  # UTC; None: nobody said

    def get(self, path: str, *headers: tuple[str, str | Secret]) -> Asking[Answer]:
        """
        Raises:
            Stopped: no gateway answered.
        """
        url = self._base + path
        came = yield HttpCall(method="GET", url=url, headers=(("Accept", "application/json"), *headers))
        if isinstance(came, Failure):
            raise Stopped(came)
        if not isinstance(came, HttpReply):
            raise LocalProtocolError(f"a call was answered with {type(came).__name__}")
        answer = read_answer(came, self._redact)
        if isinstance(answer, Failure):
            raise Stopped(replace(answer, detail=f"GET {path}: {answer.detail}"))
        return answer

    def get_with_token(self, path: str, now: float, *headers: tuple[str, str]) -> Asking[Answer]:
        """
        Raises:
            Stopped: no gateway answered, or the token is over.
        """
        if self._bearer is None:
            raise LocalProtocolError("a question about the account was asked without a credential")
        if self.expires_at is not None and self._utc_at_zero + now >= self.expires_at:
            raise over(
                f"it expired at {write_instant(self.expires_at)}, and is not presented any more: an expired one that is "
                "presented makes the public gateway shut its terminal for everybody"
            )
        return (yield from self.get(path, ("Authorization", self._bearer), *headers))


def over(why: str) -> Stopped:
    return Stopped(
        Failure(kind="auth.refused", slug=TOKEN, spoke_last=Speaker.REMOTE, detail=f"the token: {why}")
    )
