"""A session is made, kept, lost and made again; and never by force."""

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.kept import SessionFile
from probe.measure.records import Trigger
from probe.model.credentials import Credentials, PasswordLogin
from probe.model.endpoint import Account, Sureness
from probe.model.errors import ConfigError
from probe.model.events import Ended, FirstData, Phase, PhaseFinished, RequestAnswered, RequestSent
from probe.model.failures import Failure
from probe.model.intents import AskHistory, Watch
from probe.monitor.knocking import keep_knocking
from probe.monitor.link import Link
from probe.monitor.race import Race, Raced
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import ConnectMode
from probe.monitor.winners import Winners
from tests.monitor.linked import Place, owned, place, regions, running, until
from tests.pretending import Known
from tests.virtual.travelling import run

HOUR = 3600.0


# -- one good session ---------------------------------------------------------------------------------------------------


def test_a_session_lives_for_hours_and_is_asked_every_minute(known: Known) -> None:
    async def hours() -> None:
        async with place(broker=known.broker) as at:
            link = at.link()
            async with running(link):
                await asyncio.sleep(HOUR / 2)
                assert link.session is not None
                assert link.session.phase is Phase.LIVE
                assert link.live_endpoint == at.endpoints[0]
            ears = at.ears
            assert [trigger for _, _, trigger in ears.dialled] == [Trigger.START]
            asked = [done for done in ears.of(RequestAnswered) if isinstance(done.intent, AskHistory)]
            assert len(asked) == pytest.approx(30, abs=1)
            assert ears.quotes > HOUR / 2
            assert len(ears.kernels) == pytest.approx(90, abs=2)
            (attempt,) = ears.attempts
            assert (attempt.purpose, attempt.failure, attempt.http_status) == ("hold", None, 101)
            assert attempt.phases[-1].phase is Phase.AUTHENTICATING
            assert attempt.tcp_rtt_seconds is not None
            assert (ears.waits, ears.ends) == ([], [None])

    run(hours())


def test_a_stopped_link_says_goodbye(known: Known) -> None:
    async def leave() -> None:
        async with place(broker=known.broker) as at:
            link = at.link()
            async with running(link):
                await until(lambda: at.ears.of(FirstData))
            (ended,) = at.ears.of(Ended)
            assert ended.failure is None
            assert [line.text for line in link.last_messages()][-1] == "41"
            assert link.act(lambda session, now: now) is None

    run(leave())


def test_prices_are_asked_for_after_the_login_and_not_before() -> None:
    async def order() -> None:
        async with place("close:at=10s") as at, running(at.link()):
            await until(lambda: len(at.ears.of(FirstData)) == 2)
            told = [
                event.phase if isinstance(event, PhaseFinished) else "watch"
                for event in at.ears.events
                if isinstance(event, PhaseFinished)
                or (isinstance(event, RequestSent) and isinstance(event.intent, Watch))
            ]
            first = told.index("watch")
            assert told[first - 1] is Phase.AUTHENTICATING
            assert told[told.index("watch", first + 1) - 1] is Phase.AUTHENTICATING
            for record in at.records:
                heard = [line.text[:20] for line in record.frames() if line.direction == "<"]
                assert next(at for at, text in enumerate(heard) if "auth" in text) < next(
                    at for at, text in enumerate(heard) if "changeSymbol" in text
                )

    run(order())


# -- coming back --------------------------------------------------------------------------------------------------------

TRIGGERS = [
    ("close:at=90s", Trigger.REMOTE_CLOSE),
    ("goodbye:at=90s", Trigger.REMOTE_CLOSE),
    ("tcp-reset:at=90s", Trigger.NETWORK_ERROR),
    ("half-open:at=90s", Trigger.PING_TIMEOUT),
    ("stop-pings", Trigger.PING_TIMEOUT),
]


@pytest.mark.parametrize(("fault", "trigger"), TRIGGERS)
def test_a_lost_session_is_made_again_at_once_and_the_cause_is_known(fault: str, trigger: Trigger) -> None:
    async def lose() -> None:
        async with place(fault) as at, running(at.link()):
            await until(lambda: len(at.ears.of(FirstData)) == 2, within=300)
            assert [each for _, _, each in at.ears.dialled] == [Trigger.START, trigger]
            (pause,) = at.ears.pauses
            assert 1 <= pause <= 2

    run(lose())


def test_a_session_that_is_dropped_on_demand_says_why_and_comes_back() -> None:
    async def drop() -> None:
        async with place() as at:
            link = at.link()
            async with running(link):
                await until(lambda: at.ears.of(FirstData))
                link.reconnect(Trigger.STALL)
                link.reconnect(Trigger.STALL)  # it is being done already
                await until(lambda: len(at.ears.of(FirstData)) == 2)
            assert [trigger for _, _, trigger in at.ears.dialled] == [Trigger.START, Trigger.STALL]

    run(drop())


def test_what_ends_again_and_again_is_tried_less_and_less() -> None:
    async def loop() -> list[float]:
        async with place("close-loop") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR / 2)
            assert all(attempt.failure is None for attempt in at.ears.attempts)  # each went live
            return at.ears.gaps

    gaps = run(loop())
    assert min(gaps) > 1
    assert 40 < len(gaps) < 90
    assert max(gaps[:3]) < 12
    assert 20 < sum(gaps[-20:]) / 20 < 45
    assert len({round(gap, 6) for gap in gaps[:9]}) == 9


def test_a_session_that_proved_good_makes_the_next_trouble_a_first_one() -> None:
    async def lose() -> None:
        async with place("close:at=90s") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR / 3)
            assert len(at.ears.pauses) > 10
            assert max(at.ears.pauses) <= 2

    run(lose())


def test_a_session_that_dies_young_counts_as_a_failure_however_good_it_was() -> None:
    async def lose() -> None:
        async with place("close:at=30s") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR / 3)
            assert max(at.ears.pauses) > 8

    run(lose())


def test_logging_in_alone_proves_nothing() -> None:
    """Without prices, or without answers, a session that ends is one more failure, however long it stood."""

    async def mute(fault: str) -> None:
        async with place(fault, "close:at=90s") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR / 2)
            assert max(at.ears.pauses) > 8

    run(mute("history-unanswered"))
    run(mute("silent-stall:at=0s"))


def test_a_server_that_asks_to_wait_is_waited_for() -> None:
    async def wait() -> None:
        async with place("http-status:code=429:retry_after=100s") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR)
            assert {kind for _, _, kind in at.ears.waits} == {"http.429"}
            assert min(at.ears.pauses) >= 100
            assert min(at.ears.gaps) >= 100

    run(wait())


FINAL = ["auth-refused", "auth-41", "auth-close", "kicked-elsewhere:at=5s"]


@pytest.mark.parametrize("fault", FINAL)
def test_a_rejected_credential_is_sent_once_and_never_again(fault: str, known: Known) -> None:
    async def knock() -> None:
        async with place(fault, at=regions("near", "far", "farther"), broker=known.broker) as at:
            link = at.link(connect=ConnectMode.RACE)
            async with running(link) as task:
                await asyncio.wait_for(task, HOUR)
                await asyncio.sleep(HOUR)
            assert at.logins == 1
            assert len(at.ears.ends) == 1
            assert str(at.ears.ends[0]).startswith("auth.")

    run(knock())


def test_what_one_link_saw_rejected_is_sent_by_no_other(known: Known) -> None:
    async def go() -> None:
        rejected: dict[Credentials | PasswordLogin, Failure] = {}
        async with place("auth-refused", at=regions("near", "far"), broker=known.broker) as at:
            for name in ("one", "two"):
                link = Link(
                    at.wanted(name=name), at.ears, rng=random.Random(1), winners=None, rejected=rejected
                )
                async with running(link) as task:
                    await asyncio.wait_for(task, 60)
            assert (at.logins, at.ears.ends) == (1, ["auth.refused", "auth.refused"])

    run(go())


def test_a_session_that_was_ended_elsewhere_says_nothing_against_its_credential() -> None:
    async def go() -> None:
        rejected: dict[Credentials | PasswordLogin, Failure] = {}
        async with place("kicked-elsewhere:at=5s") as at:
            link = Link(at.wanted(), at.ears, rng=random.Random(1), winners=None, rejected=rejected)
            async with running(link) as task:
                await asyncio.wait_for(task, 60)
            assert (at.ears.ends, rejected) == (["auth.revoked"], {})

    run(go())


def test_silence_about_a_login_is_no_rejection_but_asked_about_rarely() -> None:
    async def silent() -> None:
        async with place("auth-silent") as at:
            async with running(at.link()):
                await asyncio.sleep(HOUR)
            assert 5 < at.logins < 30
            assert min(at.ears.pauses) >= 60

    run(silent())


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("tls-certificate:kind=expired", "tls.server-cert-expired"), ("tls-version:only=1.2", "tls.version")],
)
def test_a_server_that_tls_does_not_vouch_for_is_left_alone(
    fault: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEPROBE_HOME", str(tmp_path))

    async def look() -> None:
        async with place(fault, tls=True) as at:
            at.over_tls(ssl.TLSVersion.TLSv1_3)
            async with running(at.link()) as task:
                await asyncio.wait_for(task, 60)
            assert at.ears.ends == [kind]
            assert [attempt.failure is not None for attempt in at.ears.attempts] == [True]
            assert at.records == []

    run(look())


def test_it_gives_up_after_as_many_failures_as_it_was_told() -> None:
    async def refuse() -> None:
        async with place("refuse") as at:
            async with running(at.link(max_retries=3)) as task:
                await asyncio.wait_for(task, HOUR)
            assert at.ears.ends == ["tcp.refused"]
            assert len(at.ears.dialled) == 4

    run(refuse())


def test_one_endpoint_is_not_dialled_more_often_than_ten_times_in_five_minutes() -> None:
    async def drop() -> None:
        async with place() as at:
            link = at.link(symbols=())
            async with running(link):
                for _ in range(10):
                    await until(lambda: link.live_endpoint is not None, within=HOUR)
                    await asyncio.sleep(63)  # it has proved good
                    for _ in range(3):
                        link.reconnect(Trigger.OPERATOR)
                        await until(lambda: link.live_endpoint is not None, within=HOUR)
            times = [when for when, _, _ in at.ears.dialled]
            assert min(late - early for early, late in zip(times, times[10:], strict=False)) >= 299.999

    run(drop())


# -- where --------------------------------------------------------------------------------------------------------------


def test_a_region_that_is_down_is_left_for_another_and_nothing_walks_after_a_login() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            await at.spoil("a", "refuse")
            async with running(at.link()):
                await until(lambda: at.ears.of(FirstData))
                assert [(region, trigger) for _, region, trigger in at.ears.dialled] == [
                    ("a", Trigger.START),
                    ("b", Trigger.ENDPOINT_SWITCH),
                ]
                assert max(at.ears.pauses) <= 5
                await asyncio.sleep(70)
                at.records[-1].close(1001)
                await until(lambda: len(at.ears.of(FirstData)) == 2)
                assert at.ears.dialled[-1][1:] == ("b", Trigger.REMOTE_CLOSE)  # the same one first

    run(go())


def test_a_region_that_failed_may_be_tried_again_once_a_session_proved_good() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            await at.spoil("a", "refuse")
            async with running(at.link()):
                await until(lambda: at.ears.of(FirstData))
                await asyncio.sleep(10)
                await at.spoil("a")
                await at.spoil("b", "refuse")
                at.records[-1].close(1001)
                await until(lambda: len(at.ears.of(FirstData)) == 2)
            assert [region for _, region, _ in at.ears.dialled] == ["a", "b", "b", "a"]

    run(go())


def test_when_all_regions_are_down_they_are_tried_in_turn_and_slower() -> None:
    async def go() -> None:
        async with place("refuse", at=regions("a", "b", "c")) as at, running(at.link()):
            await asyncio.sleep(HOUR)
            assert [region for _, region, _ in at.ears.dialled][:7] == [*"abc", *"abc", "a"]
            assert 60 < len(at.ears.dialled) < 260
            await at.simulator.board.switch_off(1)
            await until(lambda: at.ears.of(FirstData), within=120)

    run(go())


def test_endpoints_of_the_other_account_and_untrusted_ones_never_see_the_credential() -> None:
    async def go() -> None:
        async with place() as at:
            near = at.endpoints[0]
            live = replace(near, region="live", account=Account.LIVE)
            claimed = replace(near, region="claimed", sureness=Sureness.CLAIMED, named_by_user=False)
            with pytest.raises(ConfigError, match="demo accounts"):
                at.link(endpoints=(live,))
            with pytest.raises(ConfigError, match="not known well enough"):
                at.link(endpoints=(claimed,))
            async with running(at.link(endpoints=(live, claimed, near))):
                await until(lambda: at.ears.of(FirstData))
            assert [region for _, region, _ in at.ears.dialled] == ["near"]

    run(go())


def test_without_a_credential_the_way_to_the_login_is_looked_at_now_and_then() -> None:
    async def go() -> None:
        async with place() as at:
            async with running(at.link(key=None, knock_every=100.0)):
                await asyncio.sleep(1000)
            assert len(at.ears.attempts) == 10
            assert {each.failure for each in at.ears.attempts} == {None}
            assert {each.phases[-1].phase for each in at.ears.attempts} == {Phase.JOINING}
            assert at.logins == 0

    run(go())


# -- racing -------------------------------------------------------------------------------------------------------------


def test_only_the_fastest_of_a_race_sees_the_credential() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c", "d", "e")) as at:
            slowest_first = tuple(reversed(at.endpoints))
            async with running(at.link(connect=ConnectMode.RACE, endpoints=slowest_first)):
                await until(lambda: at.ears.of(FirstData))
            assert [region for _, region, _ in at.ears.dialled] == ["b"]  # four run
            assert {record.region for record in at.records} <= {*"bcde"}
            logged_in = [
                record.region for record in at.records if record.session.traffic.messages_received > 3
            ]
            assert logged_in == ["b"]
            assert at.logins == 1
            races = at.ears.by("race")
            assert [(each.endpoint, each.failure) for each in races] == [(name, None) for name in "edcb"]
            assert [each.endpoint for each in at.ears.by("hold")] == ["b"]

    run(go())


def test_a_winner_whose_region_then_fails_is_not_raced_with_again() -> None:
    async def go() -> None:
        async with place(at=regions("a", "b", "c")) as at:
            await at.spoil("a", "no-join")
            async with running(at.link(connect=ConnectMode.RACE)):
                await until(lambda: at.ears.of(FirstData))
            assert [region for _, region, _ in at.ears.dialled] == ["a", "b"]
            assert at.served()["a"] == 2  # one race, one login that was not reached

    run(go())


def test_a_race_that_nobody_finishes_is_run_again_later() -> None:
    async def go() -> None:
        async with place("refuse", at=regions("a", "b")) as at:
            async with running(at.link(connect=ConnectMode.RACE)):
                await until(lambda: len(at.ears.waits) == 3, within=300)
                assert at.ears.dialled == []
                await at.simulator.board.switch_off(1)
                await until(lambda: at.ears.of(FirstData), within=300)
            assert {each.purpose for each in at.ears.attempts if each.failure} == {"race"}

    run(go())


def test_races_count_for_how_often_an_endpoint_is_dialled() -> None:
    async def go() -> None:
        async with place("refuse", at=regions(*"abcdefgh")) as at:
            times: dict[str, list[float]] = {}
            dial = Race.run

            async def noted(race: Race) -> Raced:
                for visit in race._visits:
                    times.setdefault(visit.trial.endpoint.region, []).append(
                        asyncio.get_running_loop().time()
                    )
                return await dial(race)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Race, "run", noted)
                link = at.link(connect=ConnectMode.RACE)
                async with running(link):
                    await asyncio.sleep(HOUR)
            for each in times.values():
                assert len(each) > 10
                gaps = [late - early for early, late in zip(each, each[10:], strict=False)]
                assert min(gaps) >= 299.999

    run(go())


def test_the_best_of_the_last_run_is_dialled_first(tmp_path: Path) -> None:
    async def go() -> None:
        async with place(at=regions("a", "b")) as at:
            file = tmp_path / "endpoints.json"
            warnings: list[str] = []
            await at.spoil("a", "refuse")
            async with running(at.link(winners=Winners(file, warn=warnings.append))):
                await until(lambda: at.ears.of(FirstData))
            await at.spoil("a")
            winners = Winners(file, warn=warnings.append)
            assert winners.best(at.endpoints) == at.endpoints[1]
            async with running(at.link(winners=winners)):
                await until(lambda: len(at.ears.of(FirstData)) == 2)
            assert [region for _, region, _ in at.ears.dialled] == ["a", "b", "b"]
            assert warnings == []

    run(go())


# -- a password ---------------------------------------------------------------------------------------------------------

QUOTEX = find_broker("quotex")
QUICK = replace(QUOTEX, house=replace(QUOTEX.house, login_seconds=(0.0, 0.0)))


def with_password(folder: Path, what: Callable[[Place, SignIn], Awaitable[None]], *faults: str) -> None:
    async def go() -> None:
        async with place(*faults, broker=QUICK, pages=True) as at:
            known = at.simulator.endpoints[0].sign_in
            assert known is not None
            assert QUICK.web is not None
            login = PasswordLogin(
                broker="quotex", user=known.email, password=known.password, account=Account.DEMO
            )
            keep = SessionFile(folder, warn=print)
            await what(at, SignIn(web=QUICK.web, login=login, keep=keep, answer=lambda question: None))

    asyncio.run(go())


def test_a_kept_token_that_is_refused_is_replaced_once(tmp_path: Path) -> None:
    async def go(at: Place, key: SignIn) -> None:
        async with running(at.link(key=key)):
            await until(lambda: at.ears.of(FirstData))
        assert key.keep is not None
        kept = key.keep.load("quotex", key.login.key)
        assert kept is not None
        at.simulator.worlds["quotex"].revoke(kept.session.token)
        async with running(at.link(key=key)):
            await until(lambda: len(at.ears.of(FirstData)) == 2)
        assert [trigger for _, _, trigger in at.ears.dialled] == [
            Trigger.START,
            Trigger.START,
            Trigger.AUTH_REFRESH,
        ]
        assert at.ears.attempts[0].phases[0].phase is Phase.SIGNING_IN

    with_password(tmp_path, go)


def test_a_new_token_that_is_refused_ends_it(tmp_path: Path) -> None:
    async def go(at: Place, key: SignIn) -> None:
        async with running(at.link(key=key)) as task:
            await asyncio.wait_for(task, 30)
        assert at.ears.ends == ["auth.refused"]
        assert at.logins == 1

    with_password(tmp_path, go, "auth-refused")


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    async def go(at: Place, key: SignIn) -> None:
        async with running(at.link(key=key)) as task:
            await asyncio.wait_for(task, 30)
        assert at.ears.ends == ["login.refused"]
        assert [event.phase for event in at.ears.of(Ended)] == [Phase.SIGNING_IN]
        assert at.records == []

    with_password(tmp_path, go, "signin-refused")


# -- nothing is left ----------------------------------------------------------------------------------------------------

PHASES = [
    ("silent-upgrade", Phase.UPGRADING),
    ("no-open", Phase.OPENING),
    ("no-join", Phase.JOINING),
    ("auth-silent", Phase.AUTHENTICATING),
    ("false-success", Phase.LIVE),
    ("freeze@0s", Phase.UPGRADING),
]


@pytest.mark.parametrize("how", ["stop", "cancel"])
@pytest.mark.parametrize(("fault", "phase"), PHASES, ids=[f"{fault}" for fault, _ in PHASES])
def test_nothing_is_left_behind_whenever_it_ends(fault: str, phase: Phase, how: str) -> None:
    async def go() -> None:
        async with place(fault) as at:
            link = at.link()
            before = asyncio.all_tasks()
            task = asyncio.get_running_loop().create_task(link.run())
            await until(lambda: link.session is not None and link.session.phase is phase)
            ended_at = asyncio.get_running_loop().time()
            if how == "stop":
                link.stop()
                await task
            else:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert asyncio.get_running_loop().time() - ended_at <= 1.5
            assert owned(before) == set()
            assert len(at.ears.of(Ended)) == 1

    run(go())


def test_a_server_that_does_not_answer_the_goodbye_is_waited_for_a_second() -> None:
    async def go() -> None:
        async with place("freeze@5s") as at:
            link = at.link()
            async with running(link) as task:
                await asyncio.sleep(6)
                assert link.session is not None
                assert link.session.phase is Phase.LIVE
                link.stop()
                await task
                assert asyncio.get_running_loop().time() == pytest.approx(7, abs=0.1)

    run(go())


@pytest.mark.parametrize("how", ["stop", "cancel"])
@pytest.mark.parametrize("moment", ["at once", "racing", "waiting"])
def test_nothing_is_left_behind_between_sessions_either(moment: str, how: str) -> None:
    async def go() -> None:
        fault = {"at once": "refuse", "racing": "silent-upgrade", "waiting": "refuse"}[moment]
        async with place(fault, at=regions("a", "b")) as at:
            link = at.link(connect=ConnectMode.RACE)
            before = asyncio.all_tasks()
            task = asyncio.get_running_loop().create_task(link.run())
            if moment == "racing":
                await until(lambda: at.simulator.counters.sessions_open == 2)
            elif moment == "waiting":
                await until(lambda: at.ears.waits)
            if how == "stop":
                link.stop()
                await task
                assert at.ears.ends == [None]
            else:
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert owned(before) == set()

    run(go())


def test_a_bug_in_the_listener_comes_out_and_leaves_nothing() -> None:
    async def go() -> None:
        async with place() as at:

            def broken(event: object) -> None:
                if isinstance(event, FirstData):
                    raise ZeroDivisionError

            at.ears.on_event = broken
            with pytest.raises(ZeroDivisionError):
                await at.link().run()

    run(go())


# -- a day --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [2, pytest.param(24, marks=pytest.mark.long)])
def test_a_day_of_default_settings_never_ends_an_older_session(known: Known, hours: int) -> None:
    """The simulator drops the older of two sessions of an account; knocks must not be one."""

    async def day() -> None:
        async with place("session-cap", broker=known.broker) as at:
            wanted, link = at.wanted(symbols=()), at.link(symbols=())
            assert wanted.knock_every == 300.0
            async with running(link):
                knocking = asyncio.get_running_loop().create_task(
                    keep_knocking(wanted, link, at.ears.attempted, rng=link._rng, utc=at.utc)
                )
                await asyncio.sleep(hours * HOUR)
                knocking.cancel()
                await asyncio.wait([knocking])
            assert len(at.ears.dialled) == 1
            assert len(at.ears.by("knock")) == pytest.approx(12 * hours, rel=0.05)

    run(day())
