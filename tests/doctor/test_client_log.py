"""Logs of other clients, as they write them: frames in three ways, and what they say of their failures."""

import asyncio
import io
import logging
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from probe.brokers import find_broker
from probe.doctor.client_log import client_in, read_log
from probe.model.errors import ConfigError
from probe.session.overheard import OtherClient, Overheard
from probe.simulator.run import Simulator

PO, BINGX = find_broker("pocketoption"), find_broker("bingx")
WISH = '42["changeSymbol",{"asset":"EURUSD_otc","period":60}]'


@pytest.mark.parametrize(
    "line",
    [
        f"C> {WISH}",
        f"2026-01-07 12:00:00 DEBUG C> {WISH}",
        f"DEBUG:websockets.client:> TEXT '{WISH}' [53 bytes]",
        f"++Sent decoded: fin=1 opcode=1 data={WISH.encode()!r}",
    ],
    ids=["ours", "after a time", "websockets", "websocket-client"],
)
def test_a_frame_is_read_in_every_way_it_is_written(line: str) -> None:
    (talk,) = read_log(line, PO).connections
    assert talk.early == {"EURUSD_otc"}


def test_a_binary_frame_is_one() -> None:
    lines = [
        "S> " + '451-["updateStream",{"_placeholder":true,"num":0}]',
        'S> (binary) [["EURUSD_otc",1.5,1.1]]',
        '++Rcv decoded: fin=1 opcode=1 data=b\'451-["updateStream",{"_placeholder":true,"num":0}]\'',
        "++Rcv decoded: fin=1 opcode=2 data=b'[[\"EURUSD_otc\",2.5,1.2]]'",
    ]
    (talk,) = read_log("\n".join(lines), PO).connections
    assert talk.prices == 2


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("", OtherClient()),
        ("connect() returned False", OtherClient(hides="connect() returned False")),
        ("connect() returned False\nHTTP 403 Forbidden", OtherClient()),
        ("connect() returned False\nssl: certificate verify failed", OtherClient()),
        ("received 1005 (no status received [internal])", OtherClient(close_codes=(1005,))),
        ("no close frame received or sent", OtherClient(close_codes=(1006,))),
        ("closed with code 4001, then code 4001", OtherClient(close_codes=(4001,))),
        ("1006 prices in 1005 ms", OtherClient()),
        (
            "'utf-8' codec can't decode byte 0x8b in position 1: invalid start byte",
            OtherClient(reads_packed_as_text=True),
        ),
    ],
)
def test_what_it_says_of_its_failures_is_understood(text: str, client: OtherClient) -> None:
    assert read_log(text, PO) == client


def test_what_stands_in_a_frame_is_no_word_of_the_clients() -> None:
    client = read_log('S> 42["note","closed with code 4001: connect() returned False"]', PO)
    assert (client.hides, client.close_codes) == ("", ())


@pytest.mark.parametrize(
    "text",
    [
        "\x00" * 1000,
        "++Sent decoded: fin=1 opcode=1 data=b'\\x'",
        "C> " + "[" * 50_000,
        "S> (binary) \ud800",
        "<" * 9,
    ],
    ids=["zeros", "a bad escape", "brackets", "a lone surrogate", "arrows"],
)
def test_no_log_is_too_odd(text: str) -> None:
    assert read_log(text, PO).connections in ((), (Overheard(),))


def test_nothing_secret_is_kept_of_it() -> None:
    token = "q7w6ha4u5vb1k2m9z0c3d8e7f1"
    text = f'C> 42["auth",{{"session":"{token}","isDemo":1,"uid":81234567,"platform":2}}]\ntoken={token}'
    assert token not in repr(read_log(text, PO))


def test_a_broker_without_a_socket_has_no_frames() -> None:
    assert read_log(f"C> {WISH}\nconnect() returned False", find_broker("mt5")).connections == ()


def test_a_log_that_cannot_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--log: it cannot be read"):
        client_in(str(tmp_path / "absent"), PO)
    with pytest.raises(ConfigError, match="it cannot be read"):
        client_in(str(tmp_path), PO)


def test_the_own_log_of_a_public_library_is_understood() -> None:
    """That of its releases, and not as we remember it."""
    text, logger = io.StringIO(), logging.getLogger("another client")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(logging.StreamHandler(text))

    async def talk() -> None:
        async with (
            Simulator([PO]) as simulator,
            connect(simulator.plain_endpoints()[0].url, logger=logger) as socket,
        ):
            await socket.recv()
            await socket.send("40")
            await socket.send(WISH)
            await socket.recv()

    asyncio.run(talk())
    (one,) = read_log(text.getvalue(), PO).connections
    assert one.early == {"EURUSD_otc"}
