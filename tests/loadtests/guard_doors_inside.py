"""Load tests aimed where none may go, through each way in, where a packet that leaves is counted.

python -m tests.loadtests.guard_doors_inside DOOR...: prints, as one line of JSON, what each attempt said and how many packets
left. It is run in a network namespace of its own, as root there: it makes a way out that leads nowhere, and is its resolver.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset

ROOT = Path(__file__).resolve().parents[2]
OUT = "out0"
ELSEWHERE, ELSEWHERE_6 = "198.51.100.7", "2001:db8:1::7"  # kept for documentation
PATIENCE = 60.0
AT_A_TIME = 4  # of those that come nowhere; most of each is Python starting
MISSING = "missing: "

CONFIG = """
[targets.staging]
broker = "pocketoption"
endpoints = ["ws://staging.example/", "ws://changing.example/"]
owned = true
"""
OWNED = ("staging.example", "changing.example")


Door = Callable[[str], str]  # tries one URL: the words with which it was refused, or in which it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    url: str
    why: str = ""  # a piece of the refusal; nothing: it may be dialled, but not there


def attempts(redirecting: int) -> dict[str, Attempt]:
    """By what they try. `redirecting`: a port here whose every answer leads elsewhere."""
    brokers, nobodys = "PocketOption", "nothing says that this is one"
    path = "/socket.io/?EIO=4&transport=websocket"
    return {
        "listed": Attempt(url=f"ws://api-eu.po.market{path}", why=brokers),
        "trailing dot": Attempt(url=f"ws://api-eu.po.market.{path}", why=brokers),
        "mixed case": Attempt(url=f"ws://API-eu.Po.MARKET{path}", why=brokers),
        "look-alike": Attempt(url=f"ws://api-eu.рo.market{path}", why=brokers),
        "look-alike, encoded": Attempt(url=f"ws://api-eu.xn--o-4tb.market{path}", why=brokers),
        "alias": Attempt(url=f"ws://staging.example{path}", why="it leads to api-eu.po.market"),
        "literal": Attempt(url=f"ws://{ELSEWHERE}{path}", why=nobodys),
        "mapped": Attempt(url=f"ws://[::ffff:{ELSEWHERE}]{path}", why=nobodys),
        "zoned": Attempt(url=f"ws://[fe80::7%{OUT}]{path}", why=nobodys),
        "translated": Attempt(url=f"ws://[64:ff9b::{ELSEWHERE}]{path}", why=nobodys),
        "decimal": Attempt(url=f"ws://3325256711{path}", why=nobodys),
        "octal": Attempt(url=f"ws://0306.063.0144.07{path}", why=nobodys),
        "hexadecimal": Attempt(url=f"ws://0xc6336407{path}", why=nobodys),
        "localhost.example": Attempt(url=f"ws://localhost.example{path}", why=nobodys),
        "changing": Attempt(url=f"ws://changing.example:{redirecting}{path}"),
        "redirect": Attempt(url=f"ws://127.0.0.1:{redirecting}{path}"),
    }


# -- the world around ------------------------------------------------------------------------------------------------


def make_a_way_out() -> None:
    """An interface with a default route, whose other end nobody listens at. No neighbour is asked for: it would be counted."""
    steps = f"""
        link add {OUT} type veth peer name sink0
        link set {OUT} arp off multicast off addrgenmode none
        link set sink0 arp off multicast off addrgenmode none
        addr add 192.0.2.2/24 dev {OUT}
        link set {OUT} up
        link set sink0 up
        -6 addr add 2001:db8::2/64 dev {OUT} nodad
        -6 addr add fe80::2/64 dev {OUT} nodad
        route add default dev {OUT}
        -6 route add default dev {OUT}
    """
    for name in (
        "router_solicitations",
        "accept_ra",
        "autoconf",
        "dad_transmits",
    ):  # nothing of its own accord
        Path(f"/proc/sys/net/ipv6/conf/default/{name}").write_text("0")
    for step in filter(None, map(str.strip, steps.splitlines())):
        run = subprocess.run(["ip", *step.split()], capture_output=True, text=True, check=False)
        if run.returncode:
            sys.exit(f"{MISSING}ip {step}: {run.stderr.strip()}")


def packets_out() -> int:
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == OUT:
            return int(counts.split()[9])
    raise AssertionError("the way out is gone")


def until_still() -> int:
    """What an interface says about itself when it begins is no attempt's."""
    before, since, until = packets_out(), time.monotonic(), time.monotonic() + PATIENCE
    while time.monotonic() < min(until, since + 0.3):
        time.sleep(0.05)
        if packets_out() != before:
            before, since = packets_out(), time.monotonic()
    return before


class Names:
    """The resolver. `changing.example` is here when it is asked for the first time, and elsewhere after that."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._changing = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def change_back(self) -> None:
        self._changing = 0

    def _serve(self) -> None:
        while True:
            asked, peer = self._socket.recvfrom(4096)
            query = dns.message.from_wire(asked)
            answer = dns.message.make_response(query)
            question = query.question[0]
            name = question.name.to_text().rstrip(".").lower()
            self.asked.append(name)
            self._answer(answer, name, question.rdtype)
            self._socket.sendto(answer.to_wire(), peer)

    def _answer(self, answer: dns.message.Message, name: str, kind: dns.rdatatype.RdataType) -> None:
        if name == "staging.example":
            for alias, leads_to in ((name, "edge.example"), ("edge.example", "api-eu.po.market"), ("api-eu.po.market", "cdn.example")):  # fmt: skip
                answer.answer.append(dns.rrset.from_text(f"{alias}.", 1, "IN", "CNAME", f"{leads_to}."))
            name = "cdn.example"
        here = name == "changing.example" and self._changing == 0
        if name == "changing.example" and kind == dns.rdatatype.A:
            self._changing += 1
        if kind == dns.rdatatype.A:
            answer.answer.append(
                dns.rrset.from_text(f"{name}.", 1, "IN", "A", "127.0.0.1" if here else ELSEWHERE)
            )
        elif kind == dns.rdatatype.AAAA and name != "changing.example":
            answer.answer.append(dns.rrset.from_text(f"{name}.", 1, "IN", "AAAA", ELSEWHERE_6))


def use_this_resolver(folder: Path) -> None:
    for path, text in (
        ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
        ("/etc/nsswitch.conf", "hosts: files dns\n"),
        ("/etc/hosts", "127.0.0.1 localhost\n"),
    ):
        ours = folder / Path(path).name
        ours.write_text(text)
        ours.chmod(0o644)
        there = Path(path).resolve()
        if there.exists():
            subprocess.run(["mount", "--bind", ours, there], check=True)


class Listener:
    """Answers every request with the same, and counts."""

    def __init__(self, answer: str) -> None:
        self._answer = answer.encode()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._server.getsockname()[1]
        self.heard = self._known = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def has_news(self) -> bool:
        """Whether anybody came since this was asked for the last time."""
        before, self._known = self._known, self.heard
        return self._known > before

    def _serve(self) -> None:
        while True:
            opened, _ = self._server.accept()
            with opened:
                opened.settimeout(1.0)
                self.heard += 1
                try:
                    opened.recv(4096)
                    opened.sendall(self._answer)
                except OSError:
                    pass


# -- doors -----------------------------------------------------------------------------------------------------------


def direct(url: str) -> str:
    """Nothing but the driver, used by somebody who has read no documentation."""
    import gevent.event

    from loadtests.driver import Connection
    from probe.drivers.dial import DialPlan
    from probe.model.endpoint import read_url
    from probe.model.events import Ended

    session = _session(url)
    over: Any = gevent.event.AsyncResult()
    heard = lambda event: over.set(f"ended: {event.failure}") if isinstance(event, Ended) else None  # noqa: E731
    connection = Connection(session, DialPlan(address=read_url(url)), on_event=heard, on_bug=over.set)
    connection.open(0.0)
    return str(over.get(timeout=PATIENCE))


def direct_calls(url: str) -> str:
    from loadtests.calls import Carrier
    from probe.drivers.dial import DialPlan
    from probe.model.endpoint import read_url
    from probe.wire.calls import HttpCall

    address = read_url(url.replace("ws://", "http://", 1))
    http_url = f"http://{address.host_header}{address.path}"
    carrier = Carrier(DialPlan(address=address))
    try:
        return f"ended: {carrier.ask(HttpCall(method='GET', url=http_url))}"
    except Exception as refused:  # noqa: BLE001 - whatever it is, it is what is asked for
        return str(refused)
    finally:
        carrier.close()


def direct_guard(url: str) -> str:
    from loadtests.guard import guard
    from probe.model.endpoint import read_url

    address = read_url(url)
    try:
        return f"ended: {guard().resolve(address.host, address.port)}"
    except Exception as refused:  # noqa: BLE001 - see above
        return str(refused)


def _session(url: str) -> Any:
    from random import Random

    from probe.brokers import find_broker
    from probe.model.credentials import redactor_for
    from probe.model.endpoint import Account, read_url
    from probe.session.client import ClientSession, Plan

    address = read_url(url)
    return ClientSession(
        codec=find_broker("pocketoption").codec(),
        credentials=None,
        plan=Plan(host=address.host_header, path=address.path, account=Account.NONE),
        rng=Random(1),
        redact=redactor_for(None),
    )


def _own() -> None:
    """In this process as in the others: what is owned, and that we say so."""
    from loadtests import settings
    from probe.load.wishes import Wishes, plan_of

    plan = plan_of(Wishes(), run="r", broker="pocketoption", url="ws://127.0.0.1:9/", dialect=())
    settings.use(settings.RunSettings(plan=plan, declared=frozenset(OWNED), owned=frozenset(OWNED)))


def command(url: str) -> str:
    options = ["--broker", "pocketoption", "--users", "1", "--duration", "2s", "--quiet"]
    return _said([sys.executable, "-m", "probe", "load", url, *options, *_i_own()])


def locust(url: str) -> str:
    return _said([*_locust(), "--headless", "-u", "1", "-t", "5s", "--host", url])


def _locust() -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), *_i_own()]


def _i_own() -> list[str]:
    return [word for host in OWNED for word in ("--i-own", host)]


def _said(words: list[str]) -> str:
    ran = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False, stdin=subprocess.DEVNULL
    )  # fmt: skip
    return f"{ran.stdout}{ran.stderr}\nexit {ran.returncode}"


def until(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


_numbers = count()


class Following:
    """A process of Locust's that stays, and what it says from now on."""

    def __init__(self, words: list[str], folder: Path) -> None:
        self._log = folder / f"{next(_numbers)}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                words, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )

    def said(self, since: int = 0, pattern: str = "") -> str:
        """Nothing, if that is not among it."""
        said = self._log.read_text(errors="replace")[since:]
        return said if re.search(pattern, said) else ""

    @property
    def length(self) -> int:
        return len(self._log.read_text(errors="replace"))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


OVER = "refused|session connect|Traceback"


@contextmanager
def web_page(folder: Path, arrived: Callable[[], bool]) -> Iterator[Callable[[str], str]]:
    """Locust's own page, into whose Host field somebody writes."""
    port = _free_port()
    place = ["--web-host", "127.0.0.1", "--web-port", str(port)]
    page = Following([*_locust(), *place, "--host", "ws://127.0.0.1:9/"], folder)

    def ask(path: str, **form: str) -> str:
        data = urllib.parse.urlencode(form).encode() if form else None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{port}{path}", data, timeout=PATIENCE) as answer:
            told: str = answer.read().decode()
            return told

    def swarm(url: str) -> str:
        since = page.length
        ask("/swarm", user_count="1", spawn_rate="1", host=url)
        until(lambda: page.said(since, OVER) or arrived())
        ask("/stop", now="yes")
        until(lambda: json.loads(ask("/stats/requests"))["state"] in ("ready", "stopped"))
        return page.said(since)

    try:
        until(lambda: _is_there(port))
        yield swarm
    finally:
        page.end()


# They are nobody's door, so they are forked from one that has read Locust already.
MASTERS = """
import locust.main, json, os, sys
os.setpgid(0, 0)
while line := os.read(0, 65536):
    for sys.argv in map(json.loads, line.splitlines()):
        if not os.fork():
            locust.main.main()
            os._exit(0)
"""


@contextmanager
def worker(folder: Path, arrived: Callable[[], bool]) -> Iterator[Callable[[str], str]]:
    """Started by hand, for a master that knows nothing of us and says where to go."""
    plain = folder / "plain_master.py"
    plain.write_text("from locust import User\n\n\nclass Trader(User):\n    pass\n")
    masters = subprocess.Popen(
        [sys.executable, "-c", MASTERS], stdin=subprocess.PIPE, stderr=(folder / "masters.log").open("w"), text=True
    )  # fmt: skip

    def work(url: str) -> str:
        port = str(_free_port())
        print(json.dumps([
            "locust", "-f", str(plain), "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--headless",
            "-u", "1", "--expect-workers", "1", "--host", url,
        ]), file=masters.stdin, flush=True)  # fmt: skip
        hand = Following(
            [*_locust(), "--worker", "--master-host", "127.0.0.1", "--master-port", port, "--host", "ws://127.0.0.1:9/"], folder
        )  # fmt: skip
        try:
            until(lambda: hand.said(0, OVER) or arrived() or hand.process.poll() is not None)
            return hand.said()
        finally:
            hand.end()

    try:
        yield work
    finally:
        os.killpg(masters.pid, signal.SIGKILL)
        masters.wait()


def _is_there(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


# -- all of it -------------------------------------------------------------------------------------------------------


def main(doors: list[str]) -> None:
    folder = Path(os.environ["HOME"])
    if shutil.which("ip") is None:
        sys.exit(f"{MISSING}ip")
    make_a_way_out()
    use_this_resolver(folder)
    names, elsewhere = (
        Names(),
        f"Location: http://{ELSEWHERE}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    redirecting, proxy = Listener(f"HTTP/1.1 307 Temporary Redirect\r\n{elsewhere}"), Listener("")
    (folder / "probe.toml").write_text(CONFIG)
    os.environ["TRADEPROBE_CONFIG"] = str(folder / "probe.toml")
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "WS_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        os.environ[name] = f"http://127.0.0.1:{proxy.port}"
    os.environ["TRADEPROBE_PROXY"] = f"http://127.0.0.1:{proxy.port}"
    logs = folder / "logs"
    logs.mkdir()
    _own()
    quiet = until_still()
    results: list[dict[str, Any]] = []
    for door in doors:
        if door == "unguarded":
            results.append({"door": door, "sent": _unguarded()})
            continue
        opened = OPENED.get(door)
        with opened(logs, redirecting.has_news) if opened is not None else _as_it_is(CLOSED[door]) as go:

            def tried(what: str, attempt: Attempt, door: str = door, go: Door = go) -> dict[str, Any]:
                began_at, asked = time.monotonic(), len(names.asked)
                redirecting.has_news()
                sent = packets_out()
                said = go(attempt.url)
                return {
                    "door": door, "what": what, "why": attempt.why, "said": said, "sent": packets_out() - sent,
                    "asked": sorted(set(names.asked[asked:])), "seconds": time.monotonic() - began_at,
                }  # fmt: skip

            names.change_back()
            going = {what: each for what, each in attempts(redirecting.port).items() if not each.why}
            stopped = {what: each for what, each in attempts(redirecting.port).items() if each.why}
            with ThreadPoolExecutor(1 if door in ONE_AT_A_TIME else AT_A_TIME) as pool:
                results += pool.map(tried, stopped, stopped.values())
            results += map(tried, going, going.values())
    told: dict[str, Any] = {"proxied": proxy.heard, "redirected": redirecting.heard, "quiet": quiet}
    print("\n" + json.dumps(told | {"results": results}))


def _unguarded() -> list[int]:
    """What the counter says of somebody who asks no guard, over both families."""
    sent = []
    for family, address in ((socket.AF_INET, ELSEWHERE), (socket.AF_INET6, ELSEWHERE_6)):
        before = packets_out()
        with socket.socket(family, socket.SOCK_STREAM) as outward:
            outward.setblocking(False)
            outward.connect_ex((address, 80))
            until(lambda: packets_out() != before)  # noqa: B023 - it is called here
        sent.append(packets_out() - before)
    return sent


@contextmanager
def _as_it_is(door: Callable[[str], str]) -> Iterator[Callable[[str], str]]:
    yield door


CLOSED = {
    "direct": direct,
    "calls": direct_calls,
    "guard": direct_guard,
    "command": command,
    "locust": locust,
}
OPENED = {"web page": web_page, "worker": worker}
ONE_AT_A_TIME = ("direct", "calls", "guard", "web page")  # of one process, and at once anyway

if __name__ == "__main__":
    main(sys.argv[1:])
