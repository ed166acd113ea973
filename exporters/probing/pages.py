"""What people read of a look: plain text for a terminal, the same as a page for a browser, and the list of those that are kept."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from urllib.parse import parse_qsl

from exporters.probing.asked import Module
from exporters.probing.look import Look
from exporters.probing.metrics import rendered
from probe.cli.lines import safe
from probe.cli.output import bar, milliseconds
from probe.model.credentials import SHORTEST, Redactor, Secret, redactor_for
from probe.model.findings import Finding
from probe.monitor.sign_in import SignIn
from probe.session.evidence import without_addresses

BAR = 16  # characters: a line of phases is not too wide for a phone
_SUCCESS = "SUCCESS"
_REACHED = {
    Module.OPEN: "the server greeted, and nothing was logged in",
    Module.LOGIN: "it let us in",
    Module.DATA: "it let us in, and the first price came",
}


class _Cleaner:
    """Nothing of what a server, or anybody, said leaves with a secret, an e-mail address or a sign that acts in it."""

    def __init__(self, found: Look) -> None:
        key = found.wanted.key
        usual = set(found.wanted.broker.rules.query.values())
        _, _, query = found.endpoint.url.partition("?")
        told = [value for _, value in parse_qsl(query) if len(value) >= SHORTEST and value not in usual]
        self._redactors = (
            redactor_for(key.login if isinstance(key, SignIn) else key),
            redactor_for(found.credentials),
            Redactor(map(Secret, told)),
        )

    def __call__(self, text: str) -> str:
        for redact in self._redactors:
            text = redact(text)
        return safe(without_addresses(text))


def as_text(found: Look) -> str:
    clean = _Cleaner(found)
    parts = (
        _heading(found),
        _verdict(found, clean),
        _phases(found),
        _messages(found, clean),
        ("metrics", *(f"  {line}" for line in rendered(found).splitlines())),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _heading(found: Look) -> Iterator[str]:
    when = datetime.fromtimestamp(found.began_utc, UTC)
    yield f"probe of {found.wanted.name}, module {found.module.value}, endpoint {found.endpoint.region}"
    yield f"{when:%Y-%m-%d %H:%M:%S} UTC, timeout {found.timeout:g} s"


def _verdict(found: Look, clean: _Cleaner) -> Iterator[str]:
    if found.success:
        yield f"{_SUCCESS} after {milliseconds(found.seconds)}: {_REACHED[found.module]}."
        return
    reason = found.reason
    yield f"FAILURE after {milliseconds(found.seconds)}, reason {reason.value if reason else ''}"
    if found.timed_out:
        yield f"The probe's own timeout of {found.timeout:g} s was over first."
    for finding in found.findings:
        yield from _finding(finding, clean)


def _finding(finding: Finding, clean: _Cleaner) -> Iterator[str]:
    yield f"{clean(finding.cause)} ({finding.certainty.value}: {finding.code})."
    yield f"next  {clean(finding.next_step)}"
    yield f"more  probe explain {finding.code}"


def _phases(found: Look) -> Iterator[str]:
    yield "phases"
    rows = [(each.phase.value, each.seconds) for each in found.facts.phases]
    largest = max((seconds for _, seconds in rows), default=0.0)
    for name, seconds in rows:
        yield f"  {name:<16}{milliseconds(seconds):>11}  {bar(seconds, largest, BAR)}".rstrip()
    ended = found.facts.ended
    if not found.success and ended is not None:
        yield f"  {ended.phase.value:<16}{'-':>11}  did not finish"


def _messages(found: Look, clean: _Cleaner) -> Iterator[str]:
    lines = found.session.transcript()
    yield "last messages" if lines else "no message came or went"
    for line in lines:
        kind = "bytes " if line.binary else ""
        yield f"  {line.at - found.began_at:8.3f} s  {line.direction} {kind}{clean(line.text)}"


def as_page(text: str) -> str:
    """The same for a browser: it wraps on a phone, is dark in the dark, and leads on."""
    lines = text.splitlines()
    heading = lines[: lines.index("")] if "" in lines else ["probe"]
    headline, *rest = lines[len(heading) + 1 :] or lines
    return _page(
        headline,
        f"<h1>{escape(' · '.join(heading))}</h1>",
        f"<pre>{escape(chr(10).join(rest))}</pre>" if rest else "",
        answer="yes" if headline.startswith(_SUCCESS) else "no",
    )


def as_list(kept: Iterable[tuple[int, Look]]) -> str:
    rows = "".join(_row(number, found) for number, found in kept)
    heads = "<th>no.</th><th>when (UTC)</th><th>probe of</th><th>result</th>"
    return _page(
        "The last probes",
        "<h1>The last hundred, the newest first; failures stay longer.</h1>",
        f"<table><tr>{heads}</tr>{rows}</table>" if rows else "<p>There was none yet.</p>",
    )


def _page(headline: str, above: str, below: str, *, answer: str = "none") -> str:
    """Looks like the status page, whose style it takes."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(headline)}</title><link rel="icon" href="icon.svg"><link rel="stylesheet" href="status.css"></head>'
        f'<body data-answer="{answer}">{above}<p id="headline">{escape(headline)}</p><main>{below}</main>'
        '<footer><p><a href="./">all targets</a> · <a href="logs">the last probes</a></p></footer></body></html>\n'
    )


def _row(number: int, found: Look) -> str:
    when = datetime.fromtimestamp(found.began_utc, UTC)
    reason = found.reason
    cells = (
        f"{when:%Y-%m-%d %H:%M:%S}",
        f"{found.wanted.name} · {found.module.value} · {found.endpoint.region}",
        f"{reason.value if reason else 'success'} after {milliseconds(found.seconds)}",
    )
    told = "".join(f"<td>{escape(safe(cell))}</td>" for cell in cells)
    return f'<tr><td><a href="logs?id={number}">{number}</a></td>{told}</tr>'
