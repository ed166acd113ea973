"""One connection, judged: what is wrong, how sure we are, what to do; the earliest broken stage first."""

from dataclasses import dataclass

from probe.diagnose.facts import Facts
from probe.measure.clocks import ClockOffset
from probe.model.endpoint import Account
from probe.model.events import Phase
from probe.model.findings import Certainty, Finding, State, Withheld
from probe.model.intents import AskHistory, Watch
from probe.model.meanings import Effect

_SIGNED_IN = (
    "Sign out in every browser, then sign in again with --login; the rejected token is not used any more."
)
LOOKED_LONG_ENOUGH = 3.0  # seconds; prices come twice a second in an open market
SKEW_WORTH_SAYING = 2.0  # seconds; quote ages are wrong by as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What this connection was meant to show; what was not asked is never reported as fine."""

    login: bool
    symbol: str | None
    account: Account | None = None  # as the credential claims
    signed_in: bool = False  # the credential was won by a password, just now or before
    withheld: Withheld | None = None  # the credential was not sent
    market_open: bool | None = None  # by the calendar; None: it cannot tell
    price_within: float = (
        LOOKED_LONG_ENOUGH  # seconds after the login; a shorter look says nothing about prices that stay away
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    state: State
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]


def judge(facts: Facts, asked: Asked, clock: ClockOffset | None) -> Verdict:
    by_code: dict[str, Finding] = {}  # the first of each, which is the gravest
    findings_in_order = (
        _failure(facts, asked),
        _withheld(asked),
        _other_account(facts, asked),
        *_troubles(facts),
        _mute(facts, asked),
        *_small_things(facts, clock),
    )
    for finding in findings_in_order:
        if finding is not None:
            by_code.setdefault(finding.code, finding)
    # What harms nothing comes last; else the earliest broken stage is first.
    findings = sorted(by_code.values(), key=lambda each: each.state is State.HEALTHY)
    return Verdict(
        state=_state(facts, asked, findings), findings=tuple(findings), not_checked=_not_checked(facts, asked)
    )


def _state(facts: Facts, asked: Asked, findings: list[Finding]) -> State:
    for state in (State.FAILED, State.UNKNOWN, State.DEGRADED):
        if any(finding.state is state for finding in findings):
            return state
    reached = facts.went_live if asked.login else facts.upgraded is not None
    return State.HEALTHY if reached else State.UNKNOWN


def _failure(facts: Facts, asked: Asked) -> Finding | None:
    failure = facts.ended.failure if facts.ended else None
    if failure is None:
        return None
    kind = failure.facts
    return Finding(
        code=failure.code,
        state=State.FAILED,
        certainty=kind.certainty,
        cause=str(failure),
        next_step=_SIGNED_IN if asked.signed_in and failure.kind == "auth.refused" else kind.advise,
    )


def _other_account(facts: Facts, asked: Asked) -> Finding | None:
    """The server's word about the account contradicts the credential's."""
    said = facts.balance.is_demo if facts.balance else None
    if (
        said is None
        or asked.account not in (Account.DEMO, Account.LIVE)
        or said == (asked.account is Account.DEMO)
    ):
        return None
    claimed, real = ("demo", "live") if asked.account is Account.DEMO else ("live", "demo")
    return Finding(
        code="auth.demo-real-mismatch",
        state=State.FAILED,
        certainty=Certainty.LIKELY,
        cause=f"this is a login for a {claimed} account, and the server says that the account is a {real} one",
        next_step="Do not trade with it before you know why: look at the account in the browser, and copy the session anew.",
    )


def _withheld(asked: Asked) -> Finding | None:
    if asked.withheld is None:
        return None
    return Finding(
        code="tls.not-verified",
        state=State.UNKNOWN,
        certainty=Certainty.CERTAIN,
        cause=f"the credential was not sent: {asked.withheld.reason}",
        next_step=asked.withheld.next_step,
    )


def _troubles(facts: Facts) -> list[Finding]:
    """What answers showed, the gravest first."""
    rows = sorted(
        (each for rows in facts.troubles.values() for each in rows),
        key=lambda each: list(Effect).index(each.effect),
    )
    return [
        Finding(
            code=each.code,
            state=each.effect.state,
            certainty=Certainty.CERTAIN if each.certain else Certainty.LIKELY,
            cause=each.sentence,
            next_step=each.advice,
        )
        for each in rows
    ]


def _mute(facts: Facts, asked: Asked) -> Finding | None:
    """Logged in, and no price came although the market is open."""
    if not facts.went_live or asked.symbol is None or facts.first_data is not None:
        return None
    if facts.ended is not None and facts.ended.failure is not None:
        return None
    said = facts.is_open(asked.symbol)
    if said is False or (said is None and asked.market_open is False):
        who = "the broker says the market" if said is False else "by the calendar the market"
        return Finding(
            code="data.market-closed",
            state=State.UNKNOWN,
            certainty=Certainty.LIKELY if said is None else Certainty.CERTAIN,
            cause=f"no price can be expected: {who} of {asked.symbol} is closed",
            next_step="Check again with a symbol that trades around the clock, or when the market is open.",
        )
    if facts.seconds_without_pong >= LOOKED_LONG_ENOUGH and facts.fell_silent:
        return Finding(
            code="session.half-open",
            state=State.FAILED,
            certainty=Certainty.LIKELY,
            cause="the login was accepted, and then nothing came any more: no price, no answer, not even to a ping",
            next_step="Try again, and from another network; a firewall or provider in between may have dropped the session.",
        )
    if facts.seconds_live < asked.price_within:
        return Finding(
            code="session.silent-stall",
            state=State.UNKNOWN,
            certainty=Certainty.UNDETERMINED,
            cause=f"no price of {asked.symbol} came, but only {facts.seconds_live:.1f} s were left to wait for one",
            next_step="Give it more time with --timeout.",
        )
    if facts.surprises:
        return _outdated(
            facts, State.FAILED, f"the login was accepted, and no price of {asked.symbol} was understood: "
        )
    return Finding(
        code="session.silent-stall",
        state=State.FAILED,
        certainty=Certainty.LIKELY,
        cause=f"the login was accepted, but no price of {asked.symbol} came: connected and mute",
        next_step="Try another region; if it is mute as well, the account may be limited or the broker in trouble.",
    )


def _small_things(facts: Facts, clock: ClockOffset | None) -> list[Finding]:
    findings = []
    for expired in facts.expired:
        if facts.first_data is not None and isinstance(expired.intent, AskHistory | Watch):
            findings.append(
                Finding(
                    code="session.request-no-reply",
                    state=State.DEGRADED,
                    certainty=Certainty.CERTAIN,
                    cause=f"prices flow, but a request ({type(expired.intent).__name__}) was not answered in time",
                    next_step="Check again in a minute; if it stays, candles and orders may not be answered either.",
                )
            )
            break
    unanswered = facts.missed or facts.seconds_without_pong >= LOOKED_LONG_ENOUGH
    if unanswered and not facts.fell_silent and facts.ended is not None and facts.ended.failure is None:
        findings.append(
            Finding(
                code="session.peer-stopped-ponging",
                state=State.DEGRADED,
                certainty=Certainty.CERTAIN,
                cause="a heartbeat was not answered while other data kept coming",
                next_step="Check again for a few minutes; if it stays, a broken session will be noticed late.",
            )
        )
    if facts.surprises:
        findings.append(_outdated(facts, State.DEGRADED))
    if clock is not None and abs(clock.skew_seconds) > SKEW_WORTH_SAYING + clock.uncertainty_seconds:
        findings.append(
            Finding(
                code="data.clock-offset",
                state=State.DEGRADED,
                certainty=Certainty.LIKELY,
                cause=f"the broker's clock and this machine's differ by {clock.skew_seconds:+.1f} s beyond its time zone",
                next_step="Check this machine's clock first (timedatectl, or the time settings).",
            )
        )
    return findings


def _outdated(facts: Facts, state: State, so_what: str = "") -> Finding:
    said = f"{len(facts.surprises)} thing(s) this version does not know; first: {facts.surprises[0].problem}"
    return Finding(
        code="cfg.client-outdated",
        state=state,
        certainty=Certainty.POSSIBLE,
        cause=f"{so_what}the server said {said}",
        next_step="Update tradeprobe; the broker may have changed its messages.",
    )


def _not_checked(facts: Facts, asked: Asked) -> tuple[str, ...]:
    if facts.went_live:
        return () if asked.symbol is not None else ("prices",)
    tried = facts.ended is not None and facts.ended.phase is Phase.AUTHENTICATING
    return ("prices",) if tried else ("login", "prices")
