import asyncio
import json
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from probe.logs import forget, remember
from probe.measure.plain import as_data
from probe.measure.records import Alert, Notice, Severity
from probe.model.credentials import Secret
from probe.monitor.channels import Command, Patience, Service, Undelivered, Way, Webhook, body, title
from probe.monitor.delivery import LONGEST_QUEUE, Channel, Channels

# Plugins of Apprise import what newer Pythons have no more, and cope without.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise")

PLANTED = "hunter2Zq9pLm4Vt7Xw"
SOON = Patience(
    try_seconds=5,
    pauses=(0.01, 0.01),
    command_seconds=0.3,
    terminated_seconds=0.2,
    apprise_seconds=60,
    flush_seconds=60,
)
AT_ONCE = Patience(flush_seconds=0.05)


def alert(number: int = 0, severity: Severity = Severity.PAGE, *, over: bool = False) -> Alert:
    return Alert(
        name="session_down",
        target="demo",
        severity=severity,
        message="over after 12m: there was no session" if over else "there is no session for 2m5s. Look.",
        value=125.0 + number,
        threshold=0.0,
        fired_utc=1_795_176_185.0,
        resolved_utc=1_795_176_905.0 if over else None,
    )


@dataclass
class Receiver:
    """A real HTTP server that answers as it is told, and remembers what it got."""

    answers: list[int] = field(default_factory=list)  # then 200
    hangs: bool = False
    heads: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self.answer_one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.lower().split(": ", 1) for line in head.strip().split("\r\n")[1:])
        self.bodies.append(json.loads(await reader.readexactly(int(fields["content-length"]))))
        self.heads.append(head)
        if self.hangs:
            await reader.read()
            return False
        status = self.answers.pop(0) if self.answers else 200
        writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(*answers: int, hangs: bool = False) -> AsyncIterator[Receiver]:
    receiver = Receiver(answers=list(answers), hangs=hangs)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


class Pretended:
    """A way that does what the test says."""

    def __init__(self, *outcomes: str | None) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[Alert] = []
        self.hang = asyncio.Event()
        self.hang.set()

    async def prepare(self, patience: Patience) -> None:
        pass

    async def send(self, alert: Alert, patience: Patience) -> None:
        await self.hang.wait()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome == "bug":
            raise ZeroDivisionError
        if outcome is not None:
            raise Undelivered(outcome)
        self.sent.append(alert)

    async def close(self) -> None:
        pass


@dataclass
class Outcome:
    notices: list[Notice]
    sent: int
    failed: int
    dropped: int

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(notice.code, notice.sentence) for notice in self.notices]


async def deliver(way: Way, *alerts: Alert, patience: Patience = SOON) -> Outcome:
    notices: list[Notice] = []
    channels = Channels([Channel(name="ops", way=way)], notices.append, utc=lambda: 7.0, patience=patience)
    async with channels:
        for each in alerts:
            channels.tell(each)
    count = channels.counts["ops"]
    assert count.waiting == 0
    return Outcome(notices, count.sent, count.failed, count.dropped)


# -- the queue and the worker ------------------------------------------------------------------------------------------


def test_a_channel_gets_its_severity_and_graver() -> None:
    async def main() -> dict[str, list[Severity]]:
        ways = {severity.value: Pretended() for severity in Severity}
        wanted = [Channel(name=each.value, way=ways[each.value], severity=each) for each in Severity]
        async with Channels(wanted, list[Notice]().append) as channels:
            for severity in Severity:
                channels.tell(alert(severity=severity))
        return {name: [each.severity for each in way.sent] for name, way in ways.items()}

    page, ticket, warning, info = Severity
    assert asyncio.run(main()) == {
        "page": [page],
        "ticket": [page, ticket],
        "warning": [page, ticket, warning],
        "info": [page, ticket, warning, info],
    }


def test_a_failing_channel_is_reported_once_until_it_works_again() -> None:
    way_outcomes = ("no route", "no route", None, None, "no power")

    async def main() -> Outcome:
        return await deliver(Pretended(*way_outcomes), *(alert(number) for number in range(5)))

    outcome = asyncio.run(main())
    assert outcome.notices == [
        Notice(
            at_utc=7.0,
            code="channel.failing",
            sentence="the channel 'ops' does not deliver: no route. It is told here when it works again.",
        ),
        Notice(
            at_utc=7.0,
            code="channel.recovered",
            sentence="the channel 'ops' delivers again; 2 alert(s) were not delivered since the start.",
        ),
        Notice(
            at_utc=7.0,
            code="channel.failing",
            sentence="the channel 'ops' does not deliver: no power. It is told here when it works again.",
        ),
    ]
    assert (outcome.sent, outcome.failed, outcome.dropped) == (2, 3, 0)


def test_a_bug_in_a_channel_does_not_end_its_worker() -> None:
    async def main() -> Outcome:
        return await deliver(Pretended("bug"), alert(), alert(1))

    outcome = asyncio.run(main())
    assert [code for code, _ in outcome.said] == ["channel.failing", "channel.recovered"]
    assert "ZeroDivisionError" in outcome.said[0][1]
    assert (outcome.sent, outcome.failed) == (1, 1)


def test_a_hanging_channel_delays_no_other_and_its_queue_is_bounded() -> None:
    async def main() -> None:
        notices: list[Notice] = []
        hanging, working = Pretended(), Pretended()
        hanging.hang.clear()
        wanted = [Channel(name="hanging", way=hanging), Channel(name="working", way=working)]
        async with Channels(wanted, notices.append) as channels:
            for number in range(LONGEST_QUEUE + 20):
                channels.tell(alert(number))
                await asyncio.sleep(0)
            assert len(working.sent) >= LONGEST_QUEUE
            count = channels.counts["hanging"]
            assert (count.sent, count.dropped, count.waiting) == (0, 20, LONGEST_QUEUE)
            assert [notice.code for notice in notices] == ["channel.failing"]
            hanging.hang.set()
        # The one on its way was kept, and the newest.
        numbers = [round((each.value or 0) - 125) for each in hanging.sent]
        assert numbers == [0, *range(21, LONGEST_QUEUE + 20)]
        assert channels.counts["hanging"].sent == LONGEST_QUEUE
        assert [notice.code for notice in notices] == ["channel.failing", "channel.recovered"]

    asyncio.run(main())


def test_at_the_end_what_was_not_delivered_is_named() -> None:
    async def main() -> Outcome:
        way = Pretended()
        way.hang.clear()
        return await deliver(way, alert(), alert(1), patience=AT_ONCE)

    outcome = asyncio.run(main())
    assert outcome.said == [
        (
            "channel.undelivered",
            "the channel 'ops' had 2 alert(s) left when the monitor ended, not known to be delivered: "
            "session_down of demo, session_down of demo.",
        )
    ]
    assert outcome.dropped == 2


def test_no_task_is_left_behind() -> None:
    async def main() -> int:
        way = Pretended()
        way.hang.clear()
        await deliver(way, alert(), patience=AT_ONCE)
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_title_says_who_what_and_what_happened() -> None:
    assert title(alert()) == "tradeprobe: PAGE session_down demo – there is no session for 2m5s"


def test_a_resolved_one_says_how_long_it_lasted() -> None:
    assert title(alert(over=True)) == (
        "tradeprobe: RESOLVED session_down demo – over after 12m: there was no session"
    )
    assert body(alert(over=True)) == (
        "over after 12m: there was no session\nSince 2026-11-20T12:03:05.000Z until 2026-11-20T12:15:05.000Z."
    )


# -- webhook -----------------------------------------------------------------------------------------------------------


def webhook(receiver: Receiver, token: str | None = None, path: str = "") -> Webhook:
    url = Secret(f"http://127.0.0.1:{receiver.port}/{path}")
    return Webhook(url, token=Secret(token) if token else None)


def test_a_webhook_gets_the_alert_as_json_with_its_token() -> None:
    async def main() -> tuple[Outcome, Receiver]:
        async with receiving() as receiver:
            return await deliver(webhook(receiver, PLANTED), alert()), receiver

    outcome, receiver = asyncio.run(main())
    assert (outcome.sent, outcome.said) == (1, [])
    assert receiver.bodies == [as_data(alert())]
    assert f"Authorization: Bearer {PLANTED}\r\n" in receiver.heads[0]
    assert "Content-Type: application/json\r\n" in receiver.heads[0]


@pytest.mark.parametrize(
    ("answers", "tries", "reason"),
    [
        ((500, 503), 3, None),
        ((500, 500, 502), 3, "it answered HTTP 502, 3 times; see whether the receiver is up"),
        ((404,), 1, "it answered HTTP 404, so address or token are wrong; it is not tried again"),
        ((302,), 1, "it answered HTTP 302, so address or token are wrong; it is not tried again"),
    ],
)
def test_a_webhook_is_tried_again_when_it_is_in_trouble_only(
    answers: Sequence[int], tries: int, reason: str | None
) -> None:
    async def main() -> tuple[Outcome, Receiver]:
        async with receiving(*answers) as receiver:
            return await deliver(webhook(receiver), alert()), receiver

    outcome, receiver = asyncio.run(main())
    assert len(receiver.bodies) == tries
    expected = f"the channel 'ops' does not deliver: {reason}. It is told here when it works again."
    assert outcome.said == ([("channel.failing", expected)] if reason else [])


def test_a_webhook_that_does_not_answer_is_given_up_in_time() -> None:
    async def main() -> tuple[Outcome, Receiver]:
        async with receiving(hangs=True) as receiver:
            patience = Patience(try_seconds=0.05, pauses=(0.01, 0.01))
            return await deliver(webhook(receiver), alert(), patience=patience), receiver

    outcome, receiver = asyncio.run(main())
    assert len(receiver.bodies) == 3
    assert "there was no answer within 0.05 s, 3 times" in outcome.said[0][1]


def test_a_webhook_that_nobody_serves_fails_without_telling_its_address() -> None:
    async def main() -> Outcome:
        async with receiving() as receiver:
            way = webhook(receiver, path=PLANTED)
        return await deliver(way, alert())

    outcome = asyncio.run(main())
    assert outcome.failed == 1
    assert "ConnectError" in outcome.said[0][1]
    assert PLANTED not in outcome.said[0][1]


@pytest.mark.parametrize("url", [PLANTED, f"ftp://{PLANTED}/", "http://", f"https:/{PLANTED}"])
def test_an_address_that_is_none_is_told_at_the_start(url: str) -> None:
    async def main() -> Outcome:
        notices: list[Notice] = []
        told = asyncio.Event()

        def note(notice: Notice) -> None:
            notices.append(notice)
            told.set()

        async with Channels([Channel(name="ops", way=Webhook(Secret(url)))], note):
            await asyncio.wait_for(told.wait(), 10)
        return Outcome(notices, 0, 0, 0)

    assert asyncio.run(main()).said == [
        (
            "channel.failing",
            "the channel 'ops' does not deliver: its address is none; write it like https://host/path. "
            "It is told here when it works again.",
        )
    ]


# -- command -----------------------------------------------------------------------------------------------------------

posix = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell and signals")


def run_python(code: str, *arguments: str) -> Command:
    return Command(sys.executable, "-I", "-c", code, *arguments)


def run_shell(script: str, *arguments: str) -> Command:
    return Command("/bin/sh", "-c", script, "sh", *arguments)


LONG = Patience(command_seconds=20, flush_seconds=20)


def test_a_command_gets_the_alert_on_standard_input_and_in_its_environment(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; "
        "told = {k: v for k, v in os.environ.items() if k.startswith('TRADEPROBE_ALERT_')}; "
        "json.dump([json.load(sys.stdin), told, sys.argv[2]], open(sys.argv[1], 'w'))"
    )
    seen = tmp_path / "seen.json"
    outcome = asyncio.run(deliver(run_python(code, str(seen), "$(id); 'x"), alert(), patience=LONG))
    assert (outcome.sent, outcome.said) == (1, [])
    assert json.loads(seen.read_text()) == [
        as_data(alert()),
        {
            "TRADEPROBE_ALERT_NAME": "session_down",
            "TRADEPROBE_ALERT_TARGET": "demo",
            "TRADEPROBE_ALERT_SEVERITY": "page",
            "TRADEPROBE_ALERT_STATE": "firing",
            "TRADEPROBE_ALERT_TITLE": title(alert()),
            "TRADEPROBE_ALERT_MESSAGE": alert().message,
        },
        "$(id); 'x",
    ]


@posix
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (
            run_shell("echo first >&2; echo no lamp >&2; exit 3"),
            "'/bin/sh' ended with code 3 and said: no lamp",
        ),
        (run_shell("exit 4"), "'/bin/sh' ended with code 4; run it by hand"),
        (run_shell("kill -9 $$"), "'/bin/sh' was ended by signal 9; run it by hand"),
        (run_shell("printf '\\033[2Jbad\\a' >&2; exit 1"), "'/bin/sh' ended with code 1 and said: [2Jbad"),
        (
            run_shell("echo token=abcdefghijklmnopqrstuvwxyz0123456789 >&2; exit 1"),
            "'/bin/sh' ended with code 1 and said: token=***",
        ),
        (Command("/no/such/program"), "'/no/such/program' does not start: No such file or directory"),
        (Command("/dev/null"), "'/dev/null' does not start: Permission denied"),
        (Command("/bin/sh", "a\0b"), "'/bin/sh' does not start: ValueError"),
        (Command(), "it names no program"),
    ],
)
def test_a_command_that_fails_says_why(command: Command, reason: str) -> None:
    outcome = asyncio.run(deliver(command, alert(), patience=LONG))
    assert outcome.failed == 1
    assert outcome.said == [
        (
            "channel.failing",
            f"the channel 'ops' does not deliver: {reason}. It is told here when it works again.",
        )
    ]


@posix
def test_a_command_that_neither_reads_nor_ends_its_children_is_no_problem() -> None:
    """A child that keeps standard error open outlives it."""
    way = run_shell("exec 0<&-; sleep 2 & exit 0")
    began = time.monotonic()
    outcome = asyncio.run(deliver(way, alert(), patience=LONG))
    assert (outcome.sent, outcome.said) == (1, [])
    assert time.monotonic() - began < 1.5


def rest_of(pipe: int) -> bytes:
    """What was written into it, when nobody is left that could write more."""
    os.set_blocking(pipe, True)
    with os.fdopen(pipe, "rb") as file:
        return file.read()


@posix
@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["ends when asked", "ignores it"])
def test_a_command_that_does_not_end_is_ended_with_its_children(tmp_path: Path, trap: str) -> None:
    """The pipe is closed when the last of its writers is gone: the shell and what it started."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{shlex.quote(str(pipe))}; {trap}echo begun >&3; sleep 60 & sleep 60; sleep 60"
    outcome = asyncio.run(deliver(run_shell(script), alert()))
    assert rest_of(reading) == b"begun\n"
    assert outcome.failed == 1
    assert "'/bin/sh' was not done within 0.3 s and was ended" in outcome.said[0][1]


@posix
def test_leaving_ends_a_command_that_still_runs(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    script = f"exec 3>{shlex.quote(str(pipe))}; trap '' TERM; echo begun >&3; sleep 60"
    patience = Patience(flush_seconds=0.3)
    outcome = asyncio.run(deliver(run_shell(script), alert(), patience=patience))
    assert rest_of(reading) == b"begun\n"
    assert [code for code, _ in outcome.said] == ["channel.undelivered"]


# -- Apprise -----------------------------------------------------------------------------------------------------------


def test_apprise_delivers_title_and_body() -> None:
    async def main() -> tuple[Outcome, Receiver]:
        async with receiving() as receiver:
            way = Service(Secret(f"json://127.0.0.1:{receiver.port}/"))
            return await deliver(way, alert(), alert(over=True)), receiver

    outcome, receiver = asyncio.run(main())
    assert (outcome.sent, outcome.said) == (2, [])
    assert [(each["title"], each["message"], each["type"]) for each in receiver.bodies] == [
        (title(alert()), body(alert()), "failure"),
        (title(alert(over=True)), body(alert(over=True)), "success"),
    ]


def test_apprise_says_why_it_failed() -> None:
    async def main() -> Outcome:
        async with receiving(500) as receiver:
            return await deliver(Service(Secret(f"json://127.0.0.1:{receiver.port}/")), alert())

    outcome = asyncio.run(main())
    assert (outcome.sent, outcome.failed) == (0, 1)
    assert "error=500" in outcome.said[0][1]


@pytest.mark.parametrize("url", [PLANTED, f"nosuch://{PLANTED}/"])
def test_an_address_that_apprise_does_not_know_is_told(url: str) -> None:
    outcome = asyncio.run(deliver(Service(Secret(url)), alert()))
    assert outcome.said == [
        (
            "channel.failing",
            "the channel 'ops' does not deliver: its address is none that Apprise understands; see its list of services. "
            "It is told here when it works again.",
        )
    ]


def test_a_service_that_hangs_is_given_up_and_not_asked_again_meanwhile() -> None:
    async def main() -> tuple[list[str], int]:
        problems = []
        async with receiving(hangs=True) as receiver:
            way = Service(Secret(f"json://127.0.0.1:{receiver.port}/?rto=300"))
            await way.prepare(SOON)
            for _ in range(2):
                try:
                    await way.send(alert(), Patience(apprise_seconds=0.5))
                except Undelivered as problem:
                    problems.append(str(problem))
            return problems, len(receiver.bodies)

    assert asyncio.run(main()) == (
        [
            "the service was not done within 0.5 s",
            "it still hangs at the one before; look at the service, or restart the monitor",
        ],
        1,
    )


def test_a_service_that_hangs_does_not_keep_the_program_from_ending() -> None:
    code = """
import asyncio, socket
from probe.model.credentials import Secret
from probe.monitor.channels import Patience, Service
from probe.monitor.delivery import Channel, Channels
from probe.measure.records import Alert, Severity

ALERT = Alert(name="a", target=None, severity=Severity.PAGE, message="m", value=None, threshold=None, fired_utc=0.0)

async def main():
    hanging = socket.create_server(("127.0.0.1", 0))
    way = Service(Secret(f"json://127.0.0.1:{hanging.getsockname()[1]}/?rto=300"))
    await way.prepare(Patience())
    async with Channels([Channel(name="ops", way=way)], lambda notice: print(notice.code), patience=Patience(flush_seconds=0.5)) as channels:
        channels.tell(ALERT)

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert (done.stdout, done.stderr) == ("channel.undelivered\n", "")


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda port: Webhook(
            Secret(f"http://127.0.0.1:{port}/{PLANTED}?key={PLANTED}"), token=Secret(PLANTED)
        ),
        lambda port: Webhook(Secret(f"http://user:{PLANTED}@127.0.0.1:{port}/")),
        lambda port: Webhook(Secret(f"http://127.0.0.1:{port}/"), token=Secret(f"{PLANTED}\n")),
        lambda port: Service(Secret(f"json://user:{PLANTED}@127.0.0.1:{port}/{PLANTED}?+X-Key={PLANTED}")),
        lambda port: Service(Secret(f"json://127.0.0.1:1/{PLANTED}")),
    ],
    ids=[
        "in the path",
        "as a password",
        "in a header that is none",
        "everywhere in a service",
        "nobody there",
    ],
)
def test_no_secret_shows_anywhere(
    make: Callable[[int], Way], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> Outcome:
        async with receiving(500, 404, 500) as receiver:
            return await deliver(make(receiver.port), alert(), alert())

    with caplog.at_level(logging.DEBUG):
        outcome = asyncio.run(main())
    printed = capfd.readouterr()
    assert outcome.notices != []
    for shown in (repr(outcome), caplog.text, repr(caplog.records), printed.out, printed.err, repr(make(1))):
        assert PLANTED.lower() not in shown.lower()


@posix
def test_a_command_does_not_inherit_what_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SSID", f'42["auth",{{"session":"{PLANTED}"}}]')
    monkeypatch.setenv("HARMLESS", "stays")
    remember(Secret(PLANTED))
    try:
        outcome = asyncio.run(
            deliver(run_shell('test "$HARMLESS" = stays && test -z "$MY_SSID"'), alert(), patience=LONG)
        )
    finally:
        forget(Secret(PLANTED))
    assert (outcome.sent, outcome.said) == (1, [])


def test_a_token_that_no_header_can_carry_is_refused_and_not_told() -> None:
    token = f"{PLANTED[:9]}\x01{PLANTED[9:]}"
    webhook = Webhook(Secret("http://127.0.0.1:9/"), token=Secret(token))
    outcome = asyncio.run(deliver(webhook, alert(), patience=SOON))
    assert outcome.sent == 0
    assert "no header can carry" in outcome.said[0][1]
    assert PLANTED[:9] not in str(outcome.said)
