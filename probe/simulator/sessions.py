"""What a simulator knows of the sessions it serves: who, how much, which frames; of the open ones and the last that ended."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from probe.model.events import Traffic
from probe.session.served import ServedSession
from probe.session.transcript import Line

ENDED_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    number: int
    broker: str
    region: str
    url: str
    peer: str
    opened_at: float  # UTC seconds
    open: bool
    phase: str
    traffic: Traffic  # sent and received as the simulator sees it; bytes as they are inside TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Since the simulator started."""

    sessions: int
    sessions_open: int
    traffic: Traffic
    # The part of it on connections that ended without a goodbye: some of it may not have arrived.
    cut: Traffic = field(default_factory=Traffic)


@dataclass(slots=True, kw_only=True, eq=False)
class SessionRecord:
    number: int
    broker: str
    region: str
    url: str
    peer: str
    opened_at: float
    session: ServedSession
    close: Callable[[int], None]  # with that code
    drop: Callable[[], None]  # with a reset
    open: bool = True

    def facts(self) -> SessionFacts:
        return SessionFacts(
            number=self.number,
            broker=self.broker,
            region=self.region,
            url=self.url,
            peer=self.peer,
            opened_at=self.opened_at,
            open=self.open,
            phase=self.session.phase.value,
            traffic=self.session.traffic,
        )

    def frames(self) -> list[Line]:
        """The last messages, with monotonic time and direction (``<`` came in)."""
        return self.session.transcript()


class SessionLog:
    def __init__(self) -> None:
        self._open: dict[int, SessionRecord] = {}
        self._ended: deque[SessionRecord] = deque(maxlen=ENDED_KEPT)
        self._ended_traffic = self._cut_traffic = Traffic()
        self._opened = 0

    def next_number(self) -> int:
        self._opened += 1
        return self._opened

    def add(self, record: SessionRecord) -> None:
        self._open[record.number] = record

    def end(self, record: SessionRecord, *, in_order: bool) -> None:
        del self._open[record.number]
        record.open = False
        self._ended.append(record)
        self._ended_traffic = self._ended_traffic.plus(record.session.traffic)
        if not in_order:
            self._cut_traffic = self._cut_traffic.plus(record.session.traffic)

    def find(self, number: int) -> SessionRecord | None:
        return next((record for record in self.records() if record.number == number), None)

    def records(self) -> list[SessionRecord]:
        """Oldest first."""
        return sorted((*self._ended, *self._open.values()), key=lambda record: record.number)

    def counters(self) -> Counters:
        open_traffic = (record.session.traffic for record in self._open.values())
        return Counters(
            sessions=self._opened,
            sessions_open=len(self._open),
            traffic=_total((self._ended_traffic, *open_traffic)),
            cut=self._cut_traffic,
        )


def _total(parts: Iterable[Traffic]) -> Traffic:
    columns = zip(
        *((p.messages_sent, p.messages_received, p.bytes_sent, p.bytes_received) for p in parts), strict=True
    )
    sent, received, bytes_sent, bytes_received = map(sum, columns)
    return Traffic(
        messages_sent=sent, messages_received=received, bytes_sent=bytes_sent, bytes_received=bytes_received
    )
