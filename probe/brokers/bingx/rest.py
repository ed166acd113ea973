"""How BingX's public REST interface is asked: its clock, its contracts, and the prices of a few of them.

Most errors come with HTTP 200, so answers are judged by the `code` inside. Limits are per address: no endpoint is asked
more than once a second, and who was told when to come back comes back then.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from probe.brokers.bingx.codec import RULES
from probe.brokers.bingx.codes import Sort, retry_at, sort_of, trouble_of
from probe.brokers.bingx.house import DEFAULT_SYMBOL
from probe.model.credentials import Credentials, redactor_for
from probe.model.events import Phase
from probe.model.failures import Blame, Failure
from probe.model.intents import AskAssets
from probe.model.meanings import (
    Admitted,
    Asset,
    Assets,
    Effect,
    Figure,
    Figures,
    Meaning,
    Notice,
    Quote,
    Quotes,
    Trouble,
    Troubles,
    Unrecognised,
)
from probe.session.broker import SurveyPlan
from probe.session.polled import Round, Said
from probe.session.reading import number, seconds, text
from probe.session.refusal import failure_of_reply
from probe.session.rows import Sieve, read_rows
from probe.session.socketio import NOT_AS_EXPECTED
from probe.wire.calls import Asking, HttpCall, HttpReply, NotJson, read_json
from probe.wire.socketio import PREVIEW, preview

TIME, CONTRACTS, TICKER = (
    f"/openApi/swap/v2/{rest}" for rest in ("server/time", "quote/contracts", "quote/ticker")
)
TIME_EVERY, CONTRACTS_EVERY, TICKER_EVERY = 15.0, 60.0, 5.0
SAME_ENDPOINT_EVERY = 1.0
CLOCK_TOLERANCE = 2.0  # of the 5 s that a signed request may be old
BAN_SECONDS = 300.0
CODE = re.compile(r"-?[0-9]{1,9}")
REMAINING, EXPIRES = "x-ratelimit-requests-remain", "x-ratelimit-requests-expire"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    data: Any
    reply: HttpReply


class BingxSurvey:
    rules = replace(
        RULES,
        phases=(Phase.OPENING, Phase.AUTHENTICATING, Phase.LIVE),
        peer_beats=False,
        reopens=False,
        data_every=TICKER_EVERY,
    )

    def __init__(self, plan: SurveyPlan) -> None:
        self._plan = plan
        self._symbols = plan.symbols or (DEFAULT_SYMBOL,)
        self._redact = redactor_for(plan.credentials)
        self._offsets: deque[float] = deque(maxlen=2)  # how far the exchange's clock is ahead of ours
        self._told: dict[str, Quote] = {}

    def rounds(self) -> Sequence[Round]:
        every = max(TICKER_EVERY, len(self._symbols) * SAME_ENDPOINT_EVERY)
        return (
            Round(name="time", every=TIME_EVERY, ask=self._time, is_beat=True),
            Round(name="contracts", every=CONTRACTS_EVERY, ask=self._contracts, intent=AskAssets()),
            *(
                Round(
                    name=f"ticker {symbol}",
                    every=every,
                    ask=partial(self._ticker, symbol),
                    lane="ticker",
                    first_after=(place + 0.5) * SAME_ENDPOINT_EVERY,
                )
                for place, symbol in enumerate(self._symbols)
            ),
        )

    def open(self, now: float) -> Asking[Said]:
        said = yield from self._time(now)
        if not isinstance(said, Failure):
            odd = next((each for each in said if isinstance(each, Unrecognised)), None)
            if odd is not None:
                return Failure(kind="http.wrong-path", detail=f"this is not BingX: {odd.problem}")
        return said

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        """Nothing that is asked here needs a key."""
        yield from ()
        return (Admitted(),)

    def leave(self) -> None:
        return None

    # -- rounds ------------------------------------------------------------------------------------------------------

    def _time(self, now: float) -> Asking[Said]:
        def read(answer: _Answer) -> Sequence[Meaning]:
            reply = answer.reply
            sent_at = self._plan.utc_at_zero + now
            self._offsets.append(seconds(answer.data["serverTime"]) - (sent_at + reply.seconds / 2))
            # Making a connection first takes time that is not seen here and puts the exchange ahead: the smaller counts.
            offset, doubt = min(self._offsets), reply.seconds / 2
            rows = (_skewed(offset, doubt),) if abs(offset) > CLOCK_TOLERANCE + doubt else ()
            told: list[Meaning] = [
                Troubles(about="time", rows=rows),
                Figures(
                    rows=(Figure("access_rtt_seconds", reply.seconds), Figure("clock_skew_seconds", offset))
                ),
            ]
            if reply.header(REMAINING):
                rate = {"remain": reply.header(REMAINING), "expire": reply.header(EXPIRES)}
                told.append(Notice(name="rate limit", payload=rate))
            return told

        return (yield from self._ask("time", TIME, now, read))

    def _contracts(self, now: float) -> Asking[Said]:
        at = self._plan.utc_at_zero + now

        def read(answer: _Answer) -> Sequence[Meaning]:
            states: dict[str, Any] = {}

            def asset(row: Any) -> Asset:
                states[text(row["symbol"])] = row
                return _asset(row, at)

            def read_all(rows: Any, sieve: Sieve) -> Meaning:
                return Assets(rows=sieve.through(asset, rows))

            told = read_rows("contracts", read_all, answer.data)
            found = (_state_of(symbol, states.get(symbol), at) for symbol in self._symbols)
            return [*told, Troubles(about="contracts", rows=tuple(each for each in found if each))]

        return (yield from self._ask("contracts", CONTRACTS, now, read))

    def _ticker(self, symbol: str, now: float) -> Asking[Said]:
        about = f"ticker {symbol}"

        def read(answer: _Answer) -> Sequence[Meaning]:
            row = answer.data[0] if isinstance(answer.data, list) else answer.data
            quote = Quote(symbol, seconds(row["closeTime"]), number(row["lastPrice"]))
            told: list[Meaning] = [Troubles(about=about)]
            if self._told.get(symbol) != quote:
                self._told[symbol] = quote
                told.append(Quotes((quote,)))
            return told

        return (yield from self._ask(about, TICKER, now, read, symbol=symbol))

    # -- one question ------------------------------------------------------------------------------------------------

    def _ask(
        self, about: str, path: str, now: float, read: Callable[[_Answer], Sequence[Meaning]], **query: str
    ) -> Asking[Said]:
        utc = self._plan.utc_at_zero + now
        asked = urlencode({**query, "timestamp": round(utc * 1000)})
        reply = yield HttpCall(method="GET", url=f"{self._plan.base}{path}?{asked}")
        if isinstance(reply, Failure):
            return reply
        assert isinstance(reply, HttpReply)  # noqa: S101 - what comes of an HttpCall
        judged = self._judge(about, reply, utc)
        if not isinstance(judged, _Answer):
            return judged
        try:
            return read(judged)
        except NOT_AS_EXPECTED as error:
            problem = f"{about}: the answer does not look as expected ({type(error).__name__})"
            return (Unrecognised(problem=problem, preview=preview(reply.body)),)

    def _judge(self, about: str, reply: HttpReply, utc: float) -> _Answer | Said:
        try:
            body, problem = read_json(reply), "it is no JSON object"
        except NotJson as error:
            body, problem = None, str(error)
        said = body if isinstance(body, dict) else {}
        words = self._redact.shorten(str(said.get("msg") or ""), PREVIEW)
        told = said.get("code")
        # As text, too; one of more digits than any code has is none.
        code = int(told) if isinstance(told, int | str) and CODE.fullmatch(str(told)[:20]) else 0
        if reply.status in (418, 429) or (code and sort_of(code, words) is Sort.THROTTLED):
            return self._limited(reply, code, words, utc)
        if code:
            return (Troubles(about=about, rows=(trouble_of(code, words, about),)),)
        failure = failure_of_reply(reply, self._redact)
        if failure is not None:
            return failure
        if "data" not in said:
            return (Unrecognised(problem=f"{about}: {problem}", preview=preview(reply.body)),)
        return _Answer(data=said["data"], reply=reply)

    def _limited(self, reply: HttpReply, code: int, words: str, utc: float) -> Failure:
        """Too many questions, or (418) so many that this address is banned for a while."""
        until, is_ban = retry_at(words), reply.status == 418
        wait = BAN_SECONDS if is_ban else None
        if until is not None:  # by the exchange's clock
            wait = max(until - (utc + min(self._offsets, default=0.0)), 1.0)
        elif reply.header("retry-after").isdecimal():
            wait = float(reply.header("retry-after")[:9])
        detail = "this address is banned for a while (HTTP 418)" if is_ban else f"HTTP {reply.status}"
        return Failure(
            kind="http.429",
            detail=f"{detail}, code {code}: {words}" if code else detail,
            http_status=reply.status,
            retry_after_seconds=wait,
        )


def _skewed(offset: float, doubt: float) -> Trouble:
    return Trouble(
        code="crypto.bingx-timestamp",
        sentence=f"the exchange's clock is {abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} this machine's, "
        f"give or take {doubt * 1000:.0f} ms: signed requests older than 5 s are refused",
        advice="Synchronise this machine's clock, or send the exchange's time with signed requests.",
        effect=Effect.DEGRADES,
        blame=Blame.US,
    )


def _asset(row: Any, at: float) -> Asset:
    ends_at = seconds(row.get("offTime") or 0)
    return Asset(
        id=int(number(row.get("contractId") or 0)),
        symbol=text(row["symbol"]),
        label=text(row.get("displayName") or row["symbol"]),
        kind="perpetual",
        digits=int(number(row["pricePrecision"])),
        payout_percent=0,
        is_otc=False,
        is_open=_what_ails(row, at)[1] is not Effect.STALLS,
        opens_or_closes_at=ends_at or None,
    )


def _state_of(symbol: str, row: Any, at: float) -> Trouble | None:
    what, effect = ("is not in the list of contracts", Effect.STALLS) if row is None else _what_ails(row, at)
    if not what:
        return None
    return Trouble(
        code="crypto.bingx-symbol-offline",
        sentence=f"{symbol} {what}",
        advice="Check the spelling of the symbol; if it is right, drop the pair or wait.",
        effect=effect,
        blame=Blame.BROKER,
        certain=row is not None,
    )


def _what_ails(row: Any, at: float) -> tuple[str, Effect]:
    """What a contract's state says, the worst first."""
    ends_at, pauses_at = (seconds(row.get(name) or 0) for name in ("offTime", "maintainTime"))
    status = int(number(row.get("status", 1)))
    if 0 < ends_at <= at:
        return "is delisted", Effect.STALLS
    if status != 1:
        return f"is not traded (status {status})", Effect.STALLS
    if 0 < pauses_at <= at:
        return "is in maintenance: positions can only be closed", Effect.DEGRADES
    closed = [
        name for name in ("apiStateOpen", "apiStateClose") if str(row.get(name, "true")).lower() == "false"
    ]
    if closed:
        return f"cannot be traded by programs ({' and '.join(closed)} false)", Effect.DEGRADES
    if ends_at or pauses_at:
        return "is going to be delisted, or into maintenance", Effect.NOTED
    return "", Effect.NOTED
