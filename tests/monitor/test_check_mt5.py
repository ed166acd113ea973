"""One look at a gateway over a trading terminal, with each fault that it can have."""

import json
from dataclasses import dataclass

import pytest

from probe.brokers import find_broker
from probe.drivers.tls import TlsProfile
from probe.faults.catalogue import FAULTS
from probe.model.findings import State
from probe.monitor.knock import Knock, knock
from probe.simulator.run import Simulator
from tests.monitor.linked import utc_of
from tests.virtual.travelling import run

MT5 = find_broker("mt5")
OPEN_TO_ALL = "http.origin-or-ua"  # of the public server always, and worth a note


async def look(*faults: str, timeout: float = 30.0, says_whose: bool = False) -> Knock:
    async with Simulator(["mt5"], faults=faults) as simulator:
        endpoint = simulator.plain_endpoints()[0]
        credential = json.loads(simulator.credential(endpoint).reveal())
        if says_whose:
            credential["account"] = int(simulator.accounts()[0].user)
        return await knock(
            MT5,
            endpoint,
            MT5.read_credentials(json.dumps(credential)),
            tls=TlsProfile(),
            timeout=timeout,
            symbol=MT5.house.symbol,
            utc=utc_of(simulator, MT5),
        )


@dataclass(frozen=True, kw_only=True)
class Look:
    """`why`: the fault's own finding is not what one look sees."""

    fault: str
    state: State = State.FAILED
    code: str | None = None
    why: str = ""


_H, _D = State.HEALTHY, State.DEGRADED
LOOKS = (
    Look(fault="gateway-variant", state=_H),
    Look(fault="gateway-terminal-closed"),
    Look(
        fault="gateway-broker-down",
        code="session.silent-stall",
        why="that nothing moves takes two looks; why, more",
    ),
    Look(
        fault="gateway-frozen-feed",
        code="session.silent-stall",
        why="that nothing moves takes two looks; why, more",
    ),
    Look(
        fault="gateway-account-switched",
        state=_H,
        code="",
        why="whose account it should be, this credential does not say",
    ),
    Look(fault="gateway-other-logged-out"),
    Look(fault="gateway-blocked"),
    Look(fault="gateway-ipc-timeout"),
    Look(
        fault="gateway-ipc-timeout:seconds=60s",
        code="http.open-timeout",
        why="nobody is answered, and it cannot be seen what for",
    ),
    Look(fault="gateway-algo-off", state=_H, code="", why="seen by whoever asks the terminal itself"),
    Look(fault="gateway-investor", state=_H, code="", why="seen by whoever asks the terminal itself"),
    Look(fault="gateway-tokens-lost"),
    Look(fault="gateway-workers", state=_D),
    Look(fault="gateway-bad-offset", state=_D),
    Look(
        fault="gateway-long-history",
        state=_H,
        code="session.message-too-big",
        why="a list that is longer than anybody reads it is worth a note",
    ),
    Look(fault="gateway-nginx-503"),
    Look(fault="gateway-nginx-504"),
    Look(fault="gateway-html"),
    Look(fault="gateway-redirect"),
    Look(fault="gateway-drip"),
    Look(fault="gateway-big-body"),
    Look(fault="gateway-endless-body"),
    Look(fault="gateway-invalid-utf8"),
    Look(fault="gateway-wild-numbers"),
    Look(fault="gateway-wild-numbers:kind=digits"),
)


@pytest.mark.parametrize("each", LOOKS, ids=lambda each: each.fault)
def test_one_look_at_a_gateway_with_a_fault_names_it(each: Look) -> None:
    verdict = run(look(each.fault)).verdict
    finding = FAULTS[each.fault.partition(":")[0]].finding
    code = finding if each.code is None else each.code

    assert verdict.state is each.state
    told = [found.code for found in verdict.findings if found.code != OPEN_TO_ALL]
    if code:
        assert code in told
    else:
        assert told == []


def test_one_look_sees_a_strange_account_when_the_credential_says_whose_it_should_be() -> None:
    verdict = run(look("gateway-account-switched", says_whose=True)).verdict
    assert (verdict.state, verdict.findings[0].code) == (State.FAILED, "mt5.multi-terminal")
    assert run(look(says_whose=True)).verdict.state is State.HEALTHY


def test_no_fault_of_a_gateway_is_left_out() -> None:
    assert {each.fault.partition(":")[0] for each in LOOKS} == {
        name for name in FAULTS if name.startswith("gateway-")
    }


def test_a_healthy_gateway_is_called_healthy() -> None:
    result = run(look())
    assert result.verdict.state is State.HEALTHY
    assert [found.code for found in result.verdict.findings] == [OPEN_TO_ALL]
    assert result.verdict.not_checked == ()


@pytest.mark.parametrize("timeout", [4.0, 8.0, 15.0, 30.0])
def test_a_gateway_whose_terminal_has_lost_its_broker_is_never_called_healthy_although_every_status_is_200(
    timeout: float,
) -> None:
    result = run(look("gateway-broker-down", timeout=timeout))
    assert result.verdict.state in (State.UNKNOWN, State.FAILED)
    assert "session.silent-stall" in [found.code for found in result.verdict.findings]
    statuses = [line.text[:4] for line in result.last_messages if line.direction == "<"]
    assert set(statuses) == {"200 "}
