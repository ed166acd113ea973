"""One check, shown: to people as phases with bars and a verdict in words, to programs as one object with the same content."""

import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime

import click

from probe.api.checking import Checked
from probe.cli.output import bar, milliseconds, plain, stated
from probe.model.events import Phase
from probe.model.findings import State
from probe.monitor.knock import Knock
from probe.session.transcript import as_text as line_as_text

WIDTH = 80
INDENT = " " * 6
NAMES = {
    Phase.SIGNING_IN: "sign-in",
    Phase.RESOLVING: "DNS",
    Phase.CONNECTING: "TCP",
    Phase.TUNNELLING: "proxy",
    Phase.SECURING: "TLS",
    Phase.UPGRADING: "upgrade",
    Phase.OPENING: "greeting",
    Phase.JOINING: "namespace",
    Phase.AUTHENTICATING: "login",
}
FIRST_DATA = "first price"


def steps(knock: Knock) -> list[tuple[str, float | None]]:
    """Each step of the way and its seconds; None: it was begun and did not finish. Steps never begun are left out."""
    facts = knock.facts
    shown = NAMES.keys() if _logs_in(knock) else NAMES.keys() - {Phase.AUTHENTICATING}
    found: list[tuple[str, float | None]] = [
        (NAMES[done.phase], done.seconds) for done in facts.phases if done.phase in shown
    ]
    ended = facts.ended
    if ended is not None and ended.failure is not None and ended.phase in NAMES:
        found.append((NAMES[ended.phase], None))
    if facts.first_data is not None:
        found.append((FIRST_DATA, facts.first_data.at - facts.first_data.asked_at))
    elif facts.went_live and knock.asked.symbol:
        found.append((FIRST_DATA, None))
    return found


def _logs_in(knock: Knock) -> bool:
    """Where everybody is let in, nothing is taken for a login that anybody waits for."""
    return knock.asked.account is not None or not knock.broker.is_public(knock.endpoint)


def as_text(checked: Checked) -> Iterator[str]:
    knock = checked.knock
    endpoint = knock.endpoint
    yield click.style(f"{checked.target}", bold=True) + f"  {endpoint.region}  {endpoint.address.host_header}"
    if knock.proxy is not None:
        yield f"  via proxy {knock.proxy}"
    rows = steps(knock)
    largest = max((seconds for _, seconds in rows if seconds is not None), default=0.0)
    noted = dict(notes(knock))
    for name, seconds in rows:
        note = noted.get(name, "")
        if seconds is None:
            yield f"  {name:<12}{click.style('✗', fg='red')}" + (f"  {note}" if note else "")
        else:
            yield f"  {name:<12}{milliseconds(seconds):>11}  {bar(seconds, largest)}  {note}".rstrip()
    for line in _round_trips(knock):
        yield f"  {line}"
    verdict = knock.verdict
    yield ""
    sentences = [(plain(remark), "") for remark in checked.remarks]
    found = [
        (f"{plain(finding.cause)} ({finding.certainty.value}: {finding.code}).", finding.next_step)
        for finding in verdict.findings
    ]
    if all(finding.state is State.HEALTHY for finding in verdict.findings):
        found.insert(0, (healthy_words(knock), ""))
    first, last = (found, sentences) if verdict.state is State.FAILED else (sentences, found)
    lead = stated(checked.verdict) + "  "
    for sentence, next_step in (*first, *last):
        yield wrapped(lead, sentence)
        if next_step:
            yield wrapped("next  ", next_step)
        lead = "also  "
    for limit in checked.limits:
        if limit.holds:
            yield wrapped("within  ", f"{limit.sentence} (--{limit.name}).")
    if verdict.not_checked:
        yield wrapped("not checked  ", ", ".join(verdict.not_checked))
    if unconfirmed := unconfirmed_kinds(knock):
        yield wrapped("unconfirmed  ", f"no public capture supports these messages: {', '.join(unconfirmed)}")


def wrapped(lead: str, text: str) -> str:
    room = WIDTH - len(click.unstyle(lead))
    first, *_ = textwrap.wrap(text, room, break_on_hyphens=False)
    rest = textwrap.fill(
        text[len(first) :].strip(),
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT,
        break_on_hyphens=False,
    )
    return lead + first + (f"\n{rest}" if rest else "")


def healthy_words(knock: Knock) -> str:
    if not knock.asked.login:
        does = "answers" if knock.endpoint.scheme in knock.broker.surveys else "opens sessions"
        return f"The server {does}; no credential was given, so nothing was logged in."
    balance, symbol = knock.facts.balance, knock.asked.symbol
    said = knock.facts.is_open(symbol or "")
    is_open = knock.asked.market_open if said is None else said
    flow = f"prices of {symbol} flow and requests are answered."
    if is_open is False:
        flow = f"the market of {symbol} is closed now, so prices stand still; requests are answered."
    if balance is None and knock.broker.is_public(knock.endpoint):
        return f"Open without a login; {flow}"
    account = {True: "a demo account", False: "a live account", None: "an account"}[
        balance.is_demo if balance else None
    ]
    return f"Logged in to {account}; {flow}"


def notes(knock: Knock) -> Iterator[tuple[str, str]]:
    if knock.entered is not None:
        count = len(knock.entered.calls)
        asked = f", {count} request{'s' if count > 1 else ''}" if count else ""
        yield NAMES[Phase.SIGNING_IN], f"by {knock.entered.how}{asked}"
    dialled = knock.facts.dialled
    if dialled is None:
        return
    yield NAMES[Phase.CONNECTING], dialled.address
    if dialled.tls is not None:
        words = dialled.tls.version
        if dialled.tls.not_after is not None:
            words += f", certificate until {datetime.fromtimestamp(dialled.tls.not_after, UTC):%Y-%m-%d}"
        yield NAMES[Phase.SECURING], words


def _round_trips(knock: Knock) -> Iterator[str]:
    facts = knock.facts
    kernel = facts.kernel.rtt_seconds if facts.kernel else None
    named = (
        ("WebSocket ping", facts.websocket_round_trip),
        ("light question", facts.poll_round_trip),
        ("request", facts.application_round_trip),
        ("kernel TCP", kernel),
    )
    measured = [f"{name} {milliseconds(seconds)}" for name, seconds in named if seconds is not None]
    if measured:
        yield "round trips  " + "  ·  ".join(measured)
    if knock.clock is not None:
        hours = knock.clock.zone_seconds / 3600
        skew, doubt = (
            milliseconds(abs(knock.clock.skew_seconds)),
            milliseconds(knock.clock.uncertainty_seconds),
        )
        side = "ahead" if knock.clock.skew_seconds >= 0 else "behind"
        yield f"broker clock UTC{hours:+g} h, {skew} {side} (± {doubt})"


def unconfirmed_kinds(knock: Knock) -> list[str]:
    return sorted(
        {
            type(answered.intent).__name__
            for answered in knock.facts.answered
            if type(answered.intent) in knock.broker.unconfirmed
        }
    )


def checked_data(checked: Checked, exit_code: int) -> dict[str, object]:
    """The same as `as_text`, for programs. Key names are a promise; see docs/check.md."""
    return as_data(checked.knock, checked.target) | {
        "verdict": checked.verdict,
        "exit_code": exit_code,
        "cause": checked.cause and checked.cause.value,
        "thresholds": [
            {
                "name": each.name,
                "limit": each.limit,
                "value": each.value,
                "holds": each.holds,
                "sentence": each.sentence,
            }
            for each in checked.limits
        ],
        "tries": checked.tries,
        "flaky": checked.flaky,
        "earlier_tries": list(checked.earlier),
        "connect_seconds": checked.connect_seconds,
        "tick_age_seconds": checked.tick_age_seconds,
    }


def as_data(knock: Knock, target: str) -> dict[str, object]:
    """What one knock showed."""
    facts, verdict, dialled = knock.facts, knock.verdict, knock.facts.dialled
    tls = dialled.tls if dialled else None
    traffic = facts.ended.traffic if facts.ended else None
    failure = facts.ended.failure if facts.ended else None
    late = max((sent.at - sent.due_at for sent in facts.heartbeats_sent), default=None)
    return {
        "schema_version": 1,
        "kind": "check",
        "at": datetime.fromtimestamp(knock.began_at, UTC).isoformat(timespec="milliseconds"),
        "target": target,
        "broker": knock.broker.name,
        "region": knock.endpoint.region,
        "url": knock.endpoint.url,
        "account": facts.balance and {True: "demo", False: "live", None: None}[facts.balance.is_demo],
        "verdict": verdict.state.value,
        "exit_code": verdict.state.exit_code,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.state.value,
                "certainty": finding.certainty.value,
                "cause": finding.cause,
                "next_step": finding.next_step,
            }
            for finding in verdict.findings
        ],
        "not_checked": list(verdict.not_checked),
        "unconfirmed": unconfirmed_kinds(knock),
        "phases": [
            {"name": name, "seconds": seconds, "finished": seconds is not None}
            for name, seconds in steps(knock)
        ],
        "round_trips": {
            "websocket_seconds": facts.websocket_round_trip,
            "poll_seconds": facts.poll_round_trip,
            "request_seconds": facts.application_round_trip,
            "kernel_seconds": facts.kernel.rtt_seconds if facts.kernel else None,
            "kernel_retransmits": facts.kernel.retransmits if facts.kernel else None,
        },
        "instrument_lag_seconds": late,
        "clock": knock.clock
        and {
            "zone_seconds": knock.clock.zone_seconds,
            "skew_seconds": knock.clock.skew_seconds,
            "uncertainty_seconds": knock.clock.uncertainty_seconds,
        },
        "proxy": knock.proxy and {"url": str(knock.proxy.proxy), "source": knock.proxy.source},
        "sign_in": knock.entered
        and {
            "how": knock.entered.how,
            "calls": [
                {
                    "method": call.method,
                    "url": call.url,
                    "status": call.status,
                    "seconds": call.seconds,
                    "phases": {phase.value: seconds for phase, seconds in call.phases},
                }
                for call in knock.entered.calls
            ],
        },
        "address": dialled.address if dialled else None,
        "tls": tls
        and {
            "version": tls.version,
            "cipher": tls.cipher,
            "issuer": tls.issuer,
            "subject": tls.subject,
            "not_after": tls.not_after and datetime.fromtimestamp(tls.not_after, UTC).isoformat(),
            "fingerprint_sha256": tls.fingerprint,
        },
        "failure": failure
        and {
            "kind": failure.kind,
            "layer": failure.facts.layer.value,
            "blame": failure.facts.blame.value,
            "spoke_last": failure.spoke_last.value,
            "http_status": failure.http_status,
            "close_code": failure.close.received_code if failure.close else None,
        },
        "prices": {"symbol": knock.asked.symbol, "received": len(facts.quotes)},
        "traffic": traffic
        and {
            "messages_sent": traffic.messages_sent,
            "messages_received": traffic.messages_received,
            "bytes_sent": traffic.bytes_sent,
            "bytes_received": traffic.bytes_received,
        },
        "last_messages": [plain(line_as_text(line)) for line in knock.last_messages],
    }
