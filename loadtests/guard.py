"""The guard of this process: every dial of a load test passes it, whichever way the test was started.

A name is looked up once in a run, all its addresses are judged, and exactly these are dialled. What may be asked of it at a
host on the internet, and of a simulator that shall take orders, is asked here, too: over the judged address, without a proxy
and without following anybody anywhere else. That blocks the whole process for an instant, before the load begins.
"""

import contextlib
import ipaddress
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import dns.exception
import dns.message
import dns.rdatatype
import dns.resolver
from gevent import monkey

from loadtests import settings as run_settings
from loadtests.plain_http import Body, Broken
from loadtests.settings import RunSettings
from probe.drivers.blocking_tls import TlsLayer
from probe.drivers.dial import DialPlan, Found, system_resolver
from probe.drivers.tls import TlsProfile
from probe.load.permission import (
    TOKEN_PATH,
    Allowed,
    Caps,
    Limits,
    Permission,
    Refusal,
    broker_behind,
    is_loopback,
    read_host,
    really_is,
)
from probe.model.credentials import Secret
from probe.model.endpoint import Address, read_url
from probe.model.errors import ProbeError, UnsafeTarget
from probe.simulator.proof import PATH as PROOF_PATH
from probe.simulator.proof import is_proof
from probe.wire.heads import BadHead, HeadReader

ANSWERS_WITHIN_SECONDS = 5.0
NAMES_WITHIN_SECONDS = 3.0
ANSWER_LIMIT_BYTES = 16 * 1024
MOST_ADDRESSES = 16  # of one name: each is asked for the token
BURST_SECONDS = 0.25  # so much of what the rate allows may come at one instant
STILL_READS = 8  # of what comes unasked on the connection of a proof

# The system's own, whatever gevent has patched: they work in every greenlet, the hub's included.
_look_up = monkey.get_original("socket", "getaddrinfo")
_PlainSocket: type[socket.socket] = monkey.get_original("socket", "socket")


class Guard:
    """
    Args:
        settings: None: nothing was said, so it is this machine or nothing, with the usual limits.
    """

    def __init__(self, settings: RunSettings | None = None) -> None:
        self._judged: dict[tuple[str, int], tuple[list[Found], Allowed]] = {}
        self._proofs: dict[str, socket.socket | None] = {}  # on the connection of each; None: there was none
        self._open = 0
        self._share: Caps | None = None  # as the master said,
        self._sharing = 1  # and with how many
        self._began_at = inf
        self._next_at = -inf  # when the message after the last one was due, at the highest rate
        self._next_open_at = -inf  # and the connection
        self._is_here = True  # so far it is only this machine
        self.ends_at = inf
        self.last_refusal = ""  # the cap that stopped the last claim: "connections", "rate" or "minutes"
        self.adopt(settings)

    def adopt(self, settings: RunSettings | None) -> None:
        """What counts from now on."""
        self.settings = settings
        declared, owned = (settings.declared, settings.owned) if settings is not None else ((), ())
        self._permission = Permission(declared=frozenset(declared), repeated=frozenset(owned))
        self._limits = settings.limits if settings is not None else Limits()
        self._ca_file = Path(settings.ca_file) if settings is not None and settings.ca_file else None
        self._judged.clear()
        self._forget_proofs()
        self._is_here = True
        if settings is not None and not self._is_this_machine(settings.plan.url):
            self._is_here = False
        self._take_caps()

    # -- whom ----------------------------------------------------------------------------------------------------------

    def vet(self, plan: DialPlan) -> DialPlan:
        """Before anything is looked up: the plan to go by. Where it would ask the system for addresses, it asks the guard.

        Raises:
            UnsafeTarget: this must not be dialled.
        """
        address = plan.address
        if plan.proxy is not None:
            raise UnsafeTarget(
                f"a proxy on the way to {address.host} was",
                "it would choose the address that is loaded",
                "Run the load test from where the target can be reached directly.",
            )
        if plan.server_name is not None and plan.server_name != address.host:
            raise UnsafeTarget(
                f"{address.host} under another name was",
                "who is asked for by another name may hand the load on to somebody else",
                "Leave the name out.",
            )
        if owner := broker_behind(address.host):
            raise _refused(address.host, _theirs(owner, self._permission, address.host))
        if plan.resolve is system_resolver:
            plan = replace(plan, resolve=self.resolve)
        if plan.resolve == self.resolve:
            self._allow_name(address.host)
        return plan

    def resolve(self, host: str, port: int) -> list[Found]:
        """All addresses of a host, each of which may be dialled.

        Raises:
            UnsafeTarget: one of them may not, or what it leads to on the way.
            gaierror: it has none.
        """
        key = (host, port)
        if key not in self._judged:  # who asks at the same time gets what the first one did
            self._judged.setdefault(key, self._judge(host, port))
        return self._judged[key][0]

    def check(self, plan: DialPlan, found: Sequence[Found]) -> None:
        """The last look before a packet leaves: whoever looked it up, these are addresses that were judged.

        Raises:
            UnsafeTarget: one of them was not.
        """
        host, port = plan.address.host, plan.address.port
        for one in found:
            was_judged = one in self._judged.get((host, port), ((), None))[0]
            if not was_judged and not is_loopback(really_is(ipaddress.ip_address(one.host))):
                raise UnsafeTarget(
                    f"{one.host} was",
                    f"it is none of the addresses of {host} that were judged",
                    "Look it up by the guard.",
                )

    def _allow_name(self, host: str) -> None:
        if refusal := self._permission.before_looking_up(host):
            raise _refused(host, refusal)

    def _judge(self, host: str, port: int) -> tuple[list[Found], Allowed]:
        self._allow_name(host)
        known = read_host(host)
        if known is not None and known.address is not None:
            found, names = _literal(str(known.address), port), list[str]()
        else:
            name = known.name if known is not None else host
            found, names = _addresses(name, port)
            if known is not None and not known.is_this_machine:
                names += _aliases(name)
        verdict = self._permission.of(host, names, [ipaddress.ip_address(one.host) for one in found])
        if isinstance(verdict, Refusal):
            raise _refused(host, verdict)
        if len(found) > MOST_ADDRESSES:
            raise _refused(
                host,
                Refusal(
                    because=f"it has {len(found)} addresses, and more than {MOST_ADDRESSES} are no server's of one's own",
                    next_step="Name one of the addresses instead.",
                ),
            )
        if not verdict.loopback and self._is_here:
            self._is_here = False
            self._take_caps()
        if verdict.needs_token:
            self._ask_for_token(host, port, found)
        return found, verdict

    def _ask_for_token(self, host: str, port: int, found: Sequence[Found]) -> None:
        """Over TLS, and of every address: anybody on the way could answer in the clear, and each of them is loaded."""
        token = self.settings.token if self.settings is not None else None
        address = Address(secure=True, host=host, port=port, path=TOKEN_PATH)
        where = f"https://{address.host_header}{TOKEN_PATH}"
        if token is None:
            raise _refused(
                host,
                Refusal(
                    because="it can be reached from the internet, so it has to say itself that it may be loaded",
                    next_step="Put a secret of your own somewhere, and say where with load_key in [safety] of probe.toml. "
                    f"Then run it again: you are told what to serve at {where}.",
                ),
            )
        for one in found:
            try:
                status, body = _asked(address, one, TlsProfile(ca_file=self._ca_file))
            except OSError as problem:
                said = f"{one.host} gave no answer ({problem})"
            else:
                if status == 200 and Secret(body.strip()) == token:
                    continue
                said = f"{one.host} answered {f'with status {status}' if status != 200 else 'something else'}"
            raise _refused(
                host,
                Refusal(
                    because=f"it can be reached from the internet, and does not say that it may be loaded: {said}",
                    next_step=f"If it is yours, have it serve this line at {where}, by itself and over TLS: {token.reveal()}",
                ),
            )

    def _is_this_machine(self, url: str) -> bool:
        with contextlib.suppress(ProbeError):
            host = read_host(read_url(url).host)
            return host is not None and host.is_this_machine
        return False

    # -- how much ------------------------------------------------------------------------------------------------------

    @property
    def caps(self) -> Caps:
        """Of the whole run."""
        here, owned = self._limits.here, self._limits.owned
        return here if self._is_here else owned

    def take_share(self, connections: int, rate: float, ends_at: float, *, sharing: int = 1) -> None:
        """What the master leaves to this process, one of so many; `ends_at` by this machine's monotonic clock. It is never more
        than what the settings of this machine allow to so many."""
        self._share = Caps(connections=connections, rate=rate, seconds=self.caps.seconds)
        self._sharing = max(1, sharing)
        self._take_caps()
        self.ends_at = min(self.ends_at, ends_at)

    def begin_run(self) -> None:
        """Its time begins anew, with its first connection."""
        self._began_at = self.ends_at = inf

    def claim_connection(self) -> bool:
        """Whether there may be one more; `last_refusal` says what was against it."""
        now = time.monotonic()
        if self._began_at == inf:
            self._began_at = now
            self.ends_at = min(self.ends_at, now + self.caps.seconds)
        most = self._mine.connections
        # Who opens and closes without end sends as many messages, so as many a second are enough, after the first ones.
        due = max(self._next_open_at, now - 1.0 - most * self._interval)
        if now >= self.ends_at:
            self.last_refusal = "minutes"
        elif self._open >= most:
            self.last_refusal = "connections"
        elif due > now:
            self.last_refusal = "rate"
        else:
            self._open += 1
            self._next_open_at = due + self._interval
            return True
        return False

    def release_connection(self) -> None:
        self._open = max(0, self._open - 1)

    def claim_message(self, now: float) -> bool:
        """Whether one more may be sent now."""
        due = self._next_at
        due = max(due, now - BURST_SECONDS)
        if due > now or now >= self.ends_at:
            self.last_refusal = "rate" if now < self.ends_at else "minutes"
            return False
        self._next_at = due + self._interval
        return True

    def _take_caps(self) -> None:
        whole = self.caps
        if self._share is None:
            self._mine = whole.share(self._limits.shares)
        elif self._sharing == 1:
            self._mine = whole.least(self._share)
        else:  # the rest of a division, which is the master's to give, is a connection
            most = replace(whole.share(self._sharing), connections=-(-whole.connections // self._sharing))
            self._mine = most.least(self._share)
        self._interval = 1.0 / self._mine.rate if self._mine.rate > 0 else inf
        self.ends_at = min(self.ends_at, self._began_at + whole.seconds)

    # -- trading -------------------------------------------------------------------------------------------------------

    def may_trade(self, url: str) -> bool:
        """Whether this is the simulator that was started for this run, and nothing else counts: a port of this machine may be a
        tunnel to a broker. It is asked once, on a connection that both keep: where that has ended, the simulator may have, and
        somebody else may have its port. Then it is asked again."""
        if url not in self._proofs:
            self._proofs[url] = self._proof(url)
        elif (kept := self._proofs[url]) is not None and not _is_still_open(kept):
            kept.close()
            self._proofs[url] = self._proof(url)
        return self._proofs[url] is not None

    def _proof(self, url: str) -> socket.socket | None:
        """The connection on which it was given."""
        key = self.settings.simulator_key if self.settings is not None else None
        if key is None or not self._is_this_machine(url):
            return None
        address, nonce = read_url(url), secrets.token_hex(32)
        asking = replace(address, path=f"{PROOF_PATH}?nonce={nonce}")
        try:
            found = self.resolve(address.host, address.port)[0]
            kept = _PlainSocket(found.family, socket.SOCK_STREAM)
        except (OSError, ProbeError):
            return None
        with contextlib.ExitStack() as stack:
            stack.enter_context(kept)
            with contextlib.suppress(OSError, ProbeError):
                status, answer = _asked_on(kept, asking, found, TlsProfile(ca_file=self._ca_file))
                if status == 200 and is_proof(answer, key, nonce, f"{found.host}:{address.port}"):
                    stack.pop_all()
                    return kept
        return None

    def __del__(self) -> None:
        self._forget_proofs()

    def _forget_proofs(self) -> None:
        for kept in filter(None, self._proofs.values()):
            kept.close()
        self._proofs.clear()


# -- asking ------------------------------------------------------------------------------------------------------------


def _literal(address: str, port: int) -> list[Found]:
    flags = socket.AI_NUMERICHOST
    answers = _look_up(address, port, type=socket.SOCK_STREAM, flags=flags)
    return [Found(family, place) for family, _, _, _, place in answers]


def _addresses(name: str, port: int) -> tuple[list[Found], list[str]]:
    """And the name that the system says it is the alias of."""
    answers = _look_up(name, port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    names = [canonical for _, _, _, canonical, _ in answers if canonical]
    return [Found(family, place) for family, _, _, _, place in answers], names


def _aliases(name: str) -> list[str]:
    """Every name on the way from an alias to the address. The system tells only the last one.

    Raises:
        UnsafeTarget: there are more of them than anybody follows.
    """
    names = [name]
    # It may be a name that only this machine knows, or there is no resolver.
    with contextlib.suppress(dns.exception.DNSException):
        resolver = dns.resolver.Resolver()
        for kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
            with contextlib.suppress(dns.exception.DNSException):
                answer = _answer(resolver, name, kind)
                for alias in answer.chaining_result.cnames:
                    names += [str(alias.name), *(str(each.target) for each in alias)]
                names.append(str(answer.canonical_name))
    return names


def _answer(resolver: dns.resolver.Resolver, name: str, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
    try:
        return resolver.resolve(
            name, kind, lifetime=NAMES_WITHIN_SECONDS, search=True, raise_on_no_answer=False
        )
    except dns.resolver.NoNameservers as problem:
        if any(isinstance(each[3], dns.message.ChainTooLong) for each in problem.kwargs["errors"]):
            refusal = Refusal(
                because="it is an alias of an alias, and so on for longer than anybody follows",
                next_step="Name the host behind them, or one of its addresses.",
            )
            raise _refused(name, refusal) from problem
        raise


def _asked(address: Address, place: Found, tls: TlsProfile) -> tuple[int, str]:
    """Status and body of one GET, of exactly this address.

    Raises:
        OSError: there is none in time.
    """
    with _PlainSocket(place.family, socket.SOCK_STREAM) as sock:
        return _asked_on(sock, address, place, tls)


def _asked_on(sock: socket.socket, address: Address, place: Found, tls: TlsProfile) -> tuple[int, str]:
    request = (
        f"GET {address.path} HTTP/1.1\r\nHost: {address.host_header}\r\nAccept: text/plain\r\n\r\n".encode()
    )
    until = time.monotonic() + ANSWERS_WITHIN_SECONDS
    sock.settimeout(ANSWERS_WITHIN_SECONDS)
    sock.connect(place.address)
    layer = TlsLayer(tls.context(), address.host.rstrip(".")) if address.secure else None
    reader, size = HeadReader(lambda start: b"HTTP/1."[: len(start)] == start[:7]), 0
    status, body = 0, None
    try:
        for piece in _exchanged(sock, request, layer, until):
            size += len(piece)
            if body is not None:
                body.take(piece)
            elif (head := reader.receive(piece)) is not None:
                words = head.first_line.split(" ", 2)
                if len(words) < 2 or not (words[1].isascii() and words[1].isdigit()):
                    raise OSError("it is no HTTP")
                status, body = int(words[1]), Body(head, int(words[1]), "GET")
                body.take(head.rest)
            if size > ANSWER_LIMIT_BYTES or (body is not None and body.is_done):
                break
    except (BadHead, Broken):
        raise OSError("it is no HTTP") from None
    if body is None:
        raise OSError("it is no HTTP" if size else "it said nothing")
    return status, body.content.decode("utf-8-sig", errors="replace")


def _exchanged(sock: socket.socket, request: bytes, layer: TlsLayer | None, until: float) -> Iterator[bytes]:
    """What comes after the request, up to the end.

    Raises:
        OSError: it broke, or the time is over.
    """

    def received() -> bytes:
        if (left := until - time.monotonic()) <= 0:
            raise TimeoutError("it took too long")
        sock.settimeout(left)
        return sock.recv(4096)

    if layer is None:
        sock.sendall(request)
        yield from iter(received, b"")
        return
    while not layer.shake_hands():
        sock.sendall(layer.to_send())
        if piece := received():
            layer.take(piece)
        else:
            layer.take_end()
    sock.sendall(layer.to_send() + layer.seal(request))
    while not layer.has_ended and (piece := received()):
        layer.take(piece)
        yield layer.opened()
        if layer.broken is not None:
            raise layer.broken


def _is_still_open(kept: socket.socket) -> bool:
    kept.setblocking(False)
    with contextlib.suppress(OSError):
        for _ in range(STILL_READS):
            try:
                if not kept.recv(4096):
                    return False
            except BlockingIOError:
                return True
    return False


def _theirs(owner: str, permission: Permission, host: str) -> Refusal:
    refusal = permission.before_looking_up(host)
    return refusal or Refusal(because=f"this is {owner}'s", next_step="Load its simulator instead.")


def _refused(host: str, refusal: Refusal) -> UnsafeTarget:
    return UnsafeTarget(host, refusal.because, refusal.next_step)


class _Place:
    guard: Guard | None = None


def guard() -> Guard:
    """The one of this process, by what the process was told."""
    told = run_settings.current() if run_settings.is_known() else None
    if _Place.guard is None:
        _Place.guard = Guard(told)
    elif _Place.guard.settings is not told:
        _Place.guard.adopt(told)
    return _Place.guard
