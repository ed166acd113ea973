import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from exporters.control import routes
from exporters.guard import Guard
from exporters.watched import Watched
from probe.brokers import find_broker
from probe.config.load import load_settings
from probe.logs import forget, remember
from probe.measure.records import Condition, SessionState
from probe.model.credentials import Secret
from probe.model.endpoint import Account, Endpoint
from probe.model.errors import ConfigError
from probe.monitor.monitor import Monitor
from probe.monitor.wanted import ConnectMode, Wanted
from tests.exporters.certified import HASH, PASSWORD, Certified
from tests.exporters.serving import Served, in_a_loop, serving
from tests.exporters.test_guard_users import login

PLANTED = "planted-secret-4471"


class StandIn(Watched):
    """A monitor whose answers are given, asked in the loop of the test as the real one is."""

    def __init__(self, reload: Callable[[], Awaitable[str]], **conditions: SessionState) -> None:
        self.conditions = {name: Condition(state=state) for name, state in conditions.items()}
        monitor = SimpleNamespace(conditions=lambda: self.conditions, wanted=tuple(map(wanted, conditions)))
        super().__init__(cast(Monitor, monitor), reload)


def wanted(name: str) -> Wanted:
    url = "bridge://127.0.0.1:1" if name == "terminal" else "wss://venue.test/"
    endpoint = Endpoint(broker="pocketoption", region="one", url=url, account=Account.DEMO)
    return Wanted(
        name=name,
        broker=find_broker("pocketoption"),
        endpoints=(endpoint,),
        key=None,
        symbols=(),
        connect=ConnectMode.RACE,
    )


async def unchanged() -> str:
    return "nothing changed"


def control(watched: Watched, guard: Guard | None = None) -> Any:
    return serving(tuple(routes(watched, guard=guard)), guard=guard)


@in_a_loop
async def test_it_is_healthy_while_it_answers() -> None:
    async with control(StandIn(unchanged)) as served:
        answer = await served.ask(path="/-/healthy")
        assert (answer.status, answer.body) == (200, "The exporter is alive.\n")


@in_a_loop
async def test_it_is_ready_when_every_target_has_begun() -> None:
    watched = StandIn(unchanged)

    async def ready(served: Served) -> tuple[int, str]:
        answer = await served.ask(path="/-/ready")
        return answer.status, answer.body

    async with control(watched) as served:
        assert await ready(served) == (503, "Not ready: no target is watched yet.\n")
        idle, begun = Condition(), Condition(state=SessionState.CONNECTING)
        watched.conditions.update(b=idle, a=idle, c=begun)
        assert await ready(served) == (503, "Not ready: not begun yet: a, b.\n")
        watched.conditions.update(b=begun, a=begun)
        assert await ready(served) == (200, "Ready.\n")


@in_a_loop
async def test_reload_says_what_changed_and_only_when_it_is_posted_or_put() -> None:
    async def reload() -> str:
        return "added b; removed a"

    async with control(StandIn(reload)) as served:
        for method in ("POST", "PUT"):
            answer = await served.ask(method, "/-/reload")
            assert (answer.status, answer.body) == (200, "added b; removed a\n")
        assert (await served.ask("GET", "/-/reload")).status == 405


@in_a_loop
async def test_a_page_of_another_site_reloads_nothing() -> None:
    calls = 0

    async def reload() -> str:
        nonlocal calls
        calls += 1
        return ""

    async with control(StandIn(reload)) as served:
        for headers in (
            "Origin: https://stranger.test\r\n",
            "Origin: null\r\n",
            "Origin: http://localhost:81\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
            "Sec-Fetch-Site: same-site\r\n",
            "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n",
            "Origin: http://[broken\r\n",
        ):
            assert (await served.ask("POST", "/-/reload", headers)).status == 403
        assert calls == 0
        for headers in (
            "",
            "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n",
            "Sec-Fetch-Site: none\r\n",
        ):
            assert (await served.ask("POST", "/-/reload", headers)).status == 200
        assert calls == 3


@in_a_loop
async def test_the_reason_shows_no_secret_and_nothing_a_terminal_obeys() -> None:
    async def reload() -> str:
        raise ConfigError(
            f"the proxy {PLANTED} \x1b[2J is wrong", where="probe.toml, proxy", next_step="Mend it."
        )

    remember(Secret(PLANTED))
    try:
        async with control(StandIn(reload)) as served:
            answer = await served.ask("POST", "/-/reload")
    finally:
        forget(Secret(PLANTED))
    assert answer.status == 500
    assert answer.body == (
        "Not taken over, all goes on as before: probe.toml, proxy: the proxy *** �[2J is wrong. Mend it.\n"
    )


BROKEN = (  # and the words that the reason must have
    ("[targets.demo", "probe.toml"),
    ("[exporter]\nlisten = 'nowhere'\n", "exporter.listen"),
    ("[exporter]\nlisten = '127.0.0.1:99999'\n", "exporter.listen"),
    ("[exporter]\nlisten = 5\n", "exporter.listen"),
    ("[exporter]\nlissten = '127.0.0.1:1'\n", "did you mean 'listen'"),
    ("[exporter]\nmax_targets = 0\n", "exporter.max_targets"),
    ("[exporter]\nmax_targets = 1.5\n", "exporter.max_targets"),
    ("[exporter]\nmax_series = 'many'\n", "exporter.max_series"),
    ("[exporter]\notlp_every = 'x'\n", "exporter.otlp_every"),
    (f"[exporter]\notlp = '{PLANTED}'\n", "exporter.otlp"),
    ("[exporter]\nweb_config = 7\n", "exporter.web_config"),
    ("[exporters]\n", "did you mean 'exporter'"),
    ("exporter = 3\n", "exporter"),
    ("[[exporter]]\n", "exporter"),
    ("[targets.'A B']\n", "targets"),
    ("[targets.demo]\nbroker = 'nope'\n", "targets.demo"),
    ("[targets.demo]\ntarget = 1\n", "targets.demo"),
    (f"[targets.demo]\ncredentials = '{PLANTED}'\n", "targets.demo.credentials"),
    ("[monitor]\nmonitor = 1\n", "monitor"),
    ("a = 1\na = 2\n", "probe.toml"),
    ("\0", "probe.toml"),
)


@in_a_loop
async def test_a_configuration_that_is_broken_is_told_and_harms_nothing(tmp_path: Path) -> None:
    file = tmp_path / "probe.toml"

    async def reload() -> str:
        load_settings(file, environ={})
        return "taken over"

    async with control(StandIn(reload)) as served:
        with served.client() as client:
            for text, words in BROKEN:
                file.write_text(text)
                answer = await asyncio.to_thread(client.ask, "POST", "/-/reload")
                assert (answer.status, text) == (500, text)
                assert words in answer.body
                assert "probe.toml" in answer.body
                assert PLANTED not in answer.body
            file.write_text("[exporter]\nmax_targets = 5\n")
            assert (await asyncio.to_thread(client.ask, "POST", "/-/reload")).body == "taken over\n"


@in_a_loop
async def test_a_web_configuration_that_is_broken_is_told_too(tmp_path: Path) -> None:
    path = Certified(folder=tmp_path).write("")
    guard = Guard(path)
    async with serving(
        tuple(routes(StandIn(unchanged), guard=guard))
    ) as served:  # whose requests look at no file
        assert (await served.ask("POST", "/-/reload")).status == 200
        path.write_text(f"basic_auth_users:\n  admin: {PLANTED}\n")
        answer = await served.ask("POST", "/-/reload")
        assert answer.status == 500
        assert "nothing changed\nThe web configuration was not taken over: " in answer.body
        assert f"{path}, basic_auth_users, user 1: the password is not a bcrypt hash" in answer.body
        assert PLANTED not in answer.body
    guard.close()


@in_a_loop
async def test_prometheus_finds_one_group_for_each_target_that_can_be_probed() -> None:
    watched = StandIn(unchanged, **dict.fromkeys(("live", "terminal", "demo"), SessionState.IDLE))
    async with control(watched) as served:
        answer = await served.ask(path="/sd", headers="Host: 127.0.0.1:18480\r\n")
        assert "content-type: application/json" in answer.head
        groups = json.loads(answer.body)
        assert [group["targets"] for group in groups] == [["127.0.0.1:18480"]] * 2
        assert [group["labels"] for group in groups] == [
            {
                "__meta_tradeprobe_target": name,
                "__meta_tradeprobe_broker": "pocketoption",
                "__meta_tradeprobe_account": "none",
                "__meta_tradeprobe_transport": "wss",
            }
            for name in ("live", "demo")
        ]


@in_a_loop
async def test_what_is_no_address_is_not_handed_on(tmp_path: Path) -> None:
    guard = Guard(Certified(folder=tmp_path).write(f"basic_auth_users:\n  admin: {HASH}\n"))
    right = f"Authorization: {login('admin', PASSWORD).decode()}\r\n"
    async with control(StandIn(unchanged, demo=SessionState.IDLE), guard) as served:

        async def found(host: str) -> object:
            answer = await served.ask(path="/sd", headers=f"Host: {host}\r\n{right}")
            return json.loads(answer.body)[0]["targets"]

        for host in ("exporter.test", "exporter.test:18480", "192.0.2.1:9", "[2001:db8::1]:18480"):
            assert await found(host) == [host]
        for host in (
            "",
            "a b",
            "x:y",
            "a:1/../x",
            "a:1?x",
            "user@a",
            '"',
            "[::1",
            "1:2:3",
            "a" * 300,
            "\xe4",
        ):
            assert await found(host) == [f"127.0.0.1:{served.address[1]}"]
