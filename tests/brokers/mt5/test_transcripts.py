import json
from pathlib import Path
from typing import Any

import pytest

import probe.brokers.mt5
from probe.brokers.mt5 import answers
from probe.brokers.mt5.answers import Body, Complaint, read_answer
from probe.brokers.mt5.troubles import trouble_of
from probe.model.credentials import Redactor
from tests.brokers.mt5.asked import recorded, reply

NOBODY = Redactor(())
FOLDER = Path(probe.brokers.mt5.__file__).parent / "transcripts"
BODIES = {
    "health": (answers.read_health, 0),
    "balance": (lambda data: answers.read_amount(data, "balance"), 10000.0),
    "balance-terminal-gone": (lambda data: answers.read_amount(data, "balance"), 0.0),
    "equity": (lambda data: answers.read_amount(data, "equity"), 10250.5),
    "positions": (answers.read_positions, 1),
    "orders": (answers.read_orders, 0),
    "history": (answers.read_history, 1),
    "snapshot": (answers.read_snapshot, 1),
    "symbol": (answers.read_price, answers.Price(bid=1.10484, ask=1.10498, point=1e-05, spread=14.0)),
    "server-time": (
        answers.read_server_time,
        answers.ServerTime(seconds=1795234382.0, is_own_clock=False, offset=2.0),
    ),
    "account": (
        answers.read_account,
        answers.AccountState(
            login=12345678,
            balance=10000.0,
            equity=10250.5,
            margin=500.0,
            margin_free=9750.5,
            margin_level=2050.1,
            server="MetaQuotes-Demo",
        ),
    ),
}
ERRORS = {
    "account-terminal-gone": "mt5.gateway-up-terminal-down",
    "token-refused": "mt5.gateway-401",
    "positions-first-version": "mt5.bridge-type-error",
    "login-incomplete": "mt5.gateway-422",
    "symbol-unknown": "http.wrong-path",
    "login-refused-first": "mt5.gateway-up-terminal-down",
    "login-refused-later": "mt5.gateway-401",
}


@pytest.mark.parametrize("name", BODIES)
def test_what_a_gateway_was_seen_to_answer_is_read(name: str) -> None:
    read, expected = BODIES[name]

    answer = read_answer(reply(recorded(name)), NOBODY)

    assert isinstance(answer, Body)
    assert read(answer.data) == expected


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_gateway_was_seen_to_complain_of_has_a_name(name: str) -> None:
    transcript = json.loads((FOLDER / f"{name}.json").read_text())

    answer = read_answer(reply(transcript["body"], transcript["status"]), NOBODY)

    assert isinstance(answer, Complaint)
    assert trouble_of("it", answer).code == ERRORS[name]


def test_every_transcript_is_read_and_names_its_source() -> None:
    files = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}

    assert files.keys() == {*BODIES, *ERRORS, "login", "root"}
    assert all(each["source"] and each["asks"] and each["status"] for each in files.values())


@pytest.mark.parametrize("name", [*BODIES])
@pytest.mark.parametrize("wrong", [None, [], {}, "text", 7, [[]], [{}], {"orders": [{}]}, {"bid": True}])
def test_an_answer_of_another_shape_is_told_in_words(name: str, wrong: Any) -> None:
    if (name, wrong) == ("positions", []):
        return  # that is how no positions look
    with pytest.raises(answers.Unreadable):
        BODIES[name][0](wrong)


@pytest.mark.parametrize(
    "body", [b'{"balance": NaN}', b'{"balance": 1' + b"0" * 399 + b"}", b"\xff", b"", b"[" * 9999]
)
def test_a_body_that_is_no_json_is_a_broken_promise_and_no_crash(body: Any) -> None:
    answer = read_answer(reply(body), NOBODY)

    assert isinstance(answer, Complaint)
    assert (answer.kind, len(answer.words) < 200) == ("http.200-not-101", True)


def test_a_number_no_account_can_hold_is_no_balance() -> None:
    with pytest.raises(answers.Unreadable):
        answers.read_amount({"balance": 1e300}, "balance")


def test_what_was_sent_is_not_repeated_from_a_validation_error() -> None:
    body = {
        "detail": [{"loc": ["body", "password"], "msg": "Input should be a valid string", "input": "hunter2"}]
    }

    answer = read_answer(reply(body, 422), NOBODY)

    assert isinstance(answer, Complaint)
    assert answer.words == "body.password: Input should be a valid string"
