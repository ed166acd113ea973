"""What other connections show, where no staged failure comes by."""

from dataclasses import replace

import pytest

from probe.diagnose.case import Case, Look, Looks, Past, Reconnected
from probe.diagnose.facts import Facts
from probe.diagnose.rules.clients import book
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, PhaseFinished, Traffic
from probe.model.failures import CloseFacts, Failure
from probe.model.findings import State
from probe.model.meanings import Admitted, Asset, Assets
from probe.session.overheard import OtherClient, Overheard

WEDNESDAY, SATURDAY = 1_767_787_200.0, 1_768_046_400.0
BOTH = frozenset({"EURUSD", "BTCUSD"})
TURN = Reconnected(ago_seconds=60.0, symbols_before=BOTH, symbols_since=frozenset({"BTCUSD"}))


def looked(*, failure: Failure | None = None, utc: float = WEDNESDAY, closed: str = "") -> Looks:
    facts = Facts(ended=Ended(at=9.0, phase=Phase.LIVE, failure=failure, traffic=Traffic()))
    if closed:
        row = Asset(
            id=1, symbol=closed, label="", kind="", digits=5, payout_percent=80, is_otc=False, is_open=False
        )
        facts.assets = Assets(rows=(row,))
    endpoint = Endpoint(broker="one", region="eu", url="wss://a.test/", account=Account.DEMO)
    return Looks(
        first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None), began_utc=utc)
    )


@pytest.mark.parametrize(
    ("turn", "looks", "is_lost"),
    [
        (TURN, looked(), True),
        (replace(TURN, symbols_since=BOTH), looked(), False),
        (replace(TURN, symbols_since=frozenset()), looked(), False),  # that is a stall, or a night
        (replace(TURN, ago_seconds=5.0), looked(), False),
        (TURN, looked(utc=SATURDAY), False),  # EURUSD does not trade then
        (TURN, looked(closed="EURUSD"), False),
    ],
)
def test_a_symbol_is_lost_in_a_reconnect_if_others_came_back_and_it_trades(
    turn: Reconnected, looks: Looks, is_lost: bool
) -> None:
    case = Case(past=Past(seconds=3600.0, reconnected=turn), looks=looks)
    assert (book["session.resubscribe-lost"](case) is not None) is is_lost


ADMITTED = Overheard(admitted=True, watched=BOTH, priced=BOTH)


@pytest.mark.parametrize(
    ("after", "is_lost"),
    [
        (replace(ADMITTED, watched=frozenset({"EURUSD"}), priced=frozenset({"EURUSD"})), True),
        (replace(ADMITTED, priced=frozenset({"EURUSD"})), False),  # it was asked for
        (replace(ADMITTED, watched=frozenset({"EURUSD"})), False),  # it came unasked
        (replace(ADMITTED, watched=frozenset(), priced=frozenset(), early=BOTH), False),  # asked too early
        (Overheard(), False),  # not let in
    ],
)
def test_a_client_loses_what_it_does_not_ask_for_once_more(after: Overheard, is_lost: bool) -> None:
    case = Case(client=OtherClient(connections=(ADMITTED, after)))
    assert (book["session.resubscribe-lost"](case) is not None) is is_lost


def closed_with(code: int) -> Failure:
    return Failure(kind="session.app-close", close=CloseFacts(received_code=code))


@pytest.mark.parametrize(
    ("codes", "failure", "says"),
    [
        ((1006,), Failure(kind="http.401", http_status=401), "HTTP 401"),
        ((1006,), closed_with(4001), "4001"),
        ((4001,), closed_with(4001), None),  # it is the same
        ((1006, 4001), closed_with(4001), None),
        ((1006,), Failure(kind="session.closed-1006"), None),  # nothing else is seen
        ((1006,), None, None),
        ((), closed_with(4001), None),
    ],
)
def test_a_code_misleads_if_the_wire_shows_another(
    codes: tuple[int, ...], failure: Failure | None, says: str | None
) -> None:
    case = Case(client=OtherClient(close_codes=codes), looks=looked(failure=failure))
    sign = book["session.close-code-misleading"](case)
    assert (sign is not None) is (says is not None)
    assert sign is None or says is None or (says in sign.says and sign.state is State.HEALTHY)


def test_what_a_client_hides_is_a_mere_note_where_the_cause_was_found() -> None:
    client = OtherClient(hides="connect() returned False")
    well, ill = looked(), looked(failure=Failure(kind="http.401", http_status=401))
    well.first.facts.add(PhaseFinished(at=1.0, phase=Phase.AUTHENTICATING, began_at=0.0))
    well.first.facts.admitted = Admitted()
    signs = [book["cfg.masked-by-client"](Case(client=client, looks=each)) for each in (well, ill, None)]
    assert [sign.state for sign in signs if sign] == [State.DEGRADED, State.HEALTHY, State.HEALTHY]


@pytest.mark.parametrize(
    ("talk", "is_named"),
    [
        (Overheard(admitted=True, twice=BOTH, prices=10, repeated=5), True),
        (Overheard(admitted=True, twice=BOTH, prices=10, repeated=1), False),  # asked twice, told once
        (Overheard(admitted=True, prices=10, repeated=5), False),  # the server repeats
    ],
)
def test_a_subscription_runs_twice_if_it_was_asked_for_twice_and_prices_come_so(
    talk: Overheard, is_named: bool
) -> None:
    case = Case(client=OtherClient(connections=(talk,)))
    assert (book["session.duplicate-subscriptions"](case) is not None) is is_named
