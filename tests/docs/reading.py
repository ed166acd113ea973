"""Ten pages of the doctor, as printed, for somebody who trades and does not program."""

import click

from probe.cli.doctor_report import Page
from probe.doctor.records import retell
from tests.doctor.make_corpus import CORPUS

TEN = (
    "cfg.ssid-field-override-a-setting-that-the-server-s-balance-contradicts",
    "host.clock-stepped-set-back-on-the-way",
    "dns.blocked",
    "tcp.timeout",
    "tls.server-cert-expired-by-two-other-clocks-too",
    "http.cf-challenge-its-own-word",
    "eio.version-refused",
    "auth.rejected-41-auth-41-quotex",
    "session.silent-stall-quotex-prices-stop",
    "mt5.gateway-up-terminal-down-closed",
)
INTRODUCTION = """# Ten pages to read

Drawn by `make docs` from files that [`probe doctor --from`](doctor.md#somebody-elses-file---from-file) reads; one for each kind of place
where a connection can fail. Each must be understood without a manual by somebody who trades and does not program: first one sentence
with what is wrong and how sure that is, then what was seen, then what to do, beginning with one step, and at the end
every technical word that the page uses.

**Who has not read them yet:** no outside reader was available. These pages were read by the people who wrote the program, who tried to read them as
strangers, and tests hold what can be counted: the one sentence, the one step first, a line for each technical word. Whether a
stranger knows what to do after reading one of them, nobody has tried. If you are one: tell us the first word at which you stopped.
"""


def page(name: str) -> str:
    """As a terminal of 80 columns shows it."""
    content = (CORPUS / f"{name}.md").read_bytes()
    return "\n".join(click.unstyle(line) for line in Page().of(retell(content, name).examination))


def reading_page() -> str:
    parts = [INTRODUCTION]
    for number, name in enumerate(TEN, 1):
        parts += [f"## {number}\n", f"```text\n{page(name)}\n```\n"]
    return "\n".join(parts)
