import json
import string
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probe.brokers.pocketoption.php import PhpDamaged, read_php_array
from probe.brokers.pocketoption.ssid import is_pocketoption_frame, read_login_frame, read_ssid
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login

RAW, MANGLED, WRONG = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"

DEMO_ID = "k3vns0m3id0fthens7aaacqz9w"
DEMO = '42["auth",{"session":"k3vns0m3id0fthens7aaacqz9w","isDemo":1,"uid":12345678,"platform":2}]'
SESSION_ID, TRAILER = "5f3c09d1b27e4a8860aa17c3e4d29b51", "b7e01c66f2a94d3c8810d5e6fa7392c4"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHP = (
    'a:4:{s:10:"session_id";s:32:"5f3c09d1b27e4a8860aa17c3e4d29b51";s:10:"ip_address";s:11:"203.0.113.7";'
    's:10:"user_agent";s:70:"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";'
    's:13:"last_activity";i:1732926685;}b7e01c66f2a94d3c8810d5e6fa7392c4'
)
REAL = (
    r'42["auth",{"session":"a:4:{s:10:\"session_id\";s:32:\"5f3c09d1b27e4a8860aa17c3e4d29b51\";'
    r"s:10:\"ip_address\";s:11:\"203.0.113.7\";"
    r"s:10:\"user_agent\";s:70:\"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\";"
    r's:13:\"last_activity\";i:1732926685;}b7e01c66f2a94d3c8810d5e6fa7392c4","isDemo":0,"uid":12345678,"platform":2}]'
)
COOKIE = (
    "a%3A4%3A%7Bs%3A10%3A%22session_id%22%3Bs%3A32%3A%225f3c09d1b27e4a8860aa17c3e4d29b51%22%3Bs%3A10%3A%22ip_address"
    "%22%3Bs%3A11%3A%22203.0.113.7%22%3Bs%3A10%3A%22user_agent%22%3Bs%3A70%3A%22Mozilla%2F5.0+%28X11%3B+Linux+x86_64"
    "%3B+rv%3A140.0%29+Gecko%2F20100101+Firefox%2F140.0%22%3Bs%3A13%3A%22last_activity%22%3Bi%3A1732926685%3B%7D"
    "b7e01c66f2a94d3c8810d5e6fa7392c4"
)

AS_IT_IS = [
    DEMO,
    REAL,
    '42["auth", {"session": "k3vns0m3id0fthens7aaacqz9w", "isDemo": 1, "uid": "12345678", "platform": 1}]',
    '42["auth" ,\n {"session":"0123456789abcdef0123456789abcdef","isDemo":true,"uid":1,"platform":3} ]',
    '42["auth",{"isDemo":1,"uid":7,"session":"k3vns0m3id","platform":2,"isFastHistory":true,"isOptimized":true}]',
    '42["auth",{"session":"k3vns0m3id0fthens7","isDemo":1,"uid":7,"platform":2,"new":{"a":[1.5,null]},"ü":"é"}]',
    REAL.replace('"isDemo":0', '"isDemo":1'),
    REAL.replace('"isDemo":0', '"isDemo":false'),
    REAL.replace("b7e01c66f2a94d3c8810d5e6fa7392c4", ""),
    '42["auth",{"token":"guest8f7e6d5c4b3a","balance":50000,"isFastHistory":true}]',
]


@pytest.mark.parametrize("text", AS_IT_IS, ids=range(len(AS_IT_IS)))
def test_an_undamaged_frame_is_sent_byte_for_byte_and_without_a_warning(text: str) -> None:
    read = read_ssid(text)

    assert (read.frame.reveal(), read.warnings) == (text, ())
    assert is_pocketoption_frame(text)


def test_a_demo_frame_says_what_can_be_read_offline() -> None:
    read = read_ssid(DEMO)

    assert (read.broker, read.token, read.account, read.user, read.user_agent) == (
        "pocketoption",
        Secret(DEMO_ID),
        Account.DEMO,
        "12345678",
        None,
    )
    assert read.facts == (
        ("account", "demo, by its own claim"),
        ("user id", "12345678"),
        ("platform", "2, the usual one"),
        ("session form", "demo id, 26 characters"),
        ("session length", "26 characters"),
        ("fingerprint", "77d28f"),
    )


def test_a_real_session_tells_address_browser_and_last_activity() -> None:
    read = read_ssid(REAL)

    assert (read.token.reveal(), read.account, read.user_agent) == (PHP, Account.LIVE, AGENT)
    assert dict(read.facts) == {
        "account": "real, by its own claim",
        "user id": "12345678",
        "platform": "2, the usual one",
        "session form": "PHP session of a real account",
        "IP address": "203.0.113.7",
        "user agent": "Firefox 140, X11",
        "last activity": "2024-11-30T00:31:25Z",
        "session length": "263 characters",
        "fingerprint": "50d1b3",
    }
    assert SESSION_ID not in repr(read)
    assert TRAILER not in repr(read)


def test_a_guest_has_a_demo_account_and_no_user() -> None:
    read = read_ssid('42["auth",{"token":"guest8f7e6d5c4b3a","balance":50000,"isFastHistory":true}]')

    assert (read.token.reveal(), read.account, read.user) == ("guest8f7e6d5c4b3a", Account.DEMO, None)


QUOTES_OFF = "the quotes around it were taken off"
NOT_ESCAPED = "the quotes inside the session were not escaped: they are now"
ESCAPED_ONCE = "it was escaped once as a text inside JSON: undone"
ESCAPED_TWICE = "it was escaped twice as a text inside JSON: undone"
AS_JSON = "quotes or commas in it were missing or not as JSON has them: put right"
DOUBLED = "quotes or backslashes in it were doubled or left over: undone"
OBJECT_ONLY = 'only the object in braces was given: 42["auth", and ] were put around it'
WHITE = "white space or a line end around it was left out"


def joined_lines(how: str, at: int) -> str:
    return f"line breaks inside it (the first at character {at} of the frame) were {how}"


def left_out(count: int, where: str) -> str:
    return f"the {count} characters {where} the frame were left out"


REPAIRED: list[tuple[str, str, tuple[str, ...]]] = [
    (DEMO + "\n", DEMO, (WHITE,)),
    (" " + REAL + "\r\n", REAL, (WHITE,)),
    (
        "\ufeff" + DEMO,
        DEMO,
        ("an invisible sign at its beginning or end (U+FEFF) was left out",),
    ),
    (f"'{DEMO}'", DEMO, (QUOTES_OFF,)),
    (f'"{REAL}"', REAL, (QUOTES_OFF,)),
    (f"`{DEMO}`", DEMO, (QUOTES_OFF,)),
    (f"\"'{DEMO}'\"", DEMO, (QUOTES_OFF,)),
    (f"“{DEMO}”", DEMO, (QUOTES_OFF,)),
    (DEMO[10:-1], DEMO, (OBJECT_ONLY,)),
    (REAL[10:-1], REAL, (OBJECT_ONLY,)),
    (
        r'"{\"session\":\"k3vns0m3id0fthens7aaacqz9w\",\"isDemo\":1,\"uid\":12345678,\"platform\":2}"',
        DEMO,
        (QUOTES_OFF, OBJECT_ONLY, ESCAPED_ONCE),
    ),
    (DEMO[:-1], DEMO, ("the closing ] was missing: added",)),
    (DEMO[:-2], DEMO, ("the closing }] was missing: added; if more was cut off, it is lost",)),
    (DEMO[2:], DEMO, ("the 42 in front was missing: added",)),
    ("451-" + DEMO[2:], DEMO, ("the message began with 451-: replaced by 42",)),
    ("420" + DEMO[2:], DEMO, ("the message began with another number: replaced by 42",)),
    ("42 " + DEMO[2:], DEMO, ("white space behind 42 was removed",)),
    (
        DEMO.replace('"', "”"),
        DEMO,
        (
            "curly quotes or invisible signs (12; the first is U+201D at character 4 of the frame) were replaced by plain ones",
        ),
    ),
    (
        "42[‘auth’,{‘session’:‘k3vns0m3id0fthens7aaacqz9w’,‘isDemo’:1,‘uid’:12345678,‘platform’:2}]",
        DEMO,
        (
            "curly quotes or invisible signs (12; the first is U+2018 at character 4 of the frame) were replaced by plain ones",
            AS_JSON,
        ),
    ),
    (
        DEMO.replace("m3id", "m3\u200bid"),
        DEMO,
        (
            "curly quotes or invisible signs (1; the first is U+200B at character 31 of the frame) were replaced by plain ones",
        ),
    ),
    (json.dumps(DEMO), DEMO, (QUOTES_OFF, ESCAPED_ONCE)),
    (json.dumps(json.dumps(REAL)), REAL, (QUOTES_OFF, ESCAPED_TWICE)),
    (
        r"42[\"auth\",{\"session\":\"k3vns0m3id0fthens7aaacqz9w\",\"isDemo\":1,\"uid\":12345678,\"platform\":2}]",
        DEMO,
        (ESCAPED_ONCE,),
    ),
    (REAL.replace(r"\"", r"\\\""), REAL, (DOUBLED, NOT_ESCAPED)),
    (REAL.replace(r"\"", '"'), REAL, (NOT_ESCAPED,)),
    # an escaped letter, two bytes to PHP, in a session whose quotes are not escaped
    (
        REAL.replace(r"\"", '"').replace("Linux ", r"Linu\u00fc"),
        REAL.replace("Linux ", r"Linu\u00fc"),
        (DOUBLED, NOT_ESCAPED, "the session names no user agent that could be sent"),
    ),
    ("42[auth,{session:k3vns0m3id0fthens7aaacqz9w,isDemo:1,uid:12345678,platform:2}]", DEMO, (AS_JSON,)),
    (
        "42[auth, {session: k3vns0m3id0fthens7aaacqz9w, isDemo: 1, uid: 12345678, platform: 2}]",
        DEMO,
        (AS_JSON,),
    ),
    (
        "42['auth',{'session':'k3vns0m3id0fthens7aaacqz9w','isDemo':1,'uid':12345678,'platform':2}]",
        DEMO,
        (AS_JSON,),
    ),
    ('"' + DEMO.replace('"', '""') + '"', DEMO, (QUOTES_OFF, AS_JSON)),
    (DEMO.replace('"}', '",}').replace("2}", "2,}"), DEMO, (AS_JSON,)),
    # What Windows makes of the frame of a real account: the escaped quotes survive as quotes.
    (REAL.replace(r"\"", "\0").replace('"', "").replace("\0", '"'), REAL, (NOT_ESCAPED, AS_JSON)),
    (DEMO.replace("m3id", "m3\nid"), DEMO, (joined_lines("removed", 31),)),
    (DEMO.replace("345678", "345\r\n  678"), DEMO, (joined_lines("removed", 73),)),
    (REAL.replace("09d1", "09\n d1"), REAL, (joined_lines("removed", 61),)),
    (REAL.replace("X11; Linux", "X11;\nLinux"), REAL, (joined_lines("replaced by spaces", 175),)),
    (f"ws.send('{DEMO}');", DEMO, (left_out(8, "in front of"), left_out(2, "behind"))),
    (f"SSID={DEMO}", DEMO, (left_out(5, "in front of"),)),
    (f"export PO_SSID='{DEMO}'", DEMO, (left_out(15, "in front of"),)),
    (
        f"2026-01-05 09:12:44 INFO [auth] sent {DEMO} ok",
        DEMO,
        (left_out(36, "in front of"), left_out(2, "behind")),
    ),
    (
        json.dumps({"type": "send", "opcode": 1, "data": REAL}),
        REAL,
        (left_out(38, "in front of"), ESCAPED_ONCE),
    ),
    (
        "ws.send('" + REAL.replace("\\", "\\\\") + "')",
        REAL,
        (left_out(8, "in front of"), DOUBLED, NOT_ESCAPED, left_out(1, "behind")),
    ),
    (
        '42["auth",{"session":"' + COOKIE + '","isDemo":0,"uid":12345678,"platform":2}]',
        REAL,
        ("the session was URL-encoded, as in a cookie: decoded", NOT_ESCAPED),
    ),
    (
        '42["auth",' + json.dumps(DEMO[10:-1]) + "]",
        DEMO,
        ("the object inside was a text with escaped quotes: undone",),
    ),
]


@pytest.mark.parametrize(("text", "frame", "warnings"), REPAIRED, ids=range(len(REPAIRED)))
def test_damage_with_one_repair_is_repaired_and_said(
    text: str, frame: str, warnings: tuple[str, ...]
) -> None:
    read = read_ssid(text)

    assert (read.frame.reveal(), read.warnings) == (frame, warnings)
    assert is_pocketoption_frame(text)


REFUSED: list[tuple[str, str, str]] = [
    ("", MANGLED, "it is empty"),
    (" \r\n\ufeff", MANGLED, "it is empty: 4 characters and nothing but white space"),
    ("x" * 65_537, MANGLED, "it has 65537 characters"),
    (DEMO_ID, RAW, "it is a single word of 26 characters, lowercase letters and digits"),
    ("SSID=" + DEMO_ID, RAW, "it is a single word of 26 characters"),
    (SESSION_ID, RAW, "it is a single word of 32 characters, all hexadecimal digits"),
    (PHP, RAW, "it is the session of a real account alone"),
    (COOKIE, RAW, "it is the session of a real account alone"),
    ("PHPSESSID=abc; ci_session=" + COOKIE, RAW, "it is the session of a real account alone"),
    (DEMO.replace("12345678", "0"), RAW, "its uid is 0"),
    (DEMO.replace("12345678", '"0"'), RAW, "its uid is 0"),
    (
        '42["auth",{"sessionToken":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","uid":"123","lang":"en","isChart":1}]',
        WRONG,
        "it has sessionToken instead of session, the login of the chart socket. The server accepts it without a word",
    ),
    ('42["user_init",{"id":1,"secret":"9c8b7a6d5e4f3021"}]', WRONG, "the login of the chat"),
    ('42["auth",{"id":1,"secret":"9c8b7a6d5e4f3021"}]', WRONG, "the login of the chat"),
    ('42["authorization",{"session":"Zq81mmBx07","isDemo":1,"tournamentId":0}]', WRONG, "Quotex's login"),
    ('42["ps"]', WRONG, "its event is not auth"),
    ('42["auth/success"]', WRONG, "its event is not auth"),
    ('451-["successauth",{"_placeholder":true,"num":0}]', WRONG, "its event is not auth"),
    ('40{"sid":"k3VnS0m3Id0fTheNsAAAAC"}', WRONG, "a message that opens or ends a connection"),
    ("PHPSESSID=5f3c09d1b27e4a8860aa17c3e4", WRONG, "a cookie of the web site"),
    ("cf_clearance=aZ9.x-1732926685-1.2.1.1", WRONG, "a cookie of the web site"),
    ("wss://demo-api-eu.po.market/socket.io/?EIO=4", WRONG, "it is a URL"),
    ("env:PO_SESSION", MANGLED, "it is a reference"),
    ("$PO_SESSION", MANGLED, "the name of a variable that nothing replaced"),
    ("%PO_SESSION%", MANGLED, "the name of a variable that nothing replaced"),
    (
        DEMO[:40],
        MANGLED,
        "it ends inside the text that begins at character 22 of the frame: the rest was cut off",
    ),
    (DEMO[:70], MANGLED, "it was cut off after character 70 of the frame, perhaps in the middle of a number"),
    (DEMO[:60], MANGLED, "it has no uid, the user's number (found after this: the closing }] was missing"),
    ('"' + DEMO[:35], MANGLED, "it ends inside the text"),
    (DEMO[8:], MANGLED, "not its beginning"),
    (REAL[:118], MANGLED, "damaged at its character 82: a string of 11 bytes begins here and is not closed"),
    (REAL[:90], MANGLED, "damaged at its character 64: it ends in the middle"),
    (REAL.replace("5f3c09", "5f3c"), MANGLED, "character 24: a string says it has 32 bytes and has 30"),
    (REAL.replace("x86_64", "é86_64"), MANGLED, "a string says it has 70 bytes and has 71"),
    (REAL.replace("7392c4", ""), MANGLED, "26 characters follow the session's closing brace"),
    (REAL.replace("a:4", "a:5"), MANGLED, "PHP's notation is broken here"),
    (REAL.replace("session_id", "session_ix"), MANGLED, "a PHP array without a session_id"),
    (
        REAL.replace("\\", "").replace('"', ""),
        MANGLED,
        "the quotes inside the real account's session are gone",
    ),
    (DEMO + "\n" + DEMO, MANGLED, "2 login frames are in it"),
    (DEMO.replace("m3id0fthens7", "…"), MANGLED, "a part of it is left out where three dots stand"),
    (DEMO.replace(DEMO_ID, "k3vns0m3i"), MANGLED, "its session has 9 characters"),
    (DEMO.replace(DEMO_ID, "k3vns0m3id 0fthens7"), MANGLED, "the sign U+0020 at character 11 of its session"),
    (DEMO.replace(DEMO_ID, r"k3vns0m3id\ud800"), MANGLED, "the sign U+D800 at character 11 of its session"),
    (
        DEMO.replace(DEMO_ID, "1234567890").replace("12345678,", "1234567890,"),
        MANGLED,
        "its session is the user id",
    ),
    (DEMO.replace(f'"{DEMO_ID}"', "12345678901"), MANGLED, "its session is not a text"),
    (DEMO.replace(f'"session":"{DEMO_ID}",', ""), MANGLED, "none of its 3 keys is session"),
    (DEMO.replace('"isDemo":1', '"isDemo":2'), MANGLED, "its isDemo is neither 0 nor 1"),
    (DEMO.replace('"isDemo":1', '"isDemo":1.0'), MANGLED, "its isDemo is neither 0 nor 1"),
    (DEMO.replace('"isDemo":1,', ""), MANGLED, "it has no isDemo"),
    (DEMO.replace(',"uid":12345678', ""), MANGLED, "it has no uid"),
    (DEMO.replace("12345678", "-5"), MANGLED, "its uid is not a positive whole number"),
    (DEMO.replace("12345678", "true"), MANGLED, "its uid is not a positive whole number"),
    (DEMO.replace("12345678", "9" * 400), MANGLED, "its uid is not a positive whole number"),
    (DEMO.replace("12345678", "9" * 5000), MANGLED, "a number no broker sends"),
    (DEMO.replace("12345678", "NaN"), MANGLED, "a number no broker sends"),
    (DEMO.replace("12345678", "[" * 10_000 + "]" * 10_000), MANGLED, "more brackets inside brackets"),
    ("42" + '["auth",' * 3000, MANGLED, "3000 login frames"),
    ('42["auth"', MANGLED, "it was cut off after character 9 of the frame"),
    ('42["auth"]', MANGLED, '"auth" is not followed by one object in braces'),
    ('42["auth",["k3vns0m3id0fthens7"]]', MANGLED, '"auth" is not followed by one object in braces'),
    (DEMO.replace("auth", "auth "), MANGLED, 'its event is almost, but not exactly, "auth"'),
    (
        REAL.replace('\\"', '"').replace("auth", "auth "),
        MANGLED,
        'its event is almost, but not exactly, "auth"',
    ),
    (
        REAL.replace('\\"', '"').replace('"uid"', '"x":"ThePhpSession","uid"'),
        MANGLED,
        "the session in it is whole, but the frame around it cannot be read",
    ),
    ("42[auth,{session:k3vns0m3id0f,session:thens7aaacqz9w,isDemo:1,uid:5}]", MANGLED, "its quotes are gone"),
    ("42[auth,{session:k3vns0m3id0f,isDemo:1,uid:5,x:NaN}]", MANGLED, "its quotes are gone"),
    (
        '42["auth",' + json.dumps(DEMO[10:-1].replace("2}", '2,"x":"\ud800"}')) + "]",
        MANGLED,
        "is half of a character pair",
    ),
    (DEMO + "\udc80", MANGLED, "is half of a character pair (or a byte that is not UTF-8)"),
    ("\0".join(DEMO), MANGLED, "character 2 is a zero byte, as in a file that Windows saved as Unicode"),
    (DEMO.replace("m3", "\ufffd"), MANGLED, "stands for a byte that was lost"),
    ("hello", MANGLED, "its 5 characters hold no login"),
    ('{"account":1,"server":"x"}', MANGLED, "its 26 characters hold no login"),
]


@pytest.mark.parametrize(("text", "code", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_repaired_is_refused_in_words(text: str, code: str, words: str) -> None:
    with pytest.raises(CredentialInvalid) as refused:
        read_ssid(text)

    assert (refused.value.code, refused.value.__context__) == (code, None)
    assert words in refused.value.problem
    for secret in (DEMO_ID, SESSION_ID, TRAILER, DEMO_ID[:8], SESSION_ID[:8], "8b7a6d5e4f"):
        assert secret not in f"{refused.value} {refused.value!r}"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            DEMO.replace('"isDemo":1', '"isDemo":0'),
            "isDemo is 0, a real account, but the session has not the form real accounts have",
        ),
        (DEMO.replace('"platform":2', '"platform":9'), "platform is none of 1, 2 and 3"),
        (DEMO.replace('"platform":2', '"platform":[]'), "platform is none of 1, 2 and 3"),
        (DEMO.replace(',"platform":2', ""), "platform is missing"),
        (REAL.replace("Linux", r"Li\nux"), "the session names no user agent that could be sent"),
    ],
)
def test_what_may_still_work_is_sent_with_a_warning(text: str, warning: str) -> None:
    read = read_ssid(text)

    assert (read.frame.reveal(), read.warnings) == (text, (warning,))


def test_facts_that_cannot_be_true_are_left_out() -> None:
    read = read_ssid(
        REAL.replace("203.0.113.7", r"fe80::1%\u001b")
        .replace("s:11:", "s:9:")
        .replace("i:1732926685", "i:1732926685000")
    )

    assert not {"IP address", "last activity"} & dict(read.facts).keys()


def test_a_fault_that_no_repair_cures_is_told_without_the_repairs() -> None:
    with pytest.raises(CredentialInvalid) as refused:
        read_ssid(DEMO.replace("12345678", '0,"x":"“"'))

    assert refused.value.problem == (
        "The SSID is only a part of the login: its uid is 0, as programs write when they were given the session alone"
    )


def test_a_user_agent_that_could_smuggle_a_header_is_not_handed_on() -> None:
    assert read_ssid(REAL.replace("X11; Linux", r"X11\r\nLinux")).user_agent is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('42["auth"', True),
        ('42["user_init",{"id":1,"secret":"9c8b7a6d5e4f3021"}]', True),
        ('{"session":"k3vns0m3id0fthens7","isDemo":1,"uid":5}', True),
        ('{"session":"Zq81mmBx07","isDemo":1,"tournamentId":0}', False),
        ('42["authorization",{"session":"Zq81mmBx07","isDemo":1,"tournamentId":0}]', False),
        ('42["auth/success"]', False),
        ('{"token":"abc"}', False),
        (DEMO_ID, False),
        (PHP, False),
        ("", False),
        ("wss://host/socket.io/?EIO=4", False),
    ],
)
def test_the_broker_is_known_by_its_frame_and_not_by_a_bare_token(text: str, expected: bool) -> None:
    assert is_pocketoption_frame(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "[" * 65_000,
        '{"a":' * 13_000,
        "\\" * 65_000,
        '42["auth",' + "\\" * 64_000 + '"',
        '42[\\"auth' + '\\"' * 32_000,
        '"' * 65_000,
        "\r" * 64_000 + "x",
        '42["auth",{' + "\r" * 64_000 + "x",
        "7" * 64_000 + "x",
        '42["auth",{' + "\\" * 64_000 + "x",
        "42[auth,{“\r\n" + ",".join(f"a{n}:b" for n in range(8_000)) + ',\\"}]a%3A4%3A%7B',
        '42["auth",{' + "'a':b," * 10_000 + "}",
        "42[auth,{" + "'" * 64_000 + ":" + "'" * 500 + "}]",
        "42[auth,{a:" + "'" * 64_000 + "!}]",
        '42["auth",{"session":"' + "a:9:{" * 12_000,
        '42["auth",{"session":"a:9999:{' + 'i:1;s:1:"a";' * 5_000 + '"',
        '42["auth",{"session":"a:4:{' + 's:9:"' * 12_000 + '…\r\n“\\\\"',
        "a%3A4%3A%7B" * 5_000,
        '42["auth",{"session":"' + "a%3A4%3A%7B" * 5_000 + '\r\n“\\\\"}',
        " \ufeff" * 32_000 + "x",
        "[ " * 32_000,
        "{" + " " * 65_000,
    ],
    ids=range(22),
)
def test_the_longest_hostile_texts_are_read_in_linear_time(text: str) -> None:
    started = time.thread_time()
    with pytest.raises(CredentialInvalid):
        read_ssid(text)
    is_pocketoption_frame(text)

    assert time.thread_time() - started < 1.0  # a quadratic pattern takes a minute


# -- any frame, any damage ----------------------------------------------------------------------------------------------

demo_ids = st.text(string.ascii_lowercase + string.digits, min_size=26, max_size=26)
json_values = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8)


@st.composite
def php_sessions(draw: st.DrawFn) -> str:
    agent = draw(st.text(string.ascii_letters + string.digits + " /.;()é\"'", max_size=60))
    fields = {
        "session_id": draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        "ip_address": draw(st.ip_addresses().map(str)),
        "user_agent": agent,
    }
    inside = "".join(
        f's:{len(key)}:"{key}";s:{len(value.encode())}:"{value}";' for key, value in fields.items()
    )
    trailer = draw(st.sampled_from(["", "b7e01c66f2a94d3c8810d5e6fa7392c4"]))
    return f'a:4:{{{inside}s:13:"last_activity";i:{draw(st.integers(1, 2**31))};}}{trailer}'


@st.composite
def logins(draw: st.DrawFn, sessions: st.SearchStrategy[str] = demo_ids) -> dict[str, object]:
    uid = draw(st.integers(1, 10**9))
    return {
        "session": draw(sessions),
        "isDemo": draw(st.sampled_from([0, 1, True, False])),
        "uid": draw(st.sampled_from([uid, str(uid)])),
        "platform": draw(st.integers(1, 3)),
        "isFastHistory": draw(st.booleans()),
        "currentUrl": draw(st.sampled_from(["cabinet/demo-quick-high-low", "true/false", "isDemo/1"])),
        "isChart": draw(st.integers(0, 1)),
        "lang": "en",
    }


def write(payload: dict[str, object], *, spaced: bool = False) -> str:
    return "42" + json.dumps(["auth", payload], separators=(", ", ": ") if spaced else (",", ":"))


@given(
    login=logins(demo_ids | php_sessions()),
    extra=st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6), json_values, max_size=3
    ),
    spaced=st.booleans(),
)
def test_what_a_frame_was_made_of_is_what_is_read(
    login: dict[str, object], extra: dict[str, object], spaced: bool
) -> None:
    frame = write(extra | login, spaced=spaced)

    read = read_ssid(frame)

    assert read.frame.reveal() == frame
    assert read.token.reveal() == login["session"]
    assert read.account is (Account.DEMO if login["isDemo"] else Account.LIVE)
    assert read.user == str(login["uid"])


LOSSLESS: dict[str, Callable[[str], str]] = {
    "as a text in JSON": json.dumps,
    "twice a text in JSON": lambda frame: json.dumps(json.dumps(frame)),
    "in single quotes": lambda frame: f"'{frame}'",
    "in a log line": lambda frame: f"09:12:44 > {frame} sent",
    "in a HAR entry": lambda frame: json.dumps({"type": "send", "data": frame}),
    "with a mark in front": lambda frame: "\ufeff" + frame + "\r\n",
    "without 42": lambda frame: frame[2:],
    "without ]": lambda frame: frame[:-1],
    "only the object": lambda frame: frame[10:-1],
    "with its inner quotes not escaped": lambda frame: frame.replace('\\"', '"'),
    "with its inner quotes escaped twice": lambda frame: frame.replace('\\"', '\\\\\\"'),
    "in curly quotes": lambda frame: frame if '\\"' in frame else frame.replace('"', "“"),
}


@given(login=logins(demo_ids | php_sessions()), damage=st.sampled_from(sorted(LOSSLESS)))
@settings(max_examples=300)
def test_damage_that_loses_nothing_is_undone(login: dict[str, object], damage: str) -> None:
    read = read_ssid(LOSSLESS[damage](write(login)))

    assert read.token.reveal() == login["session"]
    assert json.loads(read.frame.reveal()[2:]) == ["auth", login]


def test_quotes_at_the_edge_of_a_text_are_not_taken_for_doubled_ones() -> None:
    fields = f's:10:"session_id";s:32:"{"0" * 32}";s:10:"user_agent";s:3:""é";s:13:"last_activity";i:1;'
    login = {"session": f"a:3:{{{fields}}}", "isDemo": 0, "uid": 1, "platform": 1}

    read = read_ssid(LOSSLESS["with its inner quotes not escaped"](write(login)))

    assert read.token.reveal() == login["session"]


@given(login=logins(), at=st.integers(12, 80), sign=st.sampled_from(["\n", "\r\n", "\n  "]))
def test_a_line_break_anywhere_changes_nothing(login: dict[str, object], at: int, sign: str) -> None:
    frame = write(login)

    read = read_ssid(frame[:at] + sign + frame[at:])

    assert json.loads(read.frame.reveal()[2:]) == ["auth", login]


@given(login=logins())
def test_quotes_eaten_by_a_shell_are_put_back_for_a_demo_session(login: dict[str, object]) -> None:
    read = read_ssid(write(login).replace('"', ""))

    assert json.loads(read.frame.reveal()[2:]) == ["auth", login | {"uid": int(str(login["uid"]))}]


@given(login=logins(demo_ids | php_sessions()), data=st.data())
def test_a_cut_frame_is_whole_or_refused_but_never_another_frame(
    login: dict[str, object], data: st.DataObject
) -> None:
    frame = write(login)
    secret = str(login["session"])
    cut = frame[: data.draw(st.integers(0, len(frame) - 1))]

    try:
        read = read_ssid(cut)
    except CredentialInvalid as refused:
        said = f"{refused} {refused!r}"
    else:
        said = repr(read)
        kept = json.loads(read.frame.reveal()[2:])[1]
        assert kept == {key: login[key] for key in kept}

    assert secret not in said
    assert secret[-24:] not in said


@given(st.text() | st.binary().map(lambda data: '42["auth",' + data.decode("latin-1")))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CredentialInvalid):
        assert json.loads(read_ssid(text).frame.reveal()[2:])[0] == "auth"


# -- the other side -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "rights", "account", "user", "fast"),
    [
        (
            {"session": "abc", "isDemo": 1, "uid": 5, "isFastHistory": True},
            "trading",
            Account.DEMO,
            "5",
            True,
        ),
        ({"session": PHP, "isDemo": False, "uid": "5"}, "trading", Account.LIVE, "5", False),
        ({"session": "abc", "isDemo": "x", "uid": {}}, "trading", Account.NONE, None, False),
        ({"session": "abc", "isDemo": 1, "uid": 0}, "trading", Account.DEMO, None, False),
        ({"sessionToken": "abc", "uid": "123", "isChart": 1}, "chart", Account.NONE, "123", False),
        ({"token": "abc", "balance": 50000, "isFastHistory": 1}, "guest", Account.DEMO, None, True),
    ],
)
def test_an_auth_event_is_read_as_the_login_it_is(
    payload: dict[str, object], rights: str, account: Account, user: str | None, fast: bool
) -> None:
    login = read_login_frame(payload)

    token = str(payload.get("session") or payload.get("sessionToken") or payload.get("token"))
    assert login == Login(
        frame=Secret(write(payload)),
        token=Secret(token),
        account=account,
        user=user,
        rights=rights,
        wants_fast_history=fast,
    )


NESTED: list[object] = []
for _ in range(100_000):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    "payload",
    [None, 5, "42", [], {}, {"session": 5}, {"session": None, "uid": 1}, {"session": "abc", "x": NESTED}],
    ids=range(8),
)
def test_garbage_in_an_auth_event_is_no_login(payload: object) -> None:
    assert read_login_frame(payload) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:0:{}", {}),
        ('a:1:{i:7;s:2:"é";}', {7: "é"}),
        ('a:2:{s:1:"a";b:1;s:1:"b";N;}', {"a": True, "b": None}),
        ('a:1:{s:1:"a";a:1:{i:0;d:1.5;}}', {"a": {0: "1.5"}}),
        ('a:1:{s:1:"a";s:4:"";";";}', {"a": '";";'}),
    ],
)
def test_php_arrays_are_read_as_php_does(text: str, expected: dict[object, object]) -> None:
    assert read_php_array("<" + text + ">", 1) == (expected, len(text) + 1)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("a:1:{}", 6),
        ('a:1:{i:1;s:1:"é";}', 10),
        ("a:1:{a:0:{}i:1;}", 6),
        ("a:1:{i:0;" * 9 + "}" * 9, 73),
    ],
)
def test_broken_php_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(PhpDamaged) as damaged:
        read_php_array(text)

    assert damaged.value.position == position


def test_a_number_beyond_all_measure_is_damage() -> None:
    with pytest.raises(CredentialInvalid) as refused:
        read_ssid(
            '42["auth",{"session":"k3vns0m3id0fthens7saaacqz9","isDemo":1,"uid":12345678,"platform":1e999}]'
        )
    assert refused.value.code == "cfg.ssid-mangled"
