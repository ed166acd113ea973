from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.model.credentials import Secret
from probe.model.endpoint import Address
from probe.model.failures import Failure
from probe.model.proxy import Login, Proxy, Scheme
from probe.wire.tunnel import Tunnel, tunnel_through

LOGIN = Login(Secret("somebody"), Secret("correct-horse"))
BASIC = "c29tZWJvZHk6Y29ycmVjdC1ob3JzZQ=="  # that login, base64
TARGET = Address(secure=True, host="broker.example", port=443, path="/")
HTTP = Proxy(scheme=Scheme.HTTP, host="proxy.example", port=3128)
HTTP_LOGIN = Proxy(scheme=Scheme.HTTP, host="proxy.example", port=3128, login=LOGIN)
SOCKS = Proxy(scheme=Scheme.SOCKS5, host="proxy.example", port=1080)
SOCKS_LOGIN = Proxy(scheme=Scheme.SOCKS5, host="proxy.example", port=1080, login=LOGIN)
YES = b"HTTP/1.1 200 Connection established\r\n\r\n"
BOUND = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


def at_once(replies: bytes) -> list[bytes]:
    return [replies]


def byte_by_byte(replies: bytes) -> list[bytes]:
    return [replies[at : at + 1] for at in range(len(replies))]


Cut = Callable[[bytes], list[bytes]]
both_ways = pytest.mark.parametrize("cut", [at_once, byte_by_byte])


def play(tunnel: Tunnel, pieces: list[bytes], *, ends: bool = False) -> bytes:
    """What the tunnel says. The stream is its own until it is open or has failed."""
    said = tunnel.begin()
    for piece in pieces:
        if tunnel.open or tunnel.failure:
            break
        said += tunnel.receive(piece)
    else:
        if ends:
            tunnel.receive_end()
    return said


def failure_after(proxy: Proxy, replies: bytes) -> Failure:
    """The same, however the replies are cut up."""
    kinds = set()
    failure = None
    for cut in (byte_by_byte, at_once):
        tunnel = tunnel_through(proxy, TARGET)
        play(tunnel, cut(replies), ends=True)
        failure = tunnel.failure
        assert failure is not None
        assert not tunnel.open
        kinds.add(failure.kind)
    assert len(kinds) == 1
    assert failure is not None
    return failure


# -- HTTP CONNECT ------------------------------------------------------------------------------------------------------


def test_a_connect_request_names_the_target_as_it_is() -> None:
    tunnel = tunnel_through(HTTP, TARGET)
    assert tunnel.begin() == b"CONNECT broker.example:443 HTTP/1.1\r\nHost: broker.example:443\r\n\r\n"


def test_an_ipv6_target_stands_in_brackets() -> None:
    target = Address(secure=True, host="2001:db8::1", port=8443, path="/")
    assert tunnel_through(HTTP, target).begin().startswith(b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\n")


def test_a_login_is_sent_as_basic() -> None:
    sent = tunnel_through(HTTP_LOGIN, TARGET).begin()
    assert f"\r\nProxy-Authorization: Basic {BASIC}\r\n\r\n".encode() in sent


@pytest.mark.parametrize(
    "yes",
    [
        YES,
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 204 Fine\nServer: x\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nVia: 1.1 x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + YES,
    ],
)
@both_ways
def test_any_2xx_opens_the_tunnel(cut: Cut, yes: bytes) -> None:
    tunnel = tunnel_through(HTTP, TARGET)
    play(tunnel, cut(yes))
    assert (tunnel.open, tunnel.failure) == (True, None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (407, "tcp.proxy-auth"),
        (401, "tcp.proxy-auth"),
        (403, "tcp.proxy-denied"),
        (302, "tcp.proxy-denied"),
        (500, "tcp.proxy-no-target"),
        (502, "tcp.proxy-no-target"),
        (503, "tcp.proxy-no-target"),
        (504, "tcp.proxy-no-target"),
        (400, "tcp.proxy-protocol"),
        (405, "tcp.proxy-protocol"),
        (501, "tcp.proxy-protocol"),
    ],
)
def test_a_refusal_is_told_by_its_status_and_by_what_the_proxy_calls_itself(status: int, kind: str) -> None:
    head = f"HTTP/1.1 {status} Some Reason\r\nVia: 1.1 gate (squid/6)\r\nX-Other: no\r\n\r\n<html>"
    failure = failure_after(HTTP, head.encode())
    assert (failure.kind, failure.http_status) == (kind, status)
    assert failure.detail.startswith(f"http://proxy.example:3128: HTTP {status} Some Reason; ")
    assert "Via: 1.1 gate (squid/6)" in failure.detail
    assert "no login was given" in failure.detail or status not in (401, 407)
    assert "X-Other" not in failure.detail


def test_a_refused_login_says_which_other_one_is_wanted() -> None:
    reply = b'HTTP/1.1 407 Auth\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n'
    detail = failure_after(HTTP_LOGIN, reply).detail
    assert "the login was not accepted; Proxy-Authenticate: NTLM; Proxy-Authenticate: Basic" in detail


def test_a_proxy_that_repeats_the_login_cannot_make_us_show_it() -> None:
    reply = f"HTTP/1.1 407 not {BASIC}\r\nServer: of somebody correct-horse\r\nVia: {BASIC}\r\n\r\n"
    detail = failure_after(HTTP_LOGIN, reply.encode()).detail
    assert "***" in detail
    assert not any(secret in detail for secret in (BASIC, "somebody", "correct-horse"))


@pytest.mark.parametrize(
    ("user", "password", "said", "shown"),
    [
        ("u", "pw", "you said u:pw", "you said ***"),
        ("bob", "x1!", "no bob with x1! here", "no *** with *** here"),
        ("bob", "12345", "12345 of bobby", "*** of bobby"),
    ],
)
def test_a_short_login_is_not_shown_either(user: str, password: str, said: str, shown: str) -> None:
    login = Login(Secret(user), Secret(password))
    proxy = Proxy(scheme=Scheme.HTTP, host="proxy.example", port=3128, login=login)
    detail = failure_after(proxy, f"HTTP/1.1 407 {said}\r\n\r\n".encode()).detail
    assert f"HTTP 407 {shown};" in detail


def test_bytes_that_nobody_asked_for_are_no_tunnel() -> None:
    tunnel = tunnel_through(HTTP, TARGET)
    play(tunnel, [YES + b"hello"])
    assert tunnel.failure is not None
    assert (tunnel.open, tunnel.failure.kind) == (False, "tcp.proxy-protocol")
    assert "it sent 5 bytes before anybody asked" in tunnel.failure.detail


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"\x05\xff", "it speaks SOCKS5"),
        (b"\x00\x5b\x00\x00\x00\x00\x00\x00", "it speaks SOCKS4"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "it speaks TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "it speaks SSH"),
        (b"220 mail.example ESMTP\r\n", "its first bytes are b'220 mail.example ESMTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "its first line is 'HTTP/1.1 abc'"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "line 2 of the HTTP head is no header"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "no end of the head"),
    ],
)
def test_what_does_not_speak_http_is_named(reply: bytes, words: str) -> None:
    tunnel = tunnel_through(HTTP, TARGET)
    play(tunnel, [reply])
    assert tunnel.failure is not None
    assert tunnel.failure.kind == "tcp.proxy-protocol"
    assert words in tunnel.failure.detail


# -- SOCKS5 ------------------------------------------------------------------------------------------------------------


@both_ways
def test_a_socks_proxy_is_given_the_name(cut: Cut) -> None:
    tunnel = tunnel_through(SOCKS, TARGET)
    said = play(tunnel, cut(b"\x05\x00" + BOUND))
    assert said == b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0ebroker.example\x01\xbb"
    assert (tunnel.open, tunnel.failure) == (True, None)


@pytest.mark.parametrize(
    ("host", "shipped"),
    [("192.0.2.7", b"\x01\xc0\x00\x02\x07"), ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01")],
)
def test_an_address_is_sent_as_one(host: str, shipped: bytes) -> None:
    tunnel = tunnel_through(SOCKS, Address(secure=True, host=host, port=443, path="/"))
    assert play(tunnel, [b"\x05\x00"]) == b"\x05\x01\x00" + b"\x05\x01\x00" + shipped + b"\x01\xbb"


@both_ways
def test_user_and_password_are_sent_where_they_are_asked_for(cut: Cut) -> None:
    tunnel = tunnel_through(SOCKS_LOGIN, TARGET)
    said = play(tunnel, cut(b"\x05\x02" + b"\x01\x00" + BOUND))
    login = b"\x01\x08somebody\x0dcorrect-horse"
    assert said == b"\x05\x02\x00\x02" + login + b"\x05\x01\x00\x03\x0ebroker.example\x01\xbb"
    assert tunnel.open


def test_a_login_nobody_asks_for_stays_here() -> None:
    said = play(tunnel_through(SOCKS_LOGIN, TARGET), [b"\x05\x00"])
    assert b"correct-horse" not in said


@pytest.mark.parametrize(
    "bound",
    [b"\x01" + bytes(6), b"\x03\x05local" + bytes(2), b"\x03\x00" + bytes(2), b"\x04" + bytes(18)],
    ids=["IPv4", "name", "empty name", "IPv6"],
)
@both_ways
def test_any_bound_address_opens_the_tunnel_with_its_last_byte(cut: Cut, bound: bytes) -> None:
    replies = b"\x05\x00" + b"\x05\x00\x00" + bound
    whole, short, long = (tunnel_through(SOCKS, TARGET) for _ in range(3))
    play(whole, cut(replies))
    play(short, cut(replies[:-1]))
    play(long, [replies + b"!"])
    assert (whole.open, whole.failure) == (True, None)
    assert (short.open, short.failure) == (False, None)
    assert long.failure is not None
    assert long.failure.kind == "tcp.proxy-protocol"


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (1, "tcp.proxy-no-target", "general failure"),
        (2, "tcp.proxy-denied", "not allowed by its rules"),
        (3, "tcp.proxy-no-target", "network unreachable"),
        (4, "tcp.proxy-no-target", "host unreachable"),
        (5, "tcp.proxy-no-target", "the server refused the connection"),
        (6, "tcp.proxy-no-target", "time to live expired"),
        (7, "tcp.proxy-denied", "opens no connections"),
        (8, "tcp.proxy-denied", "does not take this kind of address"),
        (99, "tcp.proxy-no-target", "for a reason of its own"),
    ],
)
def test_a_refusal_is_told_by_its_code(code: int, kind: str, words: str) -> None:
    failure = failure_after(SOCKS, b"\x05\x00" + bytes([5, code]))
    assert failure.kind == kind
    assert failure.detail.startswith("socks5://proxy.example:1080: ")
    assert words in failure.detail
    assert f"(SOCKS5 code {code})" in failure.detail


@pytest.mark.parametrize(
    ("proxy", "replies", "kind", "words"),
    [
        (SOCKS, b"\x05\xff", "tcp.proxy-auth", "no login was given"),
        (SOCKS_LOGIN, b"\x05\xff", "tcp.proxy-auth", "takes no user and password"),
        (SOCKS_LOGIN, b"\x05\x02\x01\x01", "tcp.proxy-auth", "the login was not accepted (code 1)"),
        (SOCKS, b"\x05\x02", "tcp.proxy-protocol", "login method 2, which was not offered"),
        (SOCKS, b"\x05\x01", "tcp.proxy-protocol", "login method 1, which was not offered"),
        (SOCKS, b"\x00\x5b" + bytes(6), "tcp.proxy-protocol", "it speaks SOCKS4"),
        (SOCKS, b"HTTP/1.1 400 Bad Request\r\n\r\n", "tcp.proxy-protocol", "it speaks HTTP"),
        (SOCKS, b"\x15\x03\x03", "tcp.proxy-protocol", "it speaks TLS"),
        (SOCKS, b"220 mail", "tcp.proxy-protocol", "its first bytes are b'22"),
        (SOCKS, b"\x05\x00HT", "tcp.proxy-protocol", "its second reply is of version 72"),
        (SOCKS, b"\x05\x00\x05\x00\x00\x07\x00", "tcp.proxy-protocol", "an address of type 7"),
    ],
)
def test_what_goes_wrong_on_the_way_is_named(proxy: Proxy, replies: bytes, kind: str, words: str) -> None:
    failure = failure_after(proxy, replies)
    assert failure.kind == kind
    assert words in failure.detail


def test_a_name_that_socks_cannot_carry_is_said_so() -> None:
    tunnel = tunnel_through(SOCKS, Address(secure=True, host="a." * 200, port=443, path="/"))
    play(tunnel, [b"\x05\x00"])
    assert tunnel.failure is not None
    assert "too long for SOCKS5" in tunnel.failure.detail


# -- both --------------------------------------------------------------------------------------------------------------

CONVERSATIONS = [
    (HTTP, YES),
    (HTTP_LOGIN, YES),
    (SOCKS, b"\x05\x00" + BOUND),
    (SOCKS_LOGIN, b"\x05\x02" + b"\x01\x00" + BOUND),
]


@pytest.mark.parametrize(("proxy", "replies"), CONVERSATIONS)
def test_an_end_after_any_byte_is_the_proxy_s(proxy: Proxy, replies: bytes) -> None:
    for size in range(len(replies)):
        tunnel = tunnel_through(proxy, TARGET)
        play(tunnel, [replies[:size]], ends=True)
        assert tunnel.failure is not None
        assert (tunnel.open, tunnel.failure.kind) == (False, "tcp.proxy-closed")


def test_an_end_after_the_tunnel_opened_is_not_the_proxy_s() -> None:
    tunnel = tunnel_through(HTTP, TARGET)
    play(tunnel, [YES])
    tunnel.receive_end()
    assert (tunnel.open, tunnel.failure) == (True, None)


@given(proxy=st.sampled_from([proxy for proxy, _ in CONVERSATIONS]), pieces=st.lists(st.binary(max_size=40)))
def test_no_garbage_raises_and_all_of_it_ends(proxy: Proxy, pieces: list[bytes]) -> None:
    tunnel = tunnel_through(proxy, TARGET)
    play(tunnel, pieces, ends=True)
    assert tunnel.open != (tunnel.failure is not None)


@given(conversation=st.sampled_from(CONVERSATIONS), data=st.data())
def test_a_tunnel_opens_however_the_replies_are_cut(
    conversation: tuple[Proxy, bytes], data: st.DataObject
) -> None:
    proxy, replies = conversation
    cuts = sorted(data.draw(st.sets(st.integers(min_value=0, max_value=len(replies)))))
    pieces = [replies[a:b] for a, b in zip([0, *cuts], [*cuts, len(replies)], strict=True)]
    tunnel, whole = tunnel_through(proxy, TARGET), tunnel_through(proxy, TARGET)
    assert play(tunnel, pieces) == play(whole, [replies])
    assert (tunnel.open, tunnel.failure) == (True, None)
