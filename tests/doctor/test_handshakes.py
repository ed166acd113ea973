import asyncio
import ssl
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from probe.diagnose.case import OFFERING_H2, OTHER_NAME, TLS_1_2, TLS_1_3, UNVERIFIED, USUAL, Handshake
from probe.doctor.handshakes import KEPT_SIGNS, as_one, shake_hands
from probe.drivers.tls import TlsProfile
from probe.model.endpoint import Address
from tests.doctor.tls_stubs import (
    Handler,
    Serve,
    by_first_message,
    certificates,
    saying,
    silent,
    speaking_tls,
    standing,
)
from tests.drivers.pki import DAY, Pki, _certificate, _server
from tests.virtual.travelling import run

ALERT_120 = bytes([0x15, 3, 3, 0, 2, 2, 120])


def shaken(
    serve: Serve,
    host: str = "right.test",
    *,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    within: float = 15.0,
) -> tuple[Handshake, ...]:
    async def shake() -> tuple[Handshake, ...]:
        async with certificates() as pki, standing(serve, pki) as port:
            target = Address(secure=True, host=host, port=port, path="/secret-path")
            profile = TlsProfile(ca_file=pki.ca_file, minimum=minimum)
            return await shake_hands(target, "127.0.0.1", profile, within=within)

    return run(shake())


def ways(made: tuple[Handshake, ...]) -> list[str]:
    return [each.how for each in made]


def test_where_the_usual_handshake_passes_nothing_else_is_tried() -> None:
    made = shaken(speaking_tls("good"), "localhost")
    assert ways(made) == [USUAL]
    assert made[0].failure is None
    assert made[0].tls is not None
    assert made[0].tls.alpn == "http/1.1"


@pytest.mark.parametrize("certificate", ["expired", "early", "wrong host", "self-signed", "other authority"])
def test_a_bad_certificate_is_learned_and_versions_are_left_alone(certificate: str) -> None:
    made = shaken(speaking_tls(certificate), "localhost")
    assert ways(made) == [USUAL, UNVERIFIED]
    assert made[0].tls is None
    assert as_one(made) == replace(made[0], tls=made[1].tls)


def test_of_a_certificate_nobody_vouches_for_names_and_dates_are_known() -> None:
    tls = shaken(speaking_tls("other authority"), "localhost")[1].tls
    assert tls is not None
    assert (tls.subject, tls.issuer) == ("CN=stranger, O=Tests", "CN=Other Authority, O=Tests")
    assert tls.names == ("localhost", "127.0.0.1", "::1")
    assert tls.not_before is not None
    assert tls.not_after is not None
    assert tls.not_after - tls.not_before == 2 * DAY.total_seconds()


def test_words_of_a_certificate_are_printable_and_short() -> None:
    today = datetime.now(UTC).replace(microsecond=0)
    hosts = tuple(f"{number}{'x' * 200}.test" for number in range(50))

    def serve(pki: Pki) -> Handler:
        bad = _certificate("\x1b[31mred", None, today - DAY, today + DAY, hosts)
        pki.servers["bad"] = _server(pki.ca_file.parent / "bad.pem", *bad)
        return speaking_tls("bad")(pki)

    tls = shaken(serve)[1].tls
    assert tls is not None
    assert tls.subject == "CN=?[31mred, O=Tests"
    assert len(tls.names) == 20
    assert {len(name) for name in tls.names} == {KEPT_SIGNS}


def test_no_version_in_common_is_tried_version_by_version() -> None:
    def older(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    made = shaken(speaking_tls("good", older), minimum=ssl.TLSVersion.TLSv1_3)
    assert ways(made) == [USUAL, TLS_1_2, TLS_1_3]
    assert [each.failure.kind if each.failure else "" for each in made] == ["tls.version", "", "tls.version"]


def test_a_name_that_is_cut_off_is_told_from_a_neutral_one_of_its_size_twice_in_turn() -> None:
    sizes = []

    def choose(first: bytes) -> bytes | None:
        sizes.append(len(first))
        return b"" if b"a-name-that-is-blocked.test" in first else None

    made = shaken(by_first_message(choose, alpn="http/1.1"), "a-name-that-is-blocked.test")
    assert ways(made) == [USUAL, OTHER_NAME, USUAL, OTHER_NAME]
    assert [each.failure is None for each in made] == [False, True, False, True]
    assert len({made[1].server_name, made[3].server_name}) == 1
    assert len(made[1].server_name) == len(made[0].server_name)


def test_an_alert_that_python_has_no_name_for_is_still_an_alert() -> None:
    made = shaken(saying(ALERT_120))
    assert ways(made) == [USUAL, OFFERING_H2]
    assert made[0].failure is not None
    assert (made[0].failure.kind, made[0].alert) == ("tls.alert", 120)


def test_what_is_no_tls_is_shown_by_its_first_bytes() -> None:
    made = shaken(saying(b"HTTP/1.1 400 Bad Request\r\n" + b"x" * 100))
    assert ways(made) == [USUAL]
    assert made[0].first_bytes == "HTTP/1.1 400 Bad Request\r\n" + "x" * 38


def test_to_an_address_no_name_is_sent() -> None:
    seen = []

    def choose(first: bytes) -> bytes | None:
        seen.append(b"127.0.0.1" in first)
        return None

    made = shaken(by_first_message(choose, alpn="http/1.1"), "127.0.0.1")
    assert (seen, made[0].server_name) == ([False], "")


def test_silence_is_a_result_and_all_of_it_keeps_to_its_time() -> None:
    made = shaken(silent, within=8.0)
    assert [each.failure.kind if each.failure else "" for each in made] == ["tls.timeout", "tls.timeout"]
    assert sum(each.seconds for each in made) == pytest.approx(8.0, abs=0.1)


def test_nothing_is_said_within_tls() -> None:
    async def play() -> bytes:
        heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def serve(pki: Pki) -> Handler:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                arrived, leaving = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = pki.servers["good"].wrap_bio(arrived, leaving, server_side=True)
                while not heard.done():
                    arrived.write(await reader.read(65_536))
                    try:
                        tls.do_handshake()
                        heard.set_result(tls.read())
                    except ssl.SSLWantReadError:
                        writer.write(leaving.read())

            return handle

        async with certificates() as pki, standing(serve, pki) as port:
            target = Address(secure=True, host="localhost", port=port, path="/secret-path")
            await shake_hands(target, "127.0.0.1", pki.profile, within=5.0)
            return await heard

    assert run(play()) == b""
