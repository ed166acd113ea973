"""What a person typed as TARGET and beside it: whose it is, where it goes, and where it must not go."""

import json
from pathlib import Path

import pytest

from probe.brokers import find_broker
from probe.cli.main import run as probe_command
from probe.config import Settings, load_settings
from probe.logs import redact
from probe.model.errors import ConfigError, CredentialMissing
from probe.targets import Target, TargetOptions, is_secret_itself, may_be_named, resolve
from tests.pretending import POCKETOPTION, QUOTEX, QUOTEX_TOKEN

THIRD = "ws://127.0.0.1:9/socket.io/?EIO=3&transport=websocket"
FOURTH = "ws://127.0.0.1:9/socket.io/?EIO=4&transport=websocket"
AT_POCKETOPTION = "wss://demo-api-eu.po.market/socket.io/?EIO=4&transport=websocket"
AT_QUOTEX = "wss://ws2.qxbroker.com/socket.io/?EIO=3&transport=websocket"
SESSION_FILE = json.dumps({"cookies": "lang=en", "token": QUOTEX_TOKEN})
LOGIN = json.dumps({"email": "somebody@example.org", "password": "planted0password"})


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PO", POCKETOPTION.ssid)
    monkeypatch.setenv("QX", QUOTEX.ssid)
    monkeypatch.setenv("TOKEN", QUOTEX_TOKEN)
    monkeypatch.setenv("SESSION_FILE", SESSION_FILE)
    monkeypatch.setenv("LOGIN", LOGIN)


def understood(
    text: str, *endpoints: str, broker: str | None = None, ssid: str | None = None, dialect: str = ""
) -> Target:
    (target,) = resolve(
        text,
        TargetOptions(broker=broker, ssid=ssid, endpoints=endpoints, dialect=tuple(dialect.split())),
    )
    return target


@pytest.mark.parametrize(
    ("credential", "url", "sentence"),
    [
        (
            "env:PO",
            THIRD,
            "127.0.0.1:9: this credential is PocketOption's, and the endpoint is Quotex's: the URL asks for something "
            "else than EIO=4. Write EIO=4 in it, or give Quotex's credential.",
        ),
        (
            "env:QX",
            FOURTH,
            "127.0.0.1:9: this credential is Quotex's, and the endpoint is PocketOption's: the URL asks for something "
            "else than EIO=3. Write EIO=3 in it, or give PocketOption's credential or --dialect engine=4.",
        ),
        (
            "env:PO",
            AT_QUOTEX.replace("EIO=3", "EIO=4"),
            "ws2.qxbroker.com: this credential is PocketOption's, and the endpoint is Quotex's. Give PocketOption's "
            "URL or Quotex's credential.",
        ),
        (
            "env:SESSION_FILE",
            "wss://demo-api-eu.po.market/",
            "demo-api-eu.po.market: this credential is Quotex's, and the endpoint is PocketOption's. Give Quotex's "
            "URL or PocketOption's credential.",
        ),
    ],
)
def test_a_credential_goes_to_no_url_of_another_broker(credential: str, url: str, sentence: str) -> None:
    for arguments, options in (
        (credential, TargetOptions(endpoints=(url,))),
        (url, TargetOptions(ssid=credential)),
        (credential, TargetOptions(endpoints=("ws://127.0.0.1:9/", url))),
    ):
        with pytest.raises(ConfigError) as refused:
            resolve(arguments, options)
        assert str(refused.value) == sentence


def test_a_credential_for_another_broker_is_a_usage_error_and_not_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert probe_command(["check", "env:PO", "--endpoint", THIRD]) == 2
    out, err = capsys.readouterr()
    assert (out, err[:7], POCKETOPTION.token in err) == ("", "error: ", False)


@pytest.mark.parametrize(
    ("credential", "broker", "url", "words"),
    [
        ("env:PO", "pocketoption", THIRD, "Write EIO=4 in it, or give --broker quotex."),
        ("env:TOKEN", "quotex", AT_POCKETOPTION, "Give Quotex's URL or --broker pocketoption."),
        ("env:SESSION_FILE", "pocketoption", FOURTH, "this credential is Quotex's. Leave --broker out,"),
    ],
)
def test_a_named_broker_lends_no_credential_to_another(
    credential: str, broker: str, url: str, words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        understood(credential, url, broker=broker)
    assert words in str(refused.value)


@pytest.mark.parametrize("credential", ["env:TOKEN", "env:LOGIN"])
def test_the_endpoint_says_whose_a_credential_is_that_does_not_say_it(credential: str) -> None:
    for url in (THIRD, AT_QUOTEX, "ws://127.0.0.1:9/?transport=websocket&t=1&EIO=3"):
        for target in (understood(credential, url), understood(url, ssid=credential)):
            assert (target.broker.name, [each.url for each in target.endpoints]) == ("quotex", [url])


@pytest.mark.parametrize("url", ["ws://127.0.0.1:9/", THIRD.replace("EIO=3", "EIO=34")])
def test_where_neither_credential_nor_url_tells_the_broker_is_asked_for(url: str) -> None:
    with pytest.raises(ConfigError) as undecided:
        understood("env:TOKEN", url)
    assert str(undecided.value) == (
        "the credential from the environment variable 'TOKEN' and the URL do not tell which broker this is. "
        "Say which with one of: --broker bingx, --broker pocketoption, --broker quotex."
    )


def test_a_broker_named_decides_what_the_rest_leaves_open() -> None:
    assert understood("env:TOKEN", "ws://127.0.0.1:9/", broker="quotex").broker.name == "quotex"
    assert understood("env:TOKEN", FOURTH, broker="quotex", dialect="engine=4").broker.name == "quotex"


def test_a_dialect_changes_the_addresses_of_the_known_endpoints() -> None:
    usual, changed = understood("env:QX"), understood("env:QX", dialect="engine=4")
    assert [each.url.replace("EIO=3", "EIO=4") for each in usual.endpoints] == [
        each.url for each in changed.endpoints
    ]
    assert all("EIO=4" in each.url for each in changed.endpoints)


def test_a_known_host_is_known_in_every_dialect() -> None:
    url = AT_QUOTEX.replace("EIO=3", "EIO=4")
    (endpoint,) = understood(url, ssid="env:QX", dialect="engine=4").endpoints
    known = find_broker("quotex").endpoints[0]
    assert (endpoint.url, endpoint.region, endpoint.sureness) == (url, known.region, known.sureness)


@pytest.mark.parametrize(
    ("url", "dialect", "words"),
    [
        (THIRD, "engine=4", "something else than EIO=4. Write EIO=4 in it, or give --dialect engine=3."),
        (
            AT_QUOTEX.replace("EIO=3", "EIO=4"),
            "quote_fields=3",
            "something else than EIO=3. Write EIO=3 in it, or give --dialect engine=4.",
        ),
        (
            AT_QUOTEX.replace("=websocket", "=polling"),
            "",
            "something else than transport=websocket. Write transport=websocket in it.",
        ),
    ],
)
def test_a_url_that_contradicts_the_dialect_is_refused_with_what_to_write(
    url: str, dialect: str, words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        understood(url, dialect=dialect)
    assert str(refused.value).endswith(f": this URL is Quotex's, and the URL asks for {words}")


def test_a_url_that_says_nothing_contradicts_nothing() -> None:
    assert understood("env:PO", "ws://127.0.0.1:9/").broker.name == "pocketoption"


def test_all_simulated_brokers_speak_the_dialects_they_know() -> None:
    spoken = {
        each.broker.name: each.broker.rules.query["EIO"]
        for each in resolve("sim", TargetOptions(dialect=("engine=4",)))
        if "EIO" in each.broker.rules.query
    }
    assert spoken == {"pocketoption": "4", "quotex": "4"}


NAMED = f"""
[targets.demo]
credentials = "env:PO"
[targets.other]
credentials = "env:TOKEN"
broker = "quotex"
region = "mirror"
dialect = {{ engine = "4" }}
[targets.door]
endpoints = ["{THIRD}"]
[targets.practice]
target = "sim:quotex"
region = "main"
[targets.lost]
credentials = "env:TRADEPROBE_NOT_SET"
[targets.mixed]
credentials = "env:PO"
endpoints = ["{THIRD}"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "probe.toml"
    file.write_text(NAMED)
    return load_settings(file, environ={})


def named(name: str, settings: Settings, options: TargetOptions | None = None) -> Target:
    (target,) = resolve(name, options or TargetOptions(), settings)
    return target


def test_a_target_may_be_a_name_in_the_configuration(settings: Settings) -> None:
    target = named("demo", settings)
    assert (target.name, target.broker.name, target.settings) == (
        "demo",
        "pocketoption",
        settings.targets["demo"],
    )
    assert [(each.region, each.account.value) for each in target.endpoints] == [
        ("demo-eu", "demo"),
        ("demo-guest", "demo"),
    ]


def test_what_the_configuration_says_about_a_target_is_used(settings: Settings) -> None:
    target = named("other", settings)
    assert target.broker.name == "quotex"
    assert [(each.region, "EIO=4" in each.url) for each in target.endpoints] == [("mirror", True)]
    assert [each.url for each in named("door", settings).endpoints] == [THIRD]
    assert named("practice", settings).simulated


def test_options_beat_what_the_configuration_says(settings: Settings) -> None:
    assert [each.region for each in named("other", settings, TargetOptions(region="main")).endpoints] == [
        "main"
    ]
    assert named("demo", settings, TargetOptions(ssid="env:QX")).broker.name == "quotex"


def test_what_is_wrong_with_a_named_target_is_told_with_its_name(settings: Settings) -> None:
    with pytest.raises(CredentialMissing, match=r"'TRADEPROBE_NOT_SET', for the target 'lost'\. Set it"):
        named("lost", settings)
    with pytest.raises(
        ConfigError, match=r"^target 'mixed', 127\.0\.0\.1:9: this credential is PocketOption's"
    ):
        named("mixed", settings)


def test_an_unknown_name_tells_the_near_one_and_where_they_are_listed(settings: Settings) -> None:
    with pytest.raises(ConfigError) as unknown:
        named("dmeo", settings)
    assert str(unknown.value).startswith(
        "'dmeo' is not a target (did you mean 'demo'?). A target is a credential ("
    )
    assert str(unknown.value).endswith(" `probe targets` lists those in probe.toml.")


def test_a_brokers_name_is_no_target_and_says_what_would_be() -> None:
    with pytest.raises(ConfigError) as open_one:
        resolve("bingx", TargetOptions())
    assert "'bingx' is not a target. It is a broker: `wss://open-api-swap.bingx.com/" in str(open_one.value)
    with pytest.raises(ConfigError, match=r"It is a broker: `sim:quotex` is simulated\. A target is "):
        resolve("quotex", TargetOptions())


def test_a_configured_broker_that_is_open_to_everybody_is_watched_at_its_own_endpoint(tmp_path: Path) -> None:
    file = tmp_path / "probe.toml"
    file.write_text('[targets.a]\nbroker = "bingx"\n[targets.b]\nbroker = "bingx"\nregion = "rest"\n')
    settings = load_settings(file, environ={})
    usual, chosen = named("a", settings), named("b", settings)
    first, *_ = find_broker("bingx").endpoints
    assert (usual.endpoints, usual.credentials) == ((first,), None)
    assert [each.url for each in chosen.endpoints] == ["https://open-api.bingx.com"]


def test_a_password_is_not_used_in_two_ways_at_once() -> None:
    login = json.dumps({"account": 12345678, "password": "planted0password", "server": "Broker-Demo"})
    with pytest.raises(ConfigError, match=r"and wins a session at others\. Make two targets of them"):
        understood(login, "https://a.example", "bridge://127.0.0.1:1", broker="mt5")
    assert understood(login, "https://a.example", "http://b.example", broker="mt5").login is not None


def test_without_a_configuration_a_name_is_no_target() -> None:
    with pytest.raises(ConfigError, match=r"^'demo' is not a target\. A target is .*http:// or https://\.$"):
        resolve("demo", TargetOptions())


def test_a_credential_that_was_read_is_shown_by_no_log(settings: Settings) -> None:
    named("demo", settings)
    assert redact(f"a {POCKETOPTION.token} b") == "a *** b"


@pytest.mark.parametrize(
    ("text", "is_name", "is_secret"),
    [
        ("demo", True, False),
        ("sim", False, False),
        ("sim:quotex", False, False),
        ("-", False, False),
        ("env:PO", False, False),
        ("wss://one.example/", False, False),
        (POCKETOPTION.ssid, False, True),
        (QUOTEX_TOKEN, False, True),
    ],
)
def test_a_target_is_told_apart_before_it_is_read(text: str, is_name: bool, is_secret: bool) -> None:
    assert (may_be_named(text), is_secret_itself(text)) == (is_name, is_secret)
