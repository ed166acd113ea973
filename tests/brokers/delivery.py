"""Messages through a real WebSocket in memory: whole, byte by byte, and in random pieces."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from probe.session.codec import Message
from probe.wire.websocket import Binary, ClientSocket, ServedSocket, Text


def whole(data: bytes, rng: Random) -> Iterator[bytes]:
    yield data


def byte_by_byte(data: bytes, rng: Random) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def in_random_chunks(data: bytes, rng: Random) -> Iterator[bytes]:
    while data:
        size = rng.choice((1, 2, 3, 7, 50, 1000))
        yield data[:size]
        data = data[size:]


Delivery = Callable[[bytes, Random], Iterator[bytes]]
deliveries = pytest.mark.parametrize("deliver", [whole, byte_by_byte, in_random_chunks])


def connected(rng: Random) -> tuple[ClientSocket, ServedSocket]:
    client = ClientSocket(host="h", path_and_query="/", headers=(), rng=rng, max_message=10**6)
    server = ServedSocket(rng=rng, max_message=10**6)
    server.receive(client.request())
    client.receive(server.accept())
    return client, server


def through(
    sender: ClientSocket | ServedSocket,
    receiver: ClientSocket | ServedSocket,
    messages: list[Message],
    deliver: Delivery,
    rng: Random,
) -> list[Message]:
    wire = b"".join(
        sender.send_text(message) if isinstance(message, str) else sender.send_binary(message)
        for message in messages
    )
    received = [event for piece in deliver(wire, rng) for event in receiver.receive(piece)]
    assert all(isinstance(event, Text | Binary) for event in received)
    return [event[0] for event in received if isinstance(event, Text | Binary)]
