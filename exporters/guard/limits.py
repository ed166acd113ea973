"""What one client may take, and all of them together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    connections: int = 256  # each costs a file handle, which the monitor needs too
    connections_of_one: int = 64
    request_bytes: int = 8192  # of the request line and the headers together
    body_bytes: int = 1024  # nothing here takes a body
    request_within: float = 5.0  # seconds, from the first byte (or the connection) to the end of the request
    handshake_within: float = 5.0
    idle: float = 75.0  # between two requests: longer than the usual minute between two scrapes
    answer_taken_within: float = 30.0  # after this a client that reads nothing is cut off
    requests_each_second: float = 50.0  # of one client
    requests_at_once: float = 200.0
