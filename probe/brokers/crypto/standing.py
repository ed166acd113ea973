"""Our session at the backend: the cookie as it was last set, and why it opens no more."""

from collections.abc import Iterator
from dataclasses import replace

from probe.brokers.crypto.cookie import Issued, careless, issued, issued_at, read_attributes, unsendable
from probe.brokers.crypto.judging import Health
from probe.brokers.crypto.signin import ATTRIBUTES
from probe.model.credentials import Credentials, Secret
from probe.model.failures import Blame
from probe.model.meanings import Effect, Meaning, Notice, Trouble
from probe.wire.calls import HttpReply

CHANCE_OVER = 12  # acceptances in a row: workers with secrets of their own would have refused one
CLOCK_DOUBT = 2.0  # seconds
LAST_REFUSAL = 4  # in a row: then the session is over, and not only unknown to one worker
_ENDING = 0.98  # of its life: clocks differ
_SOON_OVER = 3600.0
_UNKNOWN = "auth.session-expired"


class Standing:
    def __init__(self, name: str, base: str, credentials: Credentials | None) -> None:
        self._name, self._base = name, base
        self.value: Secret | None = credentials.token if credentials else None
        written = dict(credentials.facts).get(ATTRIBUTES) if credentials else None
        self._cookie = Issued(value=self.value, attributes=read_attributes(written)) if written else None
        self._slides: bool | None = None
        self._signs_off_at: float | None = None  # UTC at which this value ends, if it is known
        self._known_to: set[str] = set()  # routes that let us in
        self._refused: set[str] = set()  # routes that said 401 since
        self.refusals = self._acceptances = 0  # in a row
        self._is_random = False
        self._began: float | None = None  # UTC
        self._why: Trouble | None = None

    def begin(self, utc: float) -> None:
        self._began = utc
        self._note_life(utc)

    def take(self, reply: HttpReply, utc: float) -> list[Meaning]:
        """The jar follows whatever the server sets. Told once: how the session's life is counted."""
        cookie = issued(reply, self._name)
        if cookie is not None:
            self.value, self._cookie = cookie.value, cookie
            self._note_life(utc)
        slides = cookie is not None and cookie.value is not None
        if reply.status != 200 or self._slides is slides or self._slides:
            return []
        self._slides = slides
        payload = {
            "expiry": "sliding: every answer prolongs it" if slides else "absolute: no answer prolongs it"
        }
        return [Notice(name="session cookie", payload=payload)]

    def accepted(self, route: str) -> None:
        self._known_to.add(route)
        self.refusals, self._acceptances = 0, self._acceptances + 1
        if self._refused & self._known_to:
            self._is_random = True
            self._refused.clear()
        elif self._acceptances >= CHANCE_OVER:
            self._is_random = False
        self._why = None

    def refused(self, route: str, health: Health | None, utc: float) -> None:
        """A read that should have worked was answered with 401."""
        self._refused.add(route)
        self.refusals, self._acceptances = self.refusals + 1, 0
        self._why = self._reason(health, utc)

    @property
    def is_over(self) -> bool:
        return self.refusals >= LAST_REFUSAL and not self._is_random

    def troubles(self, utc: float) -> Iterator[Trouble]:
        if self._is_random:
            yield _secret(
                "some answers know our session and others do not, as when every worker has a secret of its own",
                Effect.DEGRADES,
                certain=True,
            )
        elif self._why:
            yield self._why
        left = None if self._signs_off_at is None else self._signs_off_at - utc
        if left is not None and 0 < left < _SOON_OVER and not self._slides and not self._why:
            yield _expired(
                f"the session ends in {left / 60:.0f} min, and no answer prolongs it", Effect.NOTED
            )
        if self._cookie is None:
            return
        if why := unsendable(self._cookie.attributes, self._base):
            yield _cookie(
                f"the session's cookie is {why}: browsers and most clients do not send it back",
                f"Change that attribute of the cookie ({why.partition(',')[0]}).",
                Effect.DEGRADES,
            )
        elif why := careless(self._cookie.attributes, self._base):
            yield _cookie(
                f"of the session's cookie, {why}", "Set it in the session middleware.", Effect.NOTED
            )

    def _reason(self, health: Health | None, utc: float) -> Trouble:
        since = self._began if self._began is not None else utc
        if self._signs_off_at is not None and utc >= self._signs_off_at:
            return _expired("the session's time is over", Effect.SHUTS_OUT, certain=True)
        if health is None:
            return replace(
                _expired("the session was ended, and why is not known", Effect.SHUTS_OUT), code=_UNKNOWN
            )
        if health.uptime is None:
            return _secret("the session that worked is unknown, and /health is well", Effect.SHUTS_OUT)
        if utc - health.uptime >= since + health.seconds + CLOCK_DOUBT:
            return _secret(
                f"the backend was started anew {health.uptime:.0f} s ago and knows no earlier session",
                Effect.SHUTS_OUT,
                certain=True,
            )
        return _expired("the session was ended while the backend went on running", Effect.SHUTS_OUT)

    def _note_life(self, utc: float) -> None:
        age = self._cookie.max_age if self._cookie else None
        if age is None or self.value is None:
            self._signs_off_at = None
            return
        began = issued_at(self.value.reveal())
        self._signs_off_at = (utc if began is None else began) + age * _ENDING


def _expired(sentence: str, effect: Effect, *, certain: bool = False) -> Trouble:
    return Trouble(
        code="crypto.session-expired",
        sentence=sentence,
        advice="Sign in again; give e-mail address and password if the probe shall do it by itself.",
        effect=effect,
        blame=Blame.CREDENTIAL,
        certain=certain,
    )


def _secret(sentence: str, effect: Effect, *, certain: bool = False) -> Trouble:
    return Trouble(
        code="crypto.session-secret",
        sentence=sentence,
        advice="Take the secret of the sessions from the configuration, one for all workers and all starts.",
        effect=effect,
        blame=Blame.BROKER,
        certain=certain,
    )


def _cookie(sentence: str, advice: str, effect: Effect) -> Trouble:
    return Trouble(
        code="crypto.session-cookie",
        sentence=sentence,
        advice=advice,
        effect=effect,
        blame=Blame.BROKER,
        certain=True,
    )
