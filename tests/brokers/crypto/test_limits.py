import json

import pytest

from probe.brokers.crypto.limits import Form, Ledger, Limited, may_be_hidden, read_limited, retry_after
from probe.model.meanings import Effect
from probe.wire.calls import HttpReply
from tests.brokers.crypto.asked import Watched, lines, pages, reply, watch

UTC = 1_795_227_165.0  # Sat, 21 Nov 2026 02:12:45 GMT


def wires() -> list[HttpReply]:
    found = []
    for line in lines("limits.txt"):
        status, rest = line.split(" ", 1)
        headers, end = json.JSONDecoder().raw_decode(rest)
        found.append(
            HttpReply(
                url="",
                status=int(status),
                headers=tuple(headers.items()),
                body=rest[end + 1 :].encode(),
                seconds=0.01,
            )
        )
    return found


def test_every_wire_of_the_limit_is_recognised() -> None:
    read = [read_limited(each, UTC) for each in wires()]
    assert [each and (each.form, each.stated, each.retry_after) for each in read] == [
        (Form.SLOWAPI, 100, None),
        (Form.SLOWAPI_HEADERS, 100, 60.0),
        (Form.DETAIL, None, None),
        None,
        (Form.NGINX, None, None),
        (Form.NGINX, None, None),
    ]
    assert [may_be_hidden(each) for each in wires()] == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    "answer",
    [
        reply({"status": "unhealthy"}, 503),
        reply({"detail": "Broker rate limited"}, 503),
        reply("<html><title>502 Bad Gateway</title><hr><center>nginx</center></html>", 502),
        reply({"detail": "Internal server error"}, 500),
        reply({"ok": True}, x_ratelimit_limit="100"),
    ],
)
def test_other_answers_are_no_limit(answer: HttpReply) -> None:
    assert read_limited(answer, UTC) is None
    assert not may_be_hidden(answer)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "17"}, 17.0),
        ({"retry_after": "Sat, 21 Nov 2026 02:13:15 GMT"}, 30.0),
        ({"retry_after": "Sat, 21 Nov 2026 02:00:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"x_ratelimit_reset": "1795227191.25"}, 26.25),
        ({}, None),
    ],
)
def test_when_to_ask_again_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(reply("", 429, 0.1, **headers), UTC) == seconds


def test_our_own_share_is_judged_by_the_stated_limit() -> None:
    ledger = Ledger()
    for second in range(8):
        ledger.note(float(second))
    stated = Limited(form=Form.SLOWAPI, status=429, stated=10, retry_after=None)
    assert ledger.blames_us(stated, 8.0)
    assert not ledger.blames_us(stated, 66.0)  # most of them are more than a minute old
    assert not ledger.blames_us(Limited(form=Form.SLOWAPI, status=429, stated=100, retry_after=None), 8.0)


def test_as_many_as_once_passed_cannot_be_our_own_fault() -> None:
    silent = Limited(form=Form.DETAIL, status=429, stated=None, retry_after=None)
    ledger = Ledger()
    for second in range(8):
        ledger.note(float(second))
        ledger.admitted(float(second))
    assert not ledger.blames_us(silent, 8.0)
    ledger.note(8.0)
    assert ledger.blames_us(silent, 8.0)


def test_a_limiter_that_refuses_the_first_request_counts_others_and_is_not_asked_again() -> None:
    watched = watch(5.0, health=wires()[2])
    assert watched.failure == "http.429"
    assert watched.paths == ["GET /health"]
    assert [(row.code, row.effect) for row in watched.troubles()] == [
        ("crypto.rate-limited-shared", Effect.DEGRADES)
    ]


def test_a_limiter_hidden_in_an_error_is_found_by_asking_for_health() -> None:
    served = pages()
    watched = Watched(served).run(80.0)
    served |= dict.fromkeys(served, wires()[3])
    watched.run(60.0)
    assert watched.paths[-2:] == ["GET /market/ticker?symbol=BTC-USDT", "GET /health"]
    assert watched.codes() == ["crypto.rate-limited-shared"]
    served |= pages()
    watched.run(60.0)
    assert [code for code in watched.ever() if code.startswith("crypto.")] == ["crypto.rate-limited-shared"]
    assert watched.failure is None


def test_an_error_that_may_be_the_limiter_is_not_judged_before_it_is_known() -> None:
    served = pages()
    watched = Watched(served).run(35.0)
    served["market/ticker"] = wires()[3]
    watched.run(11.0)  # the first minute's budget is used up
    assert watched.codes() == []
    watched.run(30.0)
    assert watched.codes() == ["crypto.fernet-key"]
