"""The status as JSON, the badges, and what the page is made of."""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from starlette.applications import Starlette

from exporters.status import routes
from exporters.status.answer import headline
from exporters.status.history import Cell, bar
from probe import logs
from probe.measure.health import Grade
from probe.measure.records import Cause, Condition, SessionState
from probe.measure.snapshot import EndpointView, Snapshot, SymbolView
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.session.transcript import Line
from tests.exporters.still import Still, watched_for

T = TypeVar("T")
HOSTILE = '</script><img src=x onerror="alert(1)">\x1b[31m\u202e\x07&#60;svg onload=alert(2)>'
DOCS = (Path(__file__).parents[2] / "docs" / "status-page.md").read_text(encoding="utf-8")
SECRET = "5c1f0e7ad0planted"


@cache
def stalled() -> Still:
    """Two minutes and a half, the last seconds of them without prices."""
    return watched_for(145, "pocketoption", "silent-stall@100s")


def asked(still: Still, work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
    async def ask() -> T:
        transport = httpx.ASGITransport(Starlette(routes=routes(still.watched)))
        await asyncio.sleep(0)  # the history has heard what there was
        async with httpx.AsyncClient(transport=transport, base_url="http://status") as client:
            return await work(client)

    return asyncio.run(ask())


def got(still: Still, path: str) -> httpx.Response:
    return asked(still, lambda client: client.get(path))


def shape(value: object) -> object:
    """Names and kinds, without what differs from run to run."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case _:
            return type(value).__name__


def test_the_answer_has_the_documented_shape() -> None:
    data = got(stalled(), "/api/v1/status").json()
    assert (data["schema"], list(data)) == (
        1,
        ["schema", "version", "at_utc", "headline", "own", "at", "targets"],
    )
    (target,) = data["targets"]
    assert sorted(target) == [
        "account", "advice", "alerts", "at", "at_utc", "attempts", "availability", "bad_seconds", "blame",
        "blind_seconds", "broker", "budget_left", "clock_skew_seconds", "condition", "disconnects", "endpoint",
        "endpoints", "failures", "history", "incidents", "longest_blind_seconds", "main_rtt", "next_attempt",
        "next_attempt_utc", "objective", "observed_seconds", "open_seconds", "recent", "reconnects", "rtt", "score",
        "session_since", "session_since_utc", "since", "since_utc", "started", "started_utc", "symbols",
        "tainted_samples", "target", "title", "tone", "tradable", "traffic", "unobserved_seconds", "uplink", "words",
    ]  # fmt: skip
    assert shape(target["condition"]) == dict.fromkeys(
        ("transport", "protocol", "login", "data", "state", "cause", "sentence", "code"), "str"
    )
    assert shape(target["score"]["components"][0]) == {
        "name": "str", "weight": "float", "points": "float", "figure": "str", "threshold": "str", "sentence": "str",
    }  # fmt: skip
    assert shape(target["incidents"][0]["evidence"][0]) == {
        "at_utc": "float", "direction": "str", "text": "str", "binary": "bool", "at": "str",
    }  # fmt: skip
    assert shape(target["rtt"]["ws_ping_rtt_seconds"]) == {
        "name": "str", "count": "int", "p50": "float", "p95": "float", "p99": "float", "largest": "float",
    }  # fmt: skip
    assert target["rtt"]["ws_ping_rtt_seconds"] == {"name": "WebSocket ping"} | target["main_rtt"]
    assert (len(target["history"]["cells"]), len(target["history"]["bad_share"])) == (60, 60)


def names(value: object) -> Iterator[str]:
    """Of all fields, without the second form of times."""
    match value:
        case dict():
            for name, each in value.items():
                if f"{name}_utc" not in value:
                    yield name
                    yield from names(each)
        case list():
            for each in value:
                yield from names(each)
        case _:
            pass


def test_every_field_is_on_the_page_of_the_docs() -> None:
    data = got(stalled(), "/api/v1/status").json()
    (target,) = data["targets"]
    incident = target["incidents"][0]
    explained_elsewhere = {
        "id",
        "target",
        "at_utc",
        *names(incident["figures"]),
        *names(incident["evidence"]),
    }
    for part in ("rtt", "recent", "bad_seconds", "traffic"):
        explained_elsewhere |= set(names(target[part]))
    explained_elsewhere |= set(names(target["endpoints"][0]["phases"]))
    assert sorted(each for each in set(names(data)) - explained_elsewhere if f"`{each}`" not in DOCS) == []


def test_a_stall_is_told_with_its_title_and_what_to_do() -> None:
    data = got(stalled(), "/api/v1/status").json()
    (target,) = data["targets"]
    assert data["headline"] == {"answer": "no", "sentence": "No: one is stalled."}
    assert (target["condition"]["state"], target["condition"]["code"]) == ("stalled", "session.silent-stall")
    assert target["title"]
    assert target["advice"] == target["incidents"][0]["advice"]
    assert target["history"]["cells"][-1] == "stalled"
    assert target["history"]["cells"][0] is None


def test_only_the_details_asked_for_are_told() -> None:
    both = stalled() + stalled().named("two")
    short = {each["target"]: each for each in got(both, "/api/v1/status?details=two").json()["targets"]}
    assert {"incidents", "rtt", "symbols"}.isdisjoint(short["one"])
    assert "components" not in short["one"]["score"]
    assert short["two"]["incidents"]
    one = got(both, "/api/v1/status?target=two").json()
    assert [each["target"] for each in one["targets"]] == ["two"]
    assert one["headline"]["sentence"] == "No: none of 2 targets streams. Stalled: one, two."


def test_an_unknown_target_is_not_repeated() -> None:
    for path in (f"/api/v1/status?target={HOSTILE[:12]}", "/badge/%3Csvg%3E.svg", "/badge/nobody.json"):
        answer = got(stalled(), path)
        assert answer.status_code == 404
        assert not re.search(r"script|<svg>|nobody", answer.text)


def test_what_is_not_known_is_null_and_never_zero() -> None:
    early = watched_for(0.0, "quotex")
    (target,) = got(early, "/api/v1/status").json()["targets"]
    nothing = ("availability", "budget_left", "main_rtt", "session_since", "title", "clock_skew_seconds")
    assert {name: target[name] for name in nothing} == dict.fromkeys(nothing)
    assert (target["rtt"], target["score"]["value"]) == ({}, None)
    assert set(target["history"]["cells"]) == {None}


def hostile() -> Still:
    """Whatever somebody else may say is hostile, and holds a secret and an address."""
    text = f"{HOSTILE} {SECRET} somebody@example.com"
    (snapshot,) = stalled().shown
    told = replace(
        snapshot,
        condition=replace(snapshot.condition, sentence=text, code=text),
        endpoint=text,
        blame=text,
        score=replace(
            snapshot.score,
            sentence=text,
            components=tuple(replace(each, sentence=text) for each in snapshot.score.components),
        ),
        symbols=(
            SymbolView(symbol=text, is_open=True, age_seconds=float("inf"), limit_seconds=5.0, ticks=1, stalled=True),
        ),
        endpoints=(
            EndpointView(
                endpoint=text, host=text, account=Account.DEMO, selected=True, attempts=1, failures=1, wins=0, problem=text
            ),
        ),
        incidents=tuple(
            replace(
                each, sentence=text, advice=text, pattern=text, evidence=(Line(each.began_utc, "<", text, False),)
            )
            for each in snapshot.incidents
        ),
        balance=1234.5,
    )  # fmt: skip
    return replace(stalled(), shown=(told,))


@pytest.fixture
def _planted() -> Iterator[None]:
    secret = Secret(SECRET)
    logs.remember(secret)
    yield
    logs.forget(secret)


@pytest.mark.usefixtures("_planted")
@pytest.mark.parametrize("path", ["/api/v1/status", "/", "/badge/one.svg", "/badge/one.json"])
def test_no_secret_no_address_no_balance_and_nothing_that_acts_is_served(path: str) -> None:
    answer = got(hostile(), path)
    assert answer.status_code == 200
    text = json.dumps(answer.json(), ensure_ascii=False) if "json" in path or "api" in path else answer.text
    assert SECRET not in text
    assert "somebody@example.com" not in text
    assert "1234.5" not in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    if path == "/":
        assert "<img" not in text
        assert "&lt;img" in text


def test_a_badge_says_state_and_grade_and_escapes_the_name() -> None:
    picture = got(stalled().named("<b>&\x1b"), "/badge/%3Cb%3E&%1B.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert "<title>&lt;b&gt;&amp;�: stalled" in picture.text
    assert got(stalled(), "/badge/one.json").json() == {
        "schemaVersion": 1,
        "label": "one",
        "message": f"stalled · {stalled().shown[0].score.grade.value}",
        "color": "b3261e",
        "isError": False,
    }


def test_assets_are_kept_by_browsers_until_they_change() -> None:
    async def twice(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        first = await client.get("/status.js")
        return first, await client.get("/status.js", headers={"If-None-Match": first.headers["etag"]})

    first, second = asked(stalled(), twice)
    assert (first.status_code, second.status_code, second.content) == (200, 304, b"")


def test_a_monitor_that_does_not_answer_is_said_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(Still):
        async def snapshots(self) -> tuple[Snapshot, ...]:
            await asyncio.Event().wait()
            raise AssertionError

    monkeypatch.setattr("exporters.status.pages.ANSWER_WITHIN", 0.01)
    answers = {path: got(Silent(), path) for path in ("/", "/api/v1/status", "/badge/one.svg")}
    assert {path: each.status_code for path, each in answers.items()} == {
        "/": 200,
        "/api/v1/status": 503,
        "/badge/one.svg": 503,
    }
    assert "did not answer" in answers["/"].text


def test_the_monitor_is_never_asked_for_more_than_a_few_targets_at_once() -> None:
    sizes = []

    class Counting(Still):
        async def ask(self, question: Callable[[Any], Any]) -> Any:
            answer = await super().ask(question)
            if isinstance(answer, dict):
                sizes.append(len(answer))
            return answer

    many = Still()
    for at in range(20):
        many += stalled().named(f"t{at}")
    targets = got(Counting(many.shown, many.records, many.watches), "/api/v1/status?details=").json()[
        "targets"
    ]
    assert sizes == [8, 8, 4]
    assert [each["history"]["cells"][-1] for each in targets] == ["stalled"] * 20


def with_states(*states: SessionState, is_open: bool = True) -> list[Snapshot]:
    (snapshot,) = stalled().shown
    symbol = replace(snapshot.symbols[0], is_open=is_open)
    return [
        replace(
            snapshot, target=f"t{at}", condition=Condition(state=state), symbols=(symbol,), disconnects=0, failures=0
        )
        for at, state in enumerate(states, 1)
    ]  # fmt: skip


S = SessionState


@pytest.mark.parametrize(
    ("snapshots", "sentence"),
    [
        ([], "Nothing is watched: the configuration names no target."),
        (with_states(S.STREAMING), "Yes: t1 streams."),
        (with_states(S.STREAMING, S.STREAMING), "Yes: all 2 targets stream."),
        (with_states(S.STREAMING, is_open=False), "The market is closed; all sessions stand."),
        (with_states(S.CONNECTING, S.IDLE), "Not yet: none of 2 targets streams. Idle: t2; connecting: t1."),
        (with_states(S.STREAMING, S.DEGRADED), "With care: 1 of 2 is degraded. Degraded: t2."),
        (with_states(S.STREAMING, S.BACKOFF), "Partly: 1 of 2 streams. Waiting to try again: t2."),
        (
            with_states(S.DEGRADED, S.STALLED, S.STREAMING),
            "Partly: 1 of 3 streams. Stalled: t2; degraded: t1.",
        ),
        (
            with_states(*[S.AUTH_REJECTED] * 5),
            "No: none of 5 targets streams. Credential rejected: t1, t2, t3 and 2 more.",
        ),
    ],
)
def test_the_headline_says_whether_one_could_trade_now(snapshots: list[Snapshot], sentence: str) -> None:
    assert headline(snapshots)[1] == sentence


def test_the_bar_tells_bad_minutes_from_those_in_which_nobody_looked() -> None:
    now = 1_767_787_230.0
    drawn: Any = bar(
        [
            Cell(now - 7200, 60.0, {Cause.AUTH: 60.0}),  # too old
            Cell(now - 180, 60.0, {}),
            Cell(now - 120, 0.0, {}),
            Cell(now - 60, 40.0, {Cause.STALLED: 15.0, Cause.DISCONNECTED: 5.0}),
            Cell(now - 30, 30.0, {Cause.DEGRADED: 0.3}),
        ],
        now,
    )
    assert drawn["cells"][-5:] == [None, "good", None, "stalled", "degraded"]
    assert drawn["bad_share"][-5:] == [None, 0.0, None, 0.5, 0.01]
    assert set(drawn["cells"][:-5]) == {None}


def test_a_minute_that_has_hardly_begun_is_not_one_in_which_nobody_looked() -> None:
    now = 1_767_787_200.5
    drawn: Any = bar([Cell(now - 60, 60.0, {}), Cell(now, 0.0, {})], now)
    assert drawn["cells"][-2:] == [None, "good"]


def test_without_a_grade_a_badge_says_what_was_available() -> None:
    (snapshot,) = stalled().shown
    unknown = replace(snapshot, score=replace(snapshot.score, grade=Grade.UNKNOWN), availability=0.99999)
    badge = got(replace(stalled(), shown=(unknown,)), "/badge/one.json").json()
    assert badge["message"] == "stalled · 99.99 %"
