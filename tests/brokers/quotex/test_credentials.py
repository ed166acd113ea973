import json
import string
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers.quotex.credentials import (
    BROWSER,
    is_quotex_credential,
    read_credentials,
    read_login_event,
    request_headers,
    write_credential,
)
from probe.model.credentials import Secret
from probe.model.endpoint import Account, read_url
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login
from probe.session.broker import SimulatedAccount

RAW, MANGLED, WRONG = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"

TOKEN = "Vb3kQ9xTz1LmN7pRw5sYd2fGh8jKc4aEu6oSiXqB"
FRAME = f'42["authorization",{{"session":"{TOKEN}","isDemo":1,"tournamentId":0}}]'
LIVE = FRAME.replace('"isDemo":1', '"isDemo":0')
OBJECT = FRAME[len('42["authorization",') : -1]
OTHER_BROKERS = '42["auth",{"session":"k3vns0m3id0fthens7aaacqz9w","isDemo":1,"uid":12345678,"platform":2}]'
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
COOKIES = "laravel_session=eyJpdiI6InNlY3JldCJ9; lang=en; __cf_bm=cf-secret-1"
FILE = {"cookies": COOKIES, "token": TOKEN, "user_agent": AGENT}
SECRETS = (TOKEN, TOKEN[:8], TOKEN[-8:], "eyJpdiI6InNlY3JldCJ9", "cf-secret-1", "someone@example.org")
SOCKET = read_url("wss://ws2.qxbroker.com/")


def said_by(refused: pytest.ExceptionInfo[CredentialInvalid]) -> str:
    return f"{refused.value} {refused.value!r} {refused.value.problem}"


# -- frames -------------------------------------------------------------------------------------------------------------

AS_IT_IS = [
    FRAME,
    LIVE,
    FRAME.replace(":1,", ":true,"),
    FRAME.replace(',"tournamentId":0', ""),
    FRAME.replace("}]", ',"isFastHistory":true}]'),
    FRAME.replace(",", ", ").replace(":", ": "),
    FRAME.replace("}]", ',"uid":12345678,"platform":2}]'),
]


@pytest.mark.parametrize("text", AS_IT_IS, ids=range(len(AS_IT_IS)))
def test_an_undamaged_frame_is_sent_byte_for_byte_and_without_a_warning(text: str) -> None:
    read = read_credentials(text)

    assert (read.frame.reveal(), read.warnings) == (text, ())
    assert is_quotex_credential(text)


def test_a_frame_says_what_can_be_read_offline() -> None:
    read = read_credentials(FRAME)

    assert (read.broker, read.token, read.account, read.user, read.user_agent, read.cookies) == (
        "quotex",
        Secret(TOKEN),
        Account.DEMO,
        None,
        None,
        (),
    )
    assert read.facts == (
        ("account", "demo, by its own claim"),
        ("token length", "40 characters"),
        ("fingerprint", Secret(TOKEN).fingerprint()),
    )


def test_a_live_frame_in_a_tournament_says_both() -> None:
    read = read_credentials(LIVE.replace('"tournamentId":0', '"tournamentId":7'))

    assert read.account is Account.LIVE
    assert read.facts[:2] == (("account", "real, by its own claim"), ("tournament", "7"))


QUOTES_OFF = "the quotes around it were taken off"
ENCODED = "it was URL-encoded: decoded"
SPELLING = "capital and small letters of its keys were mixed up: put right"
AS_JSON = "quotes or commas in it were missing or not as JSON has them: put right"

REPAIRED: list[tuple[str, str, tuple[str, ...]]] = [
    (FRAME + "\r\n", FRAME, ("white space or a line end around it was left out",)),
    ("\u200b" + FRAME, FRAME, ("an invisible sign at its beginning or end (U+200B) was left out",)),
    (f"'{FRAME}'", FRAME, (QUOTES_OFF,)),
    (f"$'{FRAME}'", FRAME, ("the 1 characters in front of the frame were left out",)),
    (json.dumps(FRAME), FRAME, (QUOTES_OFF, "it was escaped once as a text inside JSON: undone")),
    (
        json.dumps(json.dumps(FRAME)),
        FRAME,
        (QUOTES_OFF, "it was escaped twice as a text inside JSON: undone"),
    ),
    (quote(FRAME), FRAME, (ENCODED,)),
    (quote_plus(FRAME.replace(",", ", ")), FRAME.replace(",", ", "), (ENCODED,)),
    (quote(quote(FRAME)), FRAME, (ENCODED,)),
    (FRAME.replace("session", "Session").replace("isDemo", "ISDEMO"), FRAME, (SPELLING,)),
    (
        FRAME.replace("authorization", "Authorization"),
        FRAME,
        ("its event was not in small letters: put right",),
    ),
    (OBJECT, FRAME, ('only the object in braces was given: 42["authorization", and ] were put around it',)),
    (FRAME[2:], FRAME, ("the 42 in front was missing: added",)),
    (FRAME[:-1], FRAME, ("the closing ] was missing: added",)),
    (FRAME[:-2], FRAME, ("the closing }] was missing: added; if more was cut off, it is lost",)),
    (FRAME.replace('"', ""), FRAME, (AS_JSON,)),
    (FRAME.replace('"', '`"'), FRAME, (AS_JSON,)),
    (
        FRAME.replace('"', "”"),
        FRAME,
        (
            "curly quotes or invisible signs (10; the first is U+201D at character 4 of the frame) were replaced by plain ones",
        ),
    ),
    (
        f'ws.send("{FRAME}");',
        FRAME,
        (
            "the 8 characters in front of the frame were left out",
            "the 2 characters behind the frame were left out",
        ),
    ),
    (
        FRAME.replace(TOKEN, "1234567890ab"),
        FRAME.replace(TOKEN, "1234567890ab"),
        ("its session has 12 characters; those known are 40 letters and digits",),
    ),
    (FRAME.replace(":0}", ":-1}"), FRAME.replace(":0}", ":-1}"), ("tournamentId is no whole number",)),
]


@pytest.mark.parametrize(("text", "frame", "warnings"), REPAIRED, ids=range(len(REPAIRED)))
def test_damage_with_one_repair_is_repaired_and_said(
    text: str, frame: str, warnings: tuple[str, ...]
) -> None:
    read = read_credentials(text)

    assert (read.frame.reveal(), read.warnings) == (frame, warnings)
    assert is_quotex_credential(text)


REFUSED: list[tuple[str, str, str]] = [
    ("", MANGLED, "it is empty"),
    ("x" * 65_537, MANGLED, "it has 65537 characters"),
    (TOKEN[:30], RAW, "it is a single word of 30 characters; a token has 40 letters and digits"),
    (OTHER_BROKERS, WRONG, "its event is auth, which is another broker's login: --broker pocketoption"),
    (
        OTHER_BROKERS[10:-1],
        WRONG,
        "its event is auth, which is another broker's login: --broker pocketoption",
    ),
    ('42["user_init",{"id":1,"secret":"9c8b7a6d5e4f3021"}]', WRONG, "another broker's login"),
    ('a:4:{s:10:"session_id";s:32:"5f3c09d1b27e4a88"', WRONG, "the session of another broker"),
    ('42["tick"]', WRONG, "its event is not authorization"),
    ('42["authorization/reject"]', WRONG, "its event is not authorization"),
    ('40{"sid":"k3VnS0m3Id0fTheNsAAAAC"}', WRONG, "a message that opens or ends a connection"),
    ("wss://ws2.qxbroker.com/socket.io/?EIO=3", WRONG, "it is a URL"),
    (COOKIES, WRONG, "it is a cookie of the web site, and the token is in none of them"),
    ("env:QX_SESSION", MANGLED, "it is a reference"),
    ("$QX_SESSION", MANGLED, "the name of a variable that nothing replaced"),
    ("\udc80\x04\udc95K\0\0\0}", WRONG, "it is a pickle, as in quotexpy's .session.pkl"),
    (
        json.dumps({"email": "someone@example.org", "password": "eyJpdiI6InNlY3JldCJ9"}),
        WRONG,
        "give it with --login",
    ),
    (json.dumps({**FILE, "token": None}), MANGLED, "its token is empty"),
    (json.dumps(FILE)[:70], MANGLED, "the session file of another program, but is not the whole of one"),
    (
        json.dumps({"someone@example.org": FILE, "other@example.org": FILE}),
        MANGLED,
        "2 accounts are in this file",
    ),
    (json.dumps({**FILE, "token": TOKEN[:9]}), MANGLED, "its session has 9 characters"),
    (json.dumps({**FILE, "ssid": OTHER_BROKERS}), WRONG, "another broker's login"),
    (FRAME[:50], MANGLED, "it ends inside the text that begins at character 31 of the frame"),
    (FRAME[:72], MANGLED, "it has no isDemo (found after this: the closing }] was missing"),
    (FRAME[:80], MANGLED, "it ends inside the text that begins at character 74 of the frame"),
    (FRAME.replace(":0}]", ":12"), MANGLED, "perhaps in the middle of a number"),
    (FRAME.replace(TOKEN[8:], "…"), MANGLED, "a part of it is left out where three dots stand"),
    (FRAME.replace(TOKEN[8:], "..."), MANGLED, "a part of it is left out where three dots stand"),
    (FRAME.replace(TOKEN[8:12], " "), MANGLED, "the sign U+0020 at character 9 of its session"),
    (FRAME.replace(f'"{TOKEN}"', "12345678901"), MANGLED, "its session is not a text"),
    (FRAME.replace("session", "sesion"), MANGLED, "none of its 3 keys is session"),
    (FRAME.replace('"isDemo":1', '"isDemo":2'), MANGLED, "its isDemo is neither 0 nor 1"),
    (FRAME.replace('"isDemo":1,', ""), MANGLED, "it has no isDemo"),
    (FRAME.replace("authorization", "authorization "), MANGLED, "its event is almost, but not exactly"),
    (FRAME + FRAME, MANGLED, "2 login frames are in it"),
    ("\0".join(FRAME), MANGLED, "character 2 is a zero byte"),
    (FRAME[21:], MANGLED, "not its beginning"),
    ("hello", MANGLED, "its 5 characters hold no login"),
    ('{"account":1,"server":"x"}', MANGLED, "its 26 characters hold no login"),
]


@pytest.mark.parametrize(("text", "code", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_repaired_is_refused_in_words(text: str, code: str, words: str) -> None:
    with pytest.raises(CredentialInvalid) as refused:
        read_credentials(text)

    assert (refused.value.code, refused.value.__context__) == (code, None)
    assert words in refused.value.problem
    assert not any(secret in said_by(refused) for secret in SECRETS)


def test_keys_written_twice_in_different_letters_are_not_merged() -> None:
    text = FRAME.replace('"isDemo":1', '"isDemo":1,"ISDEMO":0')

    assert read_credentials(text).frame.reveal() == text


def test_a_token_that_looks_like_a_key_is_not_respelt() -> None:
    text = FRAME.replace(TOKEN, "abc-Session-def")

    assert read_credentials(text).token.reveal() == "abc-Session-def"


# -- what is kept elsewhere ---------------------------------------------------------------------------------------------

ASSUMED = (
    "it does not say which account, so demo is assumed; for the real one give the frame with isDemo 0: "
    '42["authorization",{"session":"…","isDemo":0,"tournamentId":0}]'
)


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n", f"'{TOKEN}'", f"export QX_TOKEN={TOKEN}"])
def test_a_token_alone_is_taken_for_demo_with_a_warning_that_says_how_to_say_otherwise(text: str) -> None:
    read = read_credentials(text)

    assert (read.frame.reveal(), read.account, read.warnings) == (FRAME, Account.DEMO, (ASSUMED,))
    assert ("account", "demo, assumed") in read.facts


KEPT: dict[str, tuple[str, Account, tuple[str, ...]]] = {
    "one flat file": (json.dumps(FILE), Account.DEMO, (ASSUMED,)),
    "one account by e-mail": (json.dumps({"someone@example.org": FILE}, indent=2), Account.DEMO, (ASSUMED,)),
    "camel case": (
        json.dumps({"token": TOKEN, "cookies": COOKIES, "userAgent": AGENT, "timestamp": 1758800000000}),
        Account.DEMO,
        (ASSUMED,),
    ),
    "a frame inside": (
        json.dumps({**FILE, "token": "stale", "is_demo": True, "ssid": LIVE}),
        Account.LIVE,
        (),
    ),
    "a flag beside": (json.dumps({**FILE, "is_demo": False, "ssid": ""}), Account.LIVE, ()),
}


@pytest.mark.parametrize(("text", "account", "warnings"), KEPT.values(), ids=KEPT)
def test_session_files_of_public_clients_are_read_with_cookies_and_browser(
    text: str, account: Account, warnings: tuple[str, ...]
) -> None:
    read = read_credentials(text)

    assert (read.token.reveal(), read.account, read.warnings) == (TOKEN, account, warnings)
    assert [(name, value.reveal()) for name, value in read.cookies] == [
        ("laravel_session", "eyJpdiI6InNlY3JldCJ9"),
        ("lang", "en"),
        ("__cf_bm", "cf-secret-1"),
    ]
    assert read.user_agent == AGENT
    assert {("cookies", "3, of the web session"), ("user agent", "Firefox 140, X11")} <= set(read.facts)
    assert is_quotex_credential(text)
    assert not any(secret in f"{read!r} {read.facts}" for secret in SECRETS)


def test_a_token_in_the_field_of_the_browser_is_not_told_as_its_name() -> None:
    read = read_credentials(json.dumps({**FILE, "user_agent": TOKEN}))

    assert dict(read.facts)["user agent"] == "***"


@pytest.mark.parametrize(
    "text",
    [
        f'window.settings = {{"token":"{TOKEN}","csrf":"a;b","lang":"en"}};',
        f'{{"token":"{TOKEN}","csrf":"a;b"}}',
    ],
)
def test_the_settings_of_the_trade_page_are_read(text: str) -> None:
    assert read_credentials(text).frame.reveal() == FRAME
    assert is_quotex_credential(text)


def test_what_could_smuggle_a_header_is_left_out_and_said() -> None:
    read = read_credentials(
        json.dumps(
            {**FILE, "cookies": "good=1; bad=a\r\nHost: evil; =x", "user_agent": "a\r\nb", "isDemo": 1}
        )
    )

    assert request_headers(read, SOCKET) == (
        ("Origin", "https://qxbroker.com"),
        ("User-Agent", BROWSER),
        ("Cookie", "good=1"),
    )
    assert read.warnings == (
        "2 of its cookies cannot be sent: left out",
        "the user agent in it cannot be sent: left out",
    )


def test_cookies_in_a_form_nobody_knows_are_left_out_and_said() -> None:
    read = read_credentials(json.dumps({**FILE, "cookies": [{"name": "a"}], "isDemo": 1}))

    assert (read.cookies, read.warnings) == ((), ("its cookies are not one text, as a=b; c=d: left out",))


def test_the_mirror_is_visited_from_the_mirror() -> None:
    mirror = read_url("wss://ws2.market-qx.trade/socket.io/")
    assert request_headers(None, mirror)[0] == ("Origin", "https://market-qx.trade")


def test_the_upgrade_carries_origin_browser_and_the_cookies_that_came_along() -> None:
    assert request_headers(None, SOCKET) == (("Origin", "https://qxbroker.com"), ("User-Agent", BROWSER))
    assert request_headers(read_credentials(json.dumps(FILE)), SOCKET) == (
        ("Origin", "https://qxbroker.com"),
        ("User-Agent", AGENT),
        ("Cookie", COOKIES),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('42["authorization"', True),
        (OBJECT, True),
        (OTHER_BROKERS, False),
        (OTHER_BROKERS[10:-1], False),
        ('{"Authorization":"Bearer abc"}', False),
        ('{"token":"abc"}', False),
        ('{"email":"someone@example.org","password":"x"}', False),
        ('42["authorization/reject"]', False),
        (TOKEN, False),
        (COOKIES, False),
        ("", False),
    ],
)
def test_the_broker_is_known_by_its_frame_or_file_and_not_by_a_bare_token(text: str, expected: bool) -> None:
    assert is_quotex_credential(text) is expected


# -- any frame, any damage ----------------------------------------------------------------------------------------------

HOSTILE = [
    "[" * 65_000,
    '{"token":' * 7_000,
    "\\" * 65_000,
    '42["authorization",' + "\\" * 64_000 + '"',
    "%5B" * 20_000,
    "%255Bauthorization" * 3_000,
    "%25" * 21_000 + "5Bauthorization",
    "{ " * 32_000,
    '{"session' * 7_000,
    '42["authorization",{' + "'session':b," * 5_000 + "}",
    "[authorization " * 4_000,
    json.dumps({"token": TOKEN, "cookies": "a=b;" * 15_000}),
    json.dumps({"token": TOKEN, "cookies": " " * 60_000}),
    '{"' + "session" * 9_000,
    "a=" * 32_000,
    "window.settings=" * 4_000,
    ("[" + " " * 50) * 1_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_the_longest_hostile_texts_are_read_in_linear_time(text: str) -> None:
    started = time.thread_time()
    with suppress(CredentialInvalid):
        read_credentials(text)
    is_quotex_credential(text)

    assert time.thread_time() - started < 1.0


tokens = st.text(string.ascii_letters + string.digits, min_size=40, max_size=40)
json_values = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8)
extras = st.dictionaries(st.text(string.ascii_lowercase, max_size=5), json_values, max_size=2)


@st.composite
def logins(draw: st.DrawFn) -> dict[str, object]:
    return {
        "session": draw(tokens),
        "isDemo": draw(st.sampled_from([0, 1, True, False])),
        "tournamentId": draw(st.integers(0, 10**6)),
        "isFastHistory": draw(st.booleans()),
    }


def write(payload: dict[str, object], *, spaced: bool = False) -> str:
    return "42" + json.dumps(["authorization", payload], separators=(", ", ": ") if spaced else (",", ":"))


@given(login=logins(), extra=extras, spaced=st.booleans())
def test_what_a_frame_was_made_of_is_what_is_read(
    login: dict[str, object], extra: dict[str, object], spaced: bool
) -> None:
    frame = write(extra | login, spaced=spaced)

    read = read_credentials(frame)

    assert (read.frame.reveal(), read.token.reveal()) == (frame, login["session"])
    assert read.account is (Account.DEMO if login["isDemo"] else Account.LIVE)


LOSSLESS: dict[str, Callable[[str], str]] = {
    "as a text in JSON": json.dumps,
    "twice a text in JSON": lambda frame: json.dumps(json.dumps(frame)),
    "in single quotes": lambda frame: f"'{frame}'",
    "in a log line": lambda frame: f"09:12:44 > {frame} sent",
    "in a HAR entry": lambda frame: json.dumps({"type": "send", "data": frame}),
    "with a mark in front": lambda frame: "\ufeff" + frame + "\r\n",
    "without 42": lambda frame: frame[2:],
    "without ]": lambda frame: frame[:-1],
    "only the object": lambda frame: frame[len('42["authorization",') : -1],
    "in curly quotes": lambda frame: frame.replace('"', "“"),
    "URL-encoded": quote,
    "URL-encoded as a form": quote_plus,
    "with its keys in capitals": lambda frame: frame.replace("isDemo", "ISDEMO").replace(
        "session", "Session"
    ),
    "with a line break in it": lambda frame: frame[:40] + "\n" + frame[40:],
    "with an invisible sign in it": lambda frame: frame[:40] + "\u200b" + frame[40:],
    "in another program's file": lambda frame: json.dumps({"cookies": "", "token": "", "ssid": frame}),
}


@given(login=logins(), damage=st.sampled_from(sorted(LOSSLESS)))
@settings(max_examples=200)
def test_damage_that_loses_nothing_is_undone(login: dict[str, object], damage: str) -> None:
    read = read_credentials(LOSSLESS[damage](write(login)))

    assert json.loads(read.frame.reveal()[2:]) == ["authorization", login]


mutations = st.tuples(
    st.integers(0, 120), st.sampled_from(["", *"\"'\\{}[],: \n…”\u200b%", "..."]), st.integers(0, 3)
)


@given(login=logins(), cuts=st.lists(mutations, max_size=3), spaced=st.booleans())
@settings(max_examples=300)
def test_a_damaged_frame_reads_to_the_same_token_or_is_refused_without_it(
    login: dict[str, object], cuts: list[tuple[int, str, int]], spaced: bool
) -> None:
    token = str(login["session"])
    text = write(login, spaced=spaced)
    for at, sign, gone in cuts:
        if (
            f'"{token}"' in text[:at] or f'"{token}"' in text[at + gone :]
        ):  # damage of the token itself is another token
            text = text[:at] + sign + text[at + gone :]

    try:
        read = read_credentials(text)
    except CredentialInvalid as refused:
        said = f"{refused} {refused!r}"
    else:
        said = repr(read)
        assert read.token.reveal() == token

    assert token[:8] not in said


@given(login=logins(), data=st.data())
def test_a_cut_frame_is_whole_or_refused_but_never_another_frame(
    login: dict[str, object], data: st.DataObject
) -> None:
    frame = write(login)
    cut = frame[: data.draw(st.integers(0, len(frame) - 1))]

    try:
        read = read_credentials(cut)
    except CredentialInvalid as refused:
        said = f"{refused} {refused!r}"
    else:
        said = repr(read)
        kept = json.loads(read.frame.reveal()[2:])[1]
        assert kept == {key: login[key] for key in kept}

    assert str(login["session"])[:8] not in said


@given(st.text() | st.binary().map(lambda data: '42["authorization",' + data.decode("latin-1")))
def test_any_text_is_read_or_refused(text: str) -> None:
    is_quotex_credential(text)
    with suppress(CredentialInvalid):
        assert json.loads(read_credentials(text).frame.reveal()[2:])[0] == "authorization"


@given(
    st.dictionaries(st.sampled_from(["token", "ssid", "cookies", "user_agent", "isDemo", "a@b"]), json_values)
)
def test_any_file_is_read_or_refused(data: dict[str, object]) -> None:
    with suppress(CredentialInvalid):
        read_credentials(json.dumps(data))


# -- the other side -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "account", "tournament", "fast"),
    [
        ({"session": "abc", "isDemo": 1, "tournamentId": 0}, Account.DEMO, 0, False),
        ({"session": "abc", "isDemo": 0, "tournamentId": 7}, Account.LIVE, 7, False),
        ({"session": "abc", "isDemo": True}, Account.DEMO, 0, False),
        ({"session": "abc", "isDemo": False, "isFastHistory": True}, Account.LIVE, 0, True),
        ({"session": "abc", "isDemo": "x", "tournamentId": "x"}, Account.NONE, 0, False),
        ({"session": "abc"}, Account.NONE, 0, False),
    ],
)
def test_an_authorization_event_is_read_as_the_login_it_is(
    payload: dict[str, object], account: Account, tournament: int, fast: bool
) -> None:
    assert read_login_event(payload) == Login(
        frame=Secret(write(payload)),
        token=Secret("abc"),
        account=account,
        tournament=tournament,
        wants_fast_history=fast,
    )


NESTED: list[object] = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "payload", [None, 5, "42", [], {}, {"session": 5}, {"session": "abc", "x": NESTED}], ids=range(7)
)
def test_garbage_in_an_authorization_event_is_no_login(payload: object) -> None:
    assert read_login_event(payload) is None


@pytest.mark.parametrize("account", [Account.DEMO, Account.LIVE])
def test_what_the_simulator_writes_is_read_and_understood_by_both_sides(account: Account) -> None:
    written = write_credential(SimulatedAccount(account=account, user="7", token=TOKEN))

    read = read_credentials(written)
    login = read_login_event(json.loads(written[2:])[1])

    assert (read.token.reveal(), read.account, read.warnings) == (TOKEN, account, ())
    assert login == Login(frame=read.frame, token=read.token, account=account)
