"""What sessions are pushed, judged as a stream: gaps, repeats, order, the first tick, staleness, and how evenly it reaches everybody."""

from collections.abc import Iterator

WINDOW = 2048  # ticks of one symbol of which it is known, at the least, when the first session had them
_NONE = -1.0  # in place of a gap or a skew that there is not


class SymbolStream:
    """What came of one symbol and is not counted yet: the hot side of `figures.Ticks`."""

    __slots__ = ("arrivals", "duplicates", "first", "older", "out_of_order", "seen")

    def __init__(self) -> None:
        self.arrivals: list[float] = []  # moment, gap, skew; moment, gap, skew; ...
        self.first: list[float] = []  # moment, seconds; ...
        self.duplicates: list[float] = []  # moments
        self.out_of_order: list[float] = []
        self.seen: dict[tuple[float, float], float] = {}  # when the first session had it
        self.older: dict[tuple[float, float], float] = {}

    def forget_counted(self) -> None:
        self.arrivals, self.first, self.duplicates, self.out_of_order = [], [], [], []


class _Followed:
    """One symbol in one session. Thousands of these live at a time."""

    __slots__ = ("at", "broker_time", "price", "since", "symbol")

    def __init__(self, symbol: SymbolStream, since: float) -> None:
        self.symbol = symbol
        self.since: float | None = since  # its first tick is awaited; None: it came
        self.at: float | None = None
        self.broker_time = 0.0
        self.price = 0.0


class StreamMeter:
    """Of one session."""

    __slots__ = ("_followed", "_streams")

    def __init__(self, streams: "Streams") -> None:
        self._streams = streams
        self._followed: dict[str, _Followed] = {}

    def subscribed(self, symbol: str, at: float) -> None:
        """Again for a symbol: its next tick is a first one, and the stream goes on."""
        followed = self._followed.get(symbol)
        if followed is None:
            self._followed[symbol] = _Followed(self._streams.symbol(symbol), at)
        else:
            followed.since = at

    def tick(self, symbol: str, broker_time: float, price: float, at: float) -> None:
        followed = self._followed.get(symbol)
        if followed is None:  # pushed without having been asked for
            self.subscribed(symbol, at)
            followed = self._followed[symbol]
        stream, before = followed.symbol, followed.at
        gap = _NONE if before is None else at - before
        skew = _NONE
        if followed.since is not None:
            # It may be an old one that tells a new subscriber where the market stands: of that nothing else is known.
            stream.first += (at, at - followed.since)
            followed.since = None
        elif broker_time == followed.broker_time and price == followed.price:
            stream.duplicates.append(at)
        else:
            if broker_time < followed.broker_time:
                stream.out_of_order.append(at)
            tick = (broker_time, price)
            seen = stream.seen
            first_at = seen.get(tick)
            if first_at is None:
                first_at = stream.older.get(tick)
            if first_at is not None:
                skew = at - first_at
            else:
                if len(seen) >= WINDOW:
                    stream.older, stream.seen = seen, {}
                stream.seen[tick] = at
        stream.arrivals += (at, gap, skew)
        followed.at, followed.broker_time, followed.price = at, broker_time, price

    def closed(self) -> None:
        self._streams.forget(self)

    def ages(self, moment: float) -> Iterator[tuple[str, float]]:
        """How long ago each symbol last had a tick; before its first: how long that has been waited for."""
        for symbol, followed in self._followed.items():
            last = followed.since if followed.at is None else followed.at
            yield symbol, 0.0 if last is None else moment - last


class Streams:
    """Of all sessions of one process."""

    def __init__(self) -> None:
        self.symbols: dict[str, SymbolStream] = {}
        self._meters: set[StreamMeter] = set()

    def stream(self) -> StreamMeter:
        meter = StreamMeter(self)
        self._meters.add(meter)
        return meter

    def forget(self, meter: StreamMeter) -> None:
        self._meters.discard(meter)

    def symbol(self, name: str) -> SymbolStream:
        found = self.symbols.get(name)
        if found is None:
            found = self.symbols[name] = SymbolStream()
        return found

    def ages(self, moment: float) -> dict[str, list[float]]:
        """Of every stream, by symbol."""
        ages: dict[str, list[float]] = {}
        for meter in self._meters:
            for symbol, age in meter.ages(moment):
                ages.setdefault(symbol, []).append(age)
        return ages
