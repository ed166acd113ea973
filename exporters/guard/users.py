"""Names and passwords: bcrypt on a thread of its own, each right answer once, and few wrong ones.

A name that nobody has costs what a wrong password costs: it is compared with somebody's hash all the same.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import bcrypt

from exporters.guard.rates import Rates
from probe.model.credentials import Secret

MOST_KNOWN = 256  # right answers that are remembered
MOST_WAITING = 8  # for the thread; a check takes 50 ms at the usual cost
LONGEST_PASSWORD = 72  # bytes, of which bcrypt looks at all and at no more
EVERYBODY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Neither allowed nor to wait: the name or the password is wrong, or missing."""

    allowed: bool = False
    wait: int = 0  # seconds, after too many wrong ones


class Users:
    def __init__(
        self,
        hashes: Mapping[str, Secret],
        *,
        check: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check, self._clock = check, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="passwords")
        self._wrong = Rates(each_second=0.5, burst=10)  # of one client
        self._all_wrong = Rates(each_second=2, burst=30)
        self.change(hashes)

    def change(self, hashes: Mapping[str, Secret]) -> None:
        """From now on these; nothing that was right before is believed."""
        self._hashes = {name.encode(): text.reveal().encode() for name, text in hashes.items()}
        self._any = tuple(self._hashes.values())
        self._key = os.urandom(32)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[bool]] = {}

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def verdict(self, authorization: bytes, client: str) -> Verdict:
        """Whether who sends this header may come in."""
        if not self._any:
            return Verdict(allowed=True)
        given = _login(authorization)
        if given is None:
            return Verdict()
        name, password = given
        mark = hmac.digest(self._key, hashlib.sha256(name).digest() + password, hashlib.sha256)
        if mark in self._known:
            self._known.move_to_end(mark)
            return Verdict(allowed=True)
        if (running := self._running.get(mark)) is not None:  # a browser asks for six things at once
            return Verdict(allowed=await asyncio.shield(running))
        now = self._clock()
        if len(self._running) >= MOST_WAITING:
            return Verdict(wait=1)
        if wait := self._wrong.take(client, now) or self._all_wrong.take(EVERYBODY, now):
            return Verdict(wait=wait)
        task = asyncio.create_task(self._compare(name, password, mark, client))
        running_now, self._running[mark] = self._running, task
        task.add_done_callback(lambda _: running_now.pop(mark, None))
        return Verdict(allowed=await asyncio.shield(task))

    async def _compare(self, name: bytes, password: bytes, mark: bytes, client: str) -> bool:
        stand_in = self._any[int.from_bytes(hmac.digest(self._key, name, "sha256")[:8]) % len(self._any)]
        text = self._hashes.get(name)
        loop = asyncio.get_running_loop()
        try:
            same = await loop.run_in_executor(
                self._thread, self._check, password[:LONGEST_PASSWORD], text or stand_in
            )
        except ValueError:  # a hash of the right form that bcrypt does not take
            same = False
        if not same or text is None:
            return False
        self._wrong.give_back(client, self._clock())
        self._all_wrong.give_back(EVERYBODY, self._clock())
        self._known[mark] = None  # if the users changed meanwhile, nobody makes this mark any more
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return True


def _login(authorization: bytes) -> tuple[bytes, bytes] | None:
    scheme, _, text = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (name, password) if colon else None
