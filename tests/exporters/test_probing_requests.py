"""Who may be probed and how often, what people read of it, what is kept, and what a request cannot do."""

import asyncio
import re
from dataclasses import replace
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route
from starlette.types import Message

from exporters.probing import routes
from exporters.probing.asked import LONGEST_QUERY
from exporters.probing.kept import KEPT
from exporters.probing.service import Probing
from exporters.watched import Watched
from probe.model.credentials import Credentials
from probe.monitor.monitor import Monitor
from tests.exporters.probed import (
    Idle,
    aimed_at,
    at_place,
    dripping,
    greeting,
    probe,
    probing,
    serving,
    silence,
    watched,
)
from tests.monitor.linked import place, regions
from tests.pretending import TOKEN
from tests.virtual.travelling import run

PATH = "/socket.io/?EIO=4&transport=websocket"
NOWHERE = aimed_at(f"ws://127.0.0.1:9{PATH}")
FOREIGN = aimed_at(f"wss://broker.example:9{PATH}", simulated=False, proxy="http://127.0.0.1:9")


# -- what is asked for ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "No target is named. Add target=NAME: the name of a target in the configuration, never a host."),
        ("target=", "No target is named. Add target=NAME: the name of a target in the configuration, never a host."),
        ("target=won", "There is no target 'won'. Did you mean 'one'? There are: one."),
        ("target=one&module=opne", "There is no module 'opne'. Did you mean 'open'? There are: data, login, open."),
        ("target=one&endpoint=onyl", "There is no endpoint 'onyl'. Did you mean 'only'? There are: only."),
        ("target=one&modul=open", "There is no parameter 'modul'. Did you mean 'module'? There are: debug, endpoint, module, target."),
        ("target=one&target=one", "There is more than one target in the query. One probe is of one target: give one."),
        ("target=http://127.0.0.1:9/", "There is no target 'http://127.0.0.1:9/'. There are: one."),
        ("target=%1b[31m%00%0d%0ax", "There is no target '�[31m���x'. There are: one."),
        ("target=../../etc/passwd", "There is no target '../../etc/passwd'. There are: one."),
        ("target=" + "x" * 200, f"There is no target '{'x' * 60}…'. There are: one."),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_answered_with_what_can(query: str, words: str) -> None:
    async def go() -> None:
        answer = await probing(NOWHERE).answer(query.encode())
        assert (answer.status, answer.body) == (400, words + "\n")

    run(go())


def test_ten_thousand_targets_in_the_query_are_refused_unread() -> None:
    async def go() -> None:
        query = "&".join(f"target=one{each}" for each in range(10_000)).encode()
        answer = await probing(NOWHERE).answer(query)
        assert answer.status == 400
        assert answer.body.startswith(f"The query has {len(query)} bytes; {LONGEST_QUERY} are the most.")
        few = await probing(NOWHERE).answer(query[:LONGEST_QUERY])
        assert (few.status, few.body[:25]) == (400, "There is more than one ta")

    run(go())


@pytest.mark.parametrize("header", ["", "soon", "nan", "inf", "-1", "0", "1e999"])
def test_a_timeout_that_is_none_is_refused(header: str) -> None:
    async def go() -> None:
        answer = await probing(NOWHERE).answer(b"target=one", header.encode())
        assert (answer.status, answer.body.split(" is not")[0]) == (
            400,
            "X-Prometheus-Scrape-Timeout-Seconds",
        )

    run(go())


@pytest.mark.parametrize(("header", "seconds"), [("10", 9.5), ("0.4", 0.4), ("1e9", 60.0)])
def test_half_a_second_is_left_for_the_answer(header: str, seconds: float) -> None:
    async def go() -> None:
        assert (await probe(probing(NOWHERE), timeout=header)).values["probe_timeout_seconds",] == seconds

    run(go())


@pytest.mark.parametrize("url", ["terminal://mt5", "bridge://127.0.0.1:18812"])
def test_what_cannot_be_connected_to_is_not_probed(url: str) -> None:
    async def go() -> None:
        answer = await probing(aimed_at(url)).answer(b"target=one")
        assert (answer.status, answer.body) == (
            400,
            "only of one is a terminal, or a bridge to one: nothing is connected to, so there is nothing to probe. "
            "/metrics has what its session shows; leave it out of this scrape job.\n",
        )

    run(go())


def test_a_target_that_is_taken_away_is_probed_to_the_end_and_not_again() -> None:
    async def go() -> None:
        async with serving(silence) as port:
            idle = Idle([aimed_at(f"ws://127.0.0.1:{port}{PATH}")])
            one = Probing(watched(idle), max_at_once=20)
            asked = asyncio.create_task(one.answer(b"target=one", b"3"))
            await asyncio.sleep(1)
            idle.wanted = ()
            after = await one.answer(b"target=one", b"3")
            assert (after.status, after.body) == (400, "There is no target 'one'. There are: none.\n")
            assert (await asked).status == 200

    run(go())


def test_the_endpoint_is_the_one_asked_for_else_where_the_session_is_else_the_first() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            idle = Idle([at.wanted(simulated=True)])
            one = Probing(watched(idle), max_at_once=20)
            await probe(one)
            idle.links["one"].live_endpoint = at.endpoints[1]
            await asyncio.sleep(1)
            await probe(one)
            await probe(one, endpoint="c")
            assert [found.endpoint.region for _, found in one.kept] == ["c", "b", "a"]

    run(go())


# -- a login ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["login", "data"])
def test_nobody_logs_in_a_second_time_unless_the_configuration_says_so(module: str) -> None:
    async def go() -> None:
        async with place() as at:
            refused = await at_place(at, simulated=False).answer(f"target=one&module={module}".encode())
            assert refused.status == 400
            assert refused.body.startswith(
                f"{module} cannot be probed at one: a second login can end the session that is watched. Set knock_auth = true"
            )
            assert at.logins == 0
            assert (await probe(at_place(at, simulated=False, knock_auth=True), module)).success == 1
            assert at.logins == 1

    run(go())


def test_a_credential_goes_to_no_server_that_may_not_have_it() -> None:
    async def go() -> None:
        wanted = aimed_at(f"ws://broker.example{PATH}", simulated=False, knock_auth=True)
        answer = await probing(wanted).answer(b"target=one&module=login")
        assert (answer.status, "would receive it unencrypted" in answer.body) == (400, True)

    run(go())


def test_a_refused_credential_is_not_sent_again_by_whomever_it_was_tried() -> None:
    async def go() -> None:
        async with place("auth-refused") as at:
            one = at_place(at)
            assert (await probe(one, "login")).success == 0
            again = await one.answer(b"target=one&module=login")
            assert (again.status, "the broker refused its credential" in again.body) == (400, True)
            assert at.logins == 1
            idle = Idle([at.wanted(simulated=True)])
            assert isinstance(at.key, Credentials)
            idle.links["one"].refused.add(at.key)
            assert (
                await Probing(watched(idle), max_at_once=1).answer(b"target=one&module=login")
            ).status == 400
            assert at.logins == 1

    run(go())


def test_two_probes_at_once_do_not_log_in_with_one_credential() -> None:
    async def go() -> None:
        async with place("auth-refused") as at:
            one = at_place(at)
            answers = await asyncio.gather(*(one.answer(b"target=one&module=login", b"10") for _ in range(5)))
            assert sorted(each.status for each in answers) == [200, 503, 503, 503, 503]
            assert "another probe is logging in with its credential" in answers[-1].body
            assert at.logins == 1

    run(go())


def test_a_failure_that_is_not_the_credentials_does_not_forbid_it() -> None:
    async def go() -> None:
        async with place("tls-certificate:kind=expired", tls=True) as at:
            at.over_tls()
            one = at_place(at)
            assert (await probe(one, "login")).reason == ["tls_cert"]
            await at.spoil("near")
            assert (await probe(one, "login")).success == 1

    run(go())


def test_a_monitor_that_hangs_holds_up_nobody() -> None:
    async def go() -> None:
        class Hanging(Watched):
            async def ask(self, question: Any) -> Any:
                await asyncio.Event().wait()

        async def reload() -> str:
            return ""

        loop = asyncio.get_running_loop()
        one, began = Probing(Hanging(cast("Monitor", Idle([])), reload), max_at_once=1), loop.time()
        answer = await one.answer(b"target=one", b"3")
        assert answer.status == 503
        assert loop.time() - began == pytest.approx(2.5, abs=0.05)

    run(go())


def test_without_a_credential_there_is_no_login() -> None:
    async def go() -> None:
        answer = await probing(replace(NOWHERE, key=None)).answer(b"target=one&module=login")
        assert (answer.status, answer.body) == (400, "login cannot be probed at one: it has no credential.\n")

    run(go())


# -- how often --------------------------------------------------------------------------------------------------------------


def test_somebody_elses_server_is_not_probed_more_often_than_a_monitor_would_dial_it() -> None:
    async def go() -> None:
        one, dialled, told = probing(FOREIGN), 0, []
        for _ in range(300):
            answer = await one.answer(b"target=one", b"0.6")
            dialled += answer.status == 200
            told.append((answer.status, answer.retry_after is not None))
            await asyncio.sleep(0.5)
        assert dialled == 10
        assert set(told) == {(200, False), (429, True)}

    run(go())


@pytest.mark.parametrize(("every", "share"), [(60.0, 1.0), (31.0, 1.0), (15.0, 0.5)])
def test_what_a_scraper_gets_depends_on_its_interval(every: float, share: float) -> None:
    async def go() -> None:
        one, good = probing(FOREIGN), 0
        for _ in range(40):
            good += (await one.answer(b"target=one", b"10")).status == 200
            await asyncio.sleep(every)
        assert good == 40 * share

    run(go())


def test_two_scrapers_that_ask_at_the_same_moment_both_get_an_answer() -> None:
    async def go() -> None:
        loop = asyncio.get_running_loop()
        one, began = probing(FOREIGN), loop.time()
        answers = await asyncio.gather(*(one.answer(b"target=one", b"10") for _ in range(3)))
        assert sorted(each.status for each in answers) == [200, 200, 429]
        assert loop.time() - began == pytest.approx(1.0, abs=0.05)
        second = next(each for _, each in one.kept)
        assert second.timeout == pytest.approx(8.5, abs=0.05)
        assert second.seconds < 0.1  # the wait is no part of it

    run(go())


def test_a_server_on_this_machine_may_be_probed_as_often_as_one_likes() -> None:
    async def go() -> None:
        one = probing(replace(NOWHERE, simulated=False))
        assert {(await one.answer(b"target=one")).status for _ in range(30)} == {200}

    run(go())


def test_one_probe_too_many_is_turned_away_and_the_others_go_on() -> None:
    async def go() -> None:
        async with serving(silence) as port:
            one = probing(aimed_at(f"ws://127.0.0.1:{port}{PATH}"), max_at_once=2)
            asked = [asyncio.create_task(one.answer(b"target=one", b"3")) for _ in range(2)]
            await asyncio.sleep(1)
            third = await one.answer(b"target=one", b"3")
            assert (third.status, third.retry_after) == (503, 1.0)
            assert [each.status for each in await asyncio.gather(*asked)] == [200, 200]
            assert (await one.answer(b"target=one", b"1")).status == 200

    run(go())


# -- over HTTP --------------------------------------------------------------------------------------------------------------


async def _get(served: list[BaseRoute], path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=served))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path, headers={"X-Prometheus-Scrape-Timeout-Seconds": "3"})


def test_the_pages_are_served_as_what_they_are() -> None:
    async def go() -> None:
        async with place() as at:
            served = routes(watched(Idle([at.wanted(simulated=True)])))
            answer = await _get(served, "/probe?target=one")
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "\nprobe_success 1\n" in answer.text
            debug = await _get(served, "/probe?target=one&debug=true")
            assert debug.headers["content-type"] == "text/plain; charset=utf-8"
            listed = await _get(served, "/logs")
            assert listed.headers["content-type"] == "text/html; charset=utf-8"
            assert re.findall(r'href="(logs\?.*?)"', listed.text) == ["logs?id=2", "logs?id=1"]
            assert (await _get(served, "/logs?id=2")).text == debug.text
            for wrong in ("id=3", "id=x", "id=-1", "id=" + "1" * 5000, "x=1", "id=1&id=1", "id=%00"):
                assert (await _get(served, f"/logs?{wrong}")).status_code == 404
            await asyncio.sleep(0)  # whoever waited for a goodbye of the client has to hear that he need not

    run(go())


@pytest.mark.parametrize("talk", [silence, dripping(b"HTTP/1.1 101 " * 9)])
def test_who_goes_away_takes_his_probe_with_him(talk: Any) -> None:
    async def go() -> None:
        async with serving(talk) as port:
            before = asyncio.all_tasks()
            served = routes(watched(Idle([aimed_at(f"ws://127.0.0.1:{port}{PATH}")])))
            sent: list[Message] = []

            async def receive() -> Message:
                await asyncio.sleep(1)
                return {"type": "http.disconnect"}

            async def send(message: Message) -> None:
                sent.append(message)

            scope = {
                "type": "http",
                "method": "GET",
                "path": "/probe",
                "query_string": b"target=one",
                "headers": [],
            }
            loop = asyncio.get_running_loop()
            began = loop.time()
            route = next(each for each in served if isinstance(each, Route) and each.path == "/probe")
            await route.app(scope, receive, send)
            assert loop.time() - began == pytest.approx(1.0, abs=0.05)
            assert sent == []
            await asyncio.sleep(2)
            assert asyncio.all_tasks() <= before

    run(go())  # a socket that is left open is a warning, which is an error


def test_a_cancelled_probe_is_cancelled() -> None:
    async def go() -> None:
        async with serving(silence) as port:
            one = probing(aimed_at(f"ws://127.0.0.1:{port}{PATH}"), max_at_once=1)
            asked = asyncio.create_task(one.answer(b"target=one"))
            await asyncio.sleep(1)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert (await one.answer(b"target=one", b"1")).status == 200  # its place is free again

    run(go())


# -- the page ---------------------------------------------------------------------------------------------------------------


def test_the_page_says_what_happened_in_words_and_what_would_have_been_returned() -> None:
    async def go() -> str:
        async with place("no-open", at=regions("near", latency=0.01)) as at:
            return (await at_place(at).answer(b"target=one&debug=true", b"30")).body

    said = run(go())
    assert said.startswith("probe of one, module open, endpoint near\n")
    assert re.search(r"\nFAILURE after 10,0\d\d ms, reason eio_error\n", said)
    assert "\nmore  probe explain eio.no-open\n" in said
    assert re.search(r"\n  upgrading +[0-9.]+ ms  █", said)
    assert re.search(r"\n  opening +-  did not finish\n", said)
    assert '\n  tradeprobe_probe_diagnosis{code="eio.no-open"} 1\n' in said


HOSTILE = '0{"sid":"<script>alert(1)</script>\x1b[2J\x1b]0;owned\x07\u202e\u2028\u009b31m"}'.ljust(200)


def test_what_a_server_says_moves_no_terminal_and_is_no_page() -> None:
    async def go() -> None:
        async with serving(greeting(HOSTILE)) as port:
            one = probing(aimed_at(f"ws://127.0.0.1:{port}{PATH}"))
            answer = await one.answer(b"target=one&debug=true", b"3")
            assert "<script>alert(1)</script>�[2J�]0;owned�31m" in answer.body
            assert answer.content_type == "text/plain; charset=utf-8"
            assert all(char.isprintable() or char == "\n" for char in answer.body)
            listed = await _get(routes(watched(Idle([replace(NOWHERE, name="<b>one")]))), "/logs")
            assert "<b>" not in listed.text

    run(go())


def test_names_are_escaped_in_the_list() -> None:
    async def go() -> None:
        served = routes(watched(Idle([replace(NOWHERE, name="<b>one")])))
        assert (await _get(served, "/probe?target=%3Cb%3Eone")).status_code == 200
        listed = await _get(served, "/logs")
        assert "<td>&lt;b&gt;one · open · " in listed.text

    run(go())


IN_THE_URL = "planted0in0the0query"
SAYS_IT = f'0{{"sid":"{TOKEN}","path":"/?key={IN_THE_URL}","for":"somebody@mail.example"}}'.ljust(200)
LONG = "0" + "x" * 240 + TOKEN + "y" * 500


@pytest.mark.parametrize("said", [SAYS_IT, LONG, f"44{SAYS_IT[1:]}", f"41{TOKEN}".ljust(200)])
def test_a_planted_secret_is_on_no_page(said: str) -> None:
    async def go() -> None:
        async with serving(greeting(said)) as port:
            wanted = aimed_at(f"ws://127.0.0.1:{port}{PATH}&key={IN_THE_URL}")
            one = probing(wanted)
            for module in ("open", "login"):
                query = f"target=one&module={module}&debug=true".encode()
                answer = await one.answer(query, b"3")
                assert "last messages" in answer.body
                metrics = await one.answer(query.removesuffix(b"&debug=true"), b"3")
                for text in (answer.body, metrics.body, repr(list(one.kept))):
                    for secret in (TOKEN, TOKEN[:16], IN_THE_URL, "somebody@"):
                        assert secret not in text

    run(go())


# -- what is kept -----------------------------------------------------------------------------------------------------------


def test_failures_are_kept_longer_than_successes() -> None:
    async def go() -> None:
        async with place() as at:
            one = probing(at.wanted(simulated=True), replace(NOWHERE, name="bad"))
            await one.answer(b"target=bad")
            await one.answer(b"target=one")
            (_, good), (_, bad) = one.kept
            kept = one.kept
            for _ in range(KEPT + 19):
                kept.add(good)
            assert [number for number, _ in kept] == [*range(KEPT + 21, 21, -1), 1]
            assert (kept.find(1), kept.find(2)) == (bad, None)
            for _ in range(2 * KEPT + 50):
                kept.add(bad)
            assert len(list(kept)) == 2 * KEPT
            assert kept.find(1) is None

    run(go())
