"""What a polled session says to whoever listens: its events and its last lines. No secret and no e-mail address is in them."""

from collections.abc import Sequence
from dataclasses import replace

from probe.model.credentials import Redactor
from probe.model.events import Event, FirstData, Phase, QuoteArrived, Surprise, Told, Upgraded
from probe.model.failures import Failure
from probe.model.meanings import Meaning, Quotes, Troubles, Unrecognised
from probe.session.evidence import line_of_call, line_of_reply, without_addresses
from probe.session.transcript import Line, Transcript
from probe.wire.calls import Call, HttpReply, Reply

SURPRISES_TOLD = 100
LONGEST_WORDS = 2000  # of what an answer showed
_HIDDEN_HEADERS = ("set-cookie", "set-cookie2", "authorization")


class Telling:
    def __init__(self, *, keep_messages: int, redact: Redactor) -> None:
        self._redact, self._transcript = redact, Transcript(keep=keep_messages, redact=redact)
        self._events: list[Event] = []
        self._surprises = 0
        self._has_data = self._has_greeted = False

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def lines(self) -> list[Line]:
        return self._transcript.lines()

    def event(self, event: Event) -> None:
        self._events.append(event)

    def call(self, call: Call, now: float) -> None:
        self._transcript.note(now, ">", line_of_call(call))

    def reply(self, call: Call, reply: Reply, now: float, *, is_public: bool) -> None:
        self._transcript.note(now, "<", line_of_reply(call, reply, is_public=is_public))

    def greeting(self, reply: HttpReply, now: float) -> None:
        """Of the first answer: what server it is."""
        if self._has_greeted:
            return
        self._has_greeted = True
        headers = tuple(
            (self.shown(name, 60), self.shown(value, 200))
            for name, value in reply.headers
            if name.lower() not in _HIDDEN_HEADERS
        )
        self.event(Upgraded(at=now, status=reply.status, headers=headers))

    def said(self, said: Sequence[Meaning], now: float, *, phase: Phase, live_at: float) -> None:
        for meaning in said:
            match meaning:
                case Quotes():
                    if not self._has_data:
                        self._has_data = True
                        self.event(FirstData(at=now, asked_at=live_at))
                    self._events.extend(QuoteArrived(now, *row) for row in meaning.rows)
                case Unrecognised():
                    self._surprise(meaning, now, phase)
                case Troubles():  # they may repeat what an answer said
                    rows = (
                        replace(each, sentence=self.shown(each.sentence, LONGEST_WORDS))
                        for each in meaning.rows
                    )
                    self.event(Told(at=now, meaning=replace(meaning, rows=tuple(rows))))
                case _:
                    self.event(Told(at=now, meaning=meaning))

    def _surprise(self, meaning: Unrecognised, now: float, phase: Phase) -> None:
        self._surprises += 1
        if self._surprises <= SURPRISES_TOLD:
            problem, preview = self.shown(meaning.problem, 200), self.shown(meaning.preview, 160)
            self.event(Surprise(at=now, phase=phase, problem=problem, preview=preview))

    def failure(self, failure: Failure) -> Failure:
        return replace(failure, detail=self.shown(failure.detail, LONGEST_WORDS))

    def shown(self, text: str, length: int) -> str:
        return without_addresses(self._redact.shorten(text, length))
