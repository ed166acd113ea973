"""Who has it and who does not is said, and not averaged."""

from dataclasses import replace

from probe.diagnose.case import Case, Looks, Neighbour, Past, Try, Way
from probe.diagnose.scope import scope_of as scope_of_code
from probe.model.events import QuoteArrived, RequestAnswered
from probe.model.failures import Failure
from probe.model.intents import Watch
from probe.model.meanings import Joined
from tests.diagnose import test_login as login
from tests.diagnose.test_session import PING, PONG, SYMBOL, look_at, ticks
from tests.diagnose.test_ways import way

OTHER = "GBPUSD_otc"


def scope_of(case: Case, code: str = "session.silent-stall") -> tuple[str, ...]:
    return scope_of_code(case, code)


def past(*tries: Try, neighbours: tuple[Neighbour, ...] = ()) -> Case:
    return Case(past=Past(seconds=3600.0, tries=tries, neighbours=neighbours))


def attempts(endpoint: str, *codes: str, ago: float = 60.0) -> list[Try]:
    return [Try(ago_seconds=ago + each, endpoint=endpoint, code=code) for each, code in enumerate(codes)]


def test_one_address_family() -> None:
    dead, alive = way("2001:db8::9", "tcp.timeout", 5.0), way("192.0.2.9", seconds=0.01)
    assert scope_of(Case(ways=(dead, alive)), "net.ipv6-blackhole") == (
        "only over IPv6 (2001:db8::9); IPv4 (192.0.2.9) connects in 10 ms",
    )
    second: Way = replace(alive, address="192.0.2.10")
    assert scope_of(Case(ways=(way("192.0.2.9", "tcp.timeout"), second)), "tcp.timeout") == ()
    assert scope_of(Case(ways=(dead, way("192.0.2.9", "tcp.timeout"))), "tcp.timeout") == ()


def test_one_region_by_another_look() -> None:
    def case(failure: Failure | None) -> Case:
        other = login.look(failure)
        there = replace(other, endpoint=replace(other.endpoint, region="us"))
        refused = login.refused()
        assert refused.looks is not None
        return replace(refused, looks=replace(refused.looks, elsewhere=there))

    assert scope_of(case(None)) == ("only in the region eu; us lets in",)
    assert scope_of(case(Failure(kind="auth.refused"))) == ()


def test_one_region_by_what_a_monitor_has_kept() -> None:
    near, far = attempts("near", *["tcp.refused"] * 4), attempts("far", *[""] * 3)
    assert scope_of(past(*near, *far)) == (
        "only in the region near, where all 4 attempts of the last hour failed; in far none of 3 did",
    )
    now_and_then = attempts("far", "", "tcp.refused", "")
    long_ago = attempts("far", *[""] * 3, ago=7200.0)
    assert scope_of(past(*near, *now_and_then)) == scope_of(past(*near, *long_ago)) == ()


def test_one_symbol() -> None:
    asked = RequestAnswered(at=0.3, request=1, intent=Watch(symbol=OTHER), answer=Joined(), sent_at=0.2)
    others = [QuoteArrived(at, OTHER, at, 1.0 + at) for at, *_ in ticks(30.0)]
    look = replace(look_at(*ticks(12.0), *others, asked, PING, PONG), control_symbol=OTHER)
    assert scope_of(Case(looks=Looks(first=look))) == (
        f"only {SYMBOL}; prices of {OTHER} come over the same connection",
    )
    both = replace(look_at(*ticks(12.0), PING, PONG), control_symbol=OTHER)
    assert scope_of(Case(looks=Looks(first=both))) == ()


def test_one_account_of_those_that_a_monitor_watches() -> None:
    well, ill = Neighbour(name="two", code=""), Neighbour(name="three", code="auth.session-expired")
    assert scope_of(past(neighbours=(well,))) == (
        "only this target; two, which the same monitor watches, is well",
    )
    assert scope_of(past(neighbours=(well, replace(well, name="four")))) == (
        "only this target; two and four, which the same monitor watches, are well",
    )
    assert scope_of(past(neighbours=(well, ill))) == (
        "this target and three (auth.session-expired); two is well",
    )
    assert scope_of(past(neighbours=(ill,))) == ("not this target alone: three (auth.session-expired) too",)


def test_one_process_of_several() -> None:
    refused = replace(login.refused(), own_connections=3)
    assert scope_of(refused) == (
        "only this connection; 3 others of this machine's programs to the same place stand",
    )
    assert scope_of(replace(refused, own_connections=0)) == ()
    lives = Case(looks=Looks(first=look_at(*ticks(30.0))), own_connections=3)
    assert scope_of(lives) == ()


def test_what_is_wrong_with_this_machine_or_lies_behind_the_way_is_not_confined_to_a_way() -> None:
    ways = (way("2001:db8::9", "tcp.timeout", 5.0), way("192.0.2.9"))
    for code in ("http.bad-gateway", "host.fd-limit", "cfg.ssid-mangled"):
        assert scope_of(Case(ways=ways), code) == ()
    assert scope_of(past(neighbours=(Neighbour(name="two", code=""),)), "host.cpu-starved") == ()
