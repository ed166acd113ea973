"""What is wrong with a session that stands and whose prices flow: the rules that make it degraded, the gravest first."""

import statistics
from dataclasses import dataclass

from probe.measure.freshness import Overdue
from probe.measure.vitals import FLOOD_RATE, ROUND_TRIPS, SURPRISES, Vitals
from probe.model.endpoint import Account
from probe.model.failures import Blame
from probe.model.meanings import Trouble

SURPRISING_SHARE = 0.01
REPEATED_SHARE = 0.1
STANDING_SHARE = 0.5  # of its limit is enough for what is complained of already
ODD_TICKS = 20  # so many ticks before their order is judged
FLOOD_SECONDS = 3.0  # a login's burst is shorter
SKEW_WORTH_SAYING = 2.0
STALE_TAIL_SECONDS = 180.0  # candles of a minute, and the newest one unfinished
SLOW_SECONDS = 2.0
SLOW_AGAINST_USUAL = 4.0
SLOW_AT_LEAST = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    code: str
    sentence: str
    advice: str
    blame: Blame


def complaint(
    vitals: Vitals,
    overdue: tuple[Overdue, ...],
    account: Account,
    usual_rtt: float | None,
    now: float,
    *,
    standing: str | None = None,
) -> Complaint | None:
    """`standing`: the code of what is wrong already, if something is; it ends at half the limit it began at."""
    said = vitals.contradicts(account)
    if said is not None:
        return Complaint(
            code="auth.demo-real-mismatch",
            sentence=f"the credential is for a {account.value} account, and the server says that the account is a {said} one",
            advice="Do not trade with it before you know why: look at the account in the browser, and copy the session anew.",
            blame=Blame.CREDENTIAL,
        )
    if (grave := vitals.gravest) is not None:
        return about_trouble(grave)
    if overdue:
        worst = max(overdue, key=lambda each: now - each.since)
        names = ", ".join(sorted(each.symbol for each in overdue)[:3])
        return Complaint(
            code="session.one-symbol-stall",
            sentence=f"no price of {names} for {now - worst.since:.1f} s while other symbols go on",
            advice="See in the broker's own page whether the symbol moves; watch fewer symbols, in case there is a cap.",
            blame=Blame.BROKER,
        )
    if vitals.beat_missed_at is not None:
        return Complaint(
            code="session.peer-stopped-ponging",
            sentence="a heartbeat was not answered while other data kept coming",
            advice="Nothing yet; if it stays, a broken session will be noticed late.",
            blame=Blame.EDGE,
        )
    if vitals.request_expired_at is not None:
        return Complaint(
            code="session.request-no-reply",
            sentence=f"prices flow, but a request ({vitals.request_expired}) was not answered in time",
            advice="Candles and orders may not be answered either: do not rely on them until this is over.",
            blame=Blame.BROKER,
        )
    if vitals.flooded_since is not None:
        return _about_a_flood(now - vitals.flooded_since)
    surprises, messages = vitals.lately("surprises"), vitals.lately("messages")
    share = SURPRISING_SHARE * (STANDING_SHARE if standing == "cfg.client-outdated" else 1.0)
    if surprises >= SURPRISES and surprises > share * messages:
        return Complaint(
            code="cfg.client-outdated",
            sentence=f"{surprises} of the last {max(messages, surprises)} messages were not understood; the last: {vitals.strange}",
            advice="Update tradeprobe; the broker may have changed its messages.",
            blame=Blame.UNKNOWN,
        )
    return _about_ticks(vitals, now, standing) or _about_speed(vitals, usual_rtt, standing)


def about_trouble(trouble: Trouble) -> Complaint:
    return Complaint(code=trouble.code, sentence=trouble.sentence, advice=trouble.advice, blame=trouble.blame)


def _about_a_flood(seconds: float) -> Complaint | None:
    """While it lasts nothing else is judged: what floods is not understood either, or delays everything."""
    if seconds < FLOOD_SECONDS:
        return None
    return Complaint(
        code="session.slow-consumer",
        sentence=f"for {seconds:.0f} s more than {FLOOD_RATE:.0f} messages a second came: far more than any market makes",
        advice="Watch fewer symbols; if it stays, reconnect through another region.",
        blame=Blame.BROKER,
    )


def _about_ticks(vitals: Vitals, now: float, standing: str | None) -> Complaint | None:
    ticks = vitals.lately("ticks")
    for name, code, what in (
        ("late_ticks", "data.out-of-order", "carry a time before their predecessor's"),
        ("duplicates", "data.duplicates", "came twice"),
    ):
        count = vitals.lately(name)
        share = REPEATED_SHARE * (STANDING_SHARE if standing == code else 1.0)
        if ticks >= ODD_TICKS and count > share * ticks:
            return Complaint(
                code=code,
                sentence=f"{count} of the last {ticks} ticks {what}",
                advice="Candles made of these ticks are wrong: take the broker's own until this is over.",
                blame=Blame.BROKER,
            )
    frozen = vitals.frozen(now)
    if frozen is not None:
        return Complaint(
            code="data.stale-ticks",
            sentence=f"ticks of {frozen[0]} keep coming with one and the same price for {frozen[1]:.0f} s",
            advice="Compare with the broker's own page or another region before you trade on it.",
            blame=Blame.BROKER,
        )
    if vitals.history_tail_age is not None and vitals.history_tail_age > STALE_TAIL_SECONDS:
        return Complaint(
            code="data.stale-history",
            sentence=f"the newest candle of the history is {vitals.history_tail_age:.0f} s old",
            advice="Do not fill gaps from this history; build candles from ticks until it is current again.",
            blame=Blame.BROKER,
        )
    skew = vitals.skew
    if skew is not None and abs(skew.skew_seconds) > SKEW_WORTH_SAYING + skew.uncertainty_seconds:
        return Complaint(
            code="data.clock-offset",
            sentence=f"the broker's clock and this machine's differ by {skew.skew_seconds:+.1f} s beyond its time zone",
            advice="Check this machine's clock first (timedatectl, or the time settings).",
            blame=Blame.UNKNOWN,
        )
    return None


def _about_speed(vitals: Vitals, usual_rtt: float | None, standing: str | None) -> Complaint | None:
    if len(vitals.round_trips) < ROUND_TRIPS:
        return None
    now_usual = statistics.median(vitals.round_trips)
    share = STANDING_SHARE if standing == "net.slow" else 1.0
    against_usual = usual_rtt is not None and now_usual > share * max(
        SLOW_AGAINST_USUAL * usual_rtt, SLOW_AT_LEAST
    )
    if now_usual <= share * SLOW_SECONDS and not against_usual:
        return None
    compared = f", {now_usual / usual_rtt:.0f} times the usual" if against_usual and usual_rtt else ""
    return Complaint(
        code="net.slow",
        sentence=f"the last {ROUND_TRIPS} round trips took {now_usual * 1000:,.0f} ms{compared}",
        advice="Compare the regions with probe endpoints; orders arrive late by as much.",
        blame=Blame.UNKNOWN,
    )
