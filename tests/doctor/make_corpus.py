"""Writes the files that strangers could have sent, and what is said of each: `python -m tests.doctor.make_corpus`. They stay as
they are: what later versions say of them is compared. `… make_corpus NAME` makes one of them; `… make_corpus expected` none, and only
writes down what is said now."""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from probe.cli.doctor_report import as_data
from probe.cli.nameless import Net
from probe.diagnose.case import Case, Host
from probe.diagnose.diagnose import diagnose, rules_for
from probe.doctor.examine import Examination, examine
from probe.doctor.records import retell
from probe.session.broker import Broker
from tests.doctor import staging
from tests.doctor.alone import said_there
from tests.doctor.patients import CALM
from tests.doctor.retelling import examination_of, keep_shared, redactor_of
from tests.doctor.staged import ALL

CORPUS = Path(__file__).parent / "corpus"
EXPECTED = CORPUS / "expected.json"
HEALTHY = ("pocketoption", "quotex", "mt5", "crypto", "bingx-swap", "bingx-rest", "over-TLS")
STAGED = (
    "cfg.ssid-field-override-a-setting-that-the-server's-balance-contradicts",
    "host.clock-stepped-set-back-on-the-way",
    "tcp.proxy-auth-407",
    "tls.unknown-ca-other-authority",
    "tls.server-cert-expired-by-two-other-clocks-too",
    "tls.hostname-by-name",
    "tls.plain-on-tls-plain-HTTP",
    "http.cf-challenge-its-own-word",
    "http.cf-52x-522",
    "http.403-origin-a-page-of-nginx",
    "http.429-with-a-time-to-wait",
    "http.bad-gateway-502-Bad-Gateway",
    "http.redirect-302-to-https",
    "http.200-not-101-a-web-page",
    "http.no-upgrade-a-proxy-that-drops-it",
    "eio.version-refused",
    "eio.ping-timeout-pings-that-stop",
    "sio.connect-error-not-authorized",
    "auth.session-expired-auth-refused-pocketoption",
    "auth.rejected-41-auth-41-quotex",
    "auth.demo-real-mismatch-lying-balance-pocketoption",
    "auth.logged-in-elsewhere-kicked-elsewhere:at=3s-quotex",
    "auth.wrong-region-another-region-lets-it-in",
    "session.silent-stall-quotex-prices-stop",
    "session.one-symbol-stall-pocketoption-one-stops",
    "session.closed-normal-pocketoption-close-1001",
    "session.tcp-reset-pocketoption-reset",
    "session.half-open-nothing-is-acknowledged",
    "data.market-closed-quotex-weekend",
    "data.duplicates-quotex-twice",
    "data.clock-offset-quotex-behind",
    "mt5.gateway-up-terminal-down-closed",
    "mt5.auth-failed-refused",
    "mt5.algo-off-button",
    "crypto.mongo-down-down",
    "crypto.bingx-listen-key-expires",
    "crypto.bingx-ip-allow-list-100419",
)
# Of machines with a network of their own: what it is called, and the host.
HOSTS = {
    "dns.nxdomain": "gone.trading.example",
    "dns.temporary-failure": "servfail.trading.example",
    "dns.blocked": "zero.trading.example",
    "tcp.refused": "closed.sim.test",
    "tcp.timeout": "silent.sim.test",
    "tcp.unreachable": "barred.sim.test",
    "tcp.mtu-blackhole": "tunnel.sim.test",
    "net.ipv6-blackhole": "half-dead.sim.test",
}
FRAMES = ("session.closed-normal-pocketoption-close-1001",)
CHECKED = ("auth.session-expired-auth-refused-pocketoption", "session.closed-normal-pocketoption-close-1001")


async def _look_at_host() -> Host:
    return CALM


@contextmanager
def _watched(found: list[Examination]) -> Iterator[None]:
    """Examinations are kept, and this machine is none in particular."""
    judged = staging.judged

    async def keep(*arguments: Any, **more: Any) -> Examination:
        examination = await examine(*arguments, **more)
        found.append(examination)
        return examination

    def keep_case(case: Case, broker: Broker | None, code: str) -> staging.Said:
        seen = found[-1] if found else examination_of(case, broker)
        found.append(replace(seen, case=case, diagnosis=diagnose(case, rules_for(broker))))
        return judged(case, broker, code)

    with ExitStack() as stack:
        stack.enter_context(patch("probe.doctor.examine.look_at_host", _look_at_host))
        stack.enter_context(patch("probe.doctor.examine.look_at_packages", return_value=()))
        for module in [
            staging,
            *(each for name, each in sys.modules.items() if name.startswith("tests.doctor.")),
        ]:
            for name, instead in (("examine", keep), ("judged", keep_case)):
                if hasattr(module, name):
                    stack.enter_context(patch.object(module, name, instead))
        yield


def _examination(staged_id: str) -> Examination:
    found: list[Examination] = []
    with _watched(found):
        next(each for each in ALL if each.id == staged_id).play()
    return found[-1]


def _make(name: str) -> None:
    kind, _, staged_id = name.partition(" ")
    if kind == "check":
        (CORPUS / f"{file_name(name)}.json").write_text(json.dumps(_session(staged_id), indent=1) + "\n")
    elif kind == "frames":
        lines = (
            f"{'C' if each[0] == '>' else 'S'}> {each[2:]}\n" for each in _session(staged_id)["last_messages"]
        )
        (CORPUS / f"{file_name(name)}.txt").write_text("".join(lines))
    else:
        keep_shared(CORPUS / f"{file_name(name)}.md", _examination(name))


def _session(staged_id: str) -> dict[str, Any]:
    """As `probe check --json` prints it, without anybody's names."""
    examination, net = _examination(staged_id), Net((), ())
    redact = redactor_of(examination)
    told: Any = as_data(examination, lambda text: net(redact(text)))["session"]
    session: dict[str, Any] = told
    return session


def _make_hosts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        said_there("quick", Path(folder))
        for code, host in HOSTS.items():
            (CORPUS / f"{code}.md").write_text((Path(folder) / f"{host}.md").read_text())


def file_name(name: str) -> str:
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in name)


def said_of(file: Path) -> dict[str, object]:
    examination = retell(file.read_bytes(), file.name).examination
    verdicts = [[each.code, each.certainty.value] for each in examination.diagnosis.verdicts]
    return {"exit_code": examination.diagnosis.state.exit_code, "verdicts": verdicts}


def main() -> None:
    CORPUS.mkdir(exist_ok=True)
    names = [f"healthy-{each}" for each in HEALTHY]
    names += [*STAGED, *(f"check {each}" for each in CHECKED), *(f"frames {each}" for each in FRAMES)]
    for name in sys.argv[1:] or [*names, "hosts"]:
        if name == "hosts":
            _make_hosts()
        elif name != "expected":
            _make(name)
    files = sorted(each for each in CORPUS.iterdir() if each != EXPECTED)
    EXPECTED.write_text(json.dumps({each.name: said_of(each) for each in files}, indent=1) + "\n")


if __name__ == "__main__":
    main()
