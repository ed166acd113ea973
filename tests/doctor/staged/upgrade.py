"""Answers in place of the WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from probe.diagnose.case import Past, Try
from probe.doctor.examine import Means, Patient, examine
from probe.drivers.proxies import ChosenProxy
from probe.model.proxy import Proxy, Scheme
from tests.doctor.simulated import simulated
from tests.doctor.staging import OnPaper, Said, Staged, judged, travelling
from tests.doctor.upgrade_stubs import Script, Stage, answers, at, listening, says, silent, switches
from tests.monitor.matrix import WEDNESDAY_NOON, simulated_at
from tests.pretending import POCKETOPTION, Known
from tests.virtual.travelling import run

CF = ("Server: cloudflare", "CF-RAY: 8f1e2d3c4b5a6978-FRA", "Content-Type: text/html")
NGINX = ("Server: nginx", "Content-Type: text/html")
JSON = ("Content-Type: application/json",)
PAGE = "<html><head><title>Welcome</title></head><body>Trade with us</body></html>"
CHALLENGE = "<html><head><title>Just a moment...</title></head></html>"
LIMITED = Past(seconds=3600.0, tries=(Try(ago_seconds=200.0, code="http.429", status=429),))
HAMMERED = Past(seconds=3600.0, tries=tuple(Try(ago_seconds=100.0 + each) for each in range(12)))
PAST = "what was tried in the hour before is written down, and not lived through"
QUIET = Past(seconds=3600.0, tries=(Try(ago_seconds=900.0), Try(ago_seconds=60.0)))


def staged(
    code: str,
    name: str,
    script: Script,
    *,
    certain: bool = False,
    past: Past | None = None,
    control: Script | None = None,
    known: Known = POCKETOPTION,
    beside: str = "",
) -> Staged:
    """`past`: what a monitor would have kept. `control`: what a host of somebody else's does."""

    async def examined() -> Said:
        clock = asyncio.get_running_loop().time
        with simulated_at(WEDNESDAY_NOON):
            async with at(script, known=known)() as patient, listening(control or silent) as port:
                means = Means(controls=(f"127.0.0.1:{port}",) if control else ())
                found = await examine(patient, means, utc=lambda: WEDNESDAY_NOON + clock())
        return judged(replace(found.case, past=past), patient.broker, code)

    def play() -> Said:
        return run(examined())

    return Staged(
        code=code,
        name=name,
        play=OnPaper(play, PAST) if past else play,
        certain=certain,
        beside=frozenset(beside.split()),
    )


def on_edge(code: int) -> Script:
    return answers("403 Forbidden", *CF, body=f'<html><span class="cf-error-code">{code}</span></html>')


def only_for(origin: str) -> Script:
    """An upgrade for clients from there."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"origin: {origin}".encode() not in head.lower()
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 18\r\n\r\nOrigin not allowed")
        await reader.read()

    return script


def behind_proxy(answer: Script) -> Stage:
    """A server that is well, and a proxy that answers in its place."""

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await answer(reader, writer)

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with listening(proxy) as port, at(switches())() as patient:
            chosen = ChosenProxy(
                proxy=Proxy(scheme=Scheme.HTTP, host="127.0.0.1", port=port), source="a test"
            )
            yield replace(patient, proxy=chosen, is_ours=True)

    return stage


ENGINE_OPEN = '0{"sid":"abc","upgrades":%s,"pingInterval":25000,"pingTimeout":20000}'

CASES = [
    # what the edge says
    staged("http.cf-challenge", "its own word", answers("403 Forbidden", *CF, "cf-mitigated: challenge", body=CHALLENGE), certain=True),
    staged("http.cf-challenge", "only its page", answers("503 Service Unavailable", *CF, body=CHALLENGE)),
    staged("http.cf-challenge", "with status 200", answers("200 OK", *CF, body=CHALLENGE)),
    staged("http.cf-challenge", "an endless one", answers("403 Forbidden", *CF, "cf-mitigated: challenge", body=CHALLENGE, length=9000), certain=True),
    staged("http.cf-challenge", "with status 429", answers("429 Too Many Requests", *CF, "cf-mitigated: challenge", body=CHALLENGE), certain=True),
    Staged(code="http.cf-challenge", name="a simulated one", play=travelling(simulated("quotex", "http-status:code=403"), "http.cf-challenge"), certain=True),
    *(
        staged("http.cf-ip-reputation", f"code {code}", on_edge(code), certain=True)
        for code in (1005, 1006, 1007, 1008, 1010, 1020, 1106)
    ),
    staged("http.cf-ip-reputation", "as plain text", answers("403 Forbidden", *CF, body="error code: 1020"), certain=True),
    staged("http.cf-ip-reputation", "without a code", answers("403 Forbidden", *CF, body="<h1>Sorry, you have been blocked</h1>")),
    *(
        staged("http.cf-ip-reputation", f"a block page with status {status[:3]}", answers(status, *CF, body="<h1>Sorry, you have been blocked</h1>"))
        for status in ("200 OK", "429 Too Many Requests", "503 Service Unavailable")
    ),
    staged("http.host-vs-sni", "code 1013", on_edge(1013), certain=True),
    staged("http.host-vs-sni", "code 1003", on_edge(1003)),
    # refused
    staged("http.401", "bare", answers("401 Unauthorized", "WWW-Authenticate: Bearer"), certain=True),
    staged("http.403-origin", "a page of nginx", answers("403 Forbidden", *NGINX, body="<h1>403 Forbidden</h1>")),
    staged("http.403-origin", "an application's own", answers("403 Forbidden", *JSON, body='{"code":202,"error":"no"}')),
    staged("http.401", "a closed site", answers("401 Unauthorized", *NGINX, 'WWW-Authenticate: Basic realm="staging"', body="<h1>401</h1>"), certain=True),
    staged("http.403-origin", "Cloudflare without a page", answers("403 Forbidden", *CF)),
    staged("http.403-origin", "a number of the application's own behind Cloudflare", answers("403 Forbidden", *CF, body='{"error":1006}')),
    staged("http.403-origin", "a page of a proxy", answers("403 Forbidden", "Via: 1.1 office (squid/5.7)", "Content-Type: text/html", body="<title>ERROR: The requested URL could not be retrieved</title>")),
    staged("http.403-origin", "a proxy that nobody set wants a login", answers("407 Proxy Authentication Required", "Via: 1.1 office")),
    staged("http.403-origin", "behind Cloudflare", answers("403 Forbidden", *CF, body="no permission")),
    staged("http.origin-or-ua", "the right Origin only", only_for("https://elsewhere.test")),
    staged("http.origin-or-ua", "an Engine.IO that forbids", answers("400 Bad Request", *JSON, body='{"code":4,"message":"Forbidden"}')),
    # too often
    staged("http.429", "with a time to wait", answers("429 Too Many Requests", "Retry-After: 30"), certain=True),
    staged("http.429", "bare", answers("429 Too Many Requests")),
    staged("http.429", "code 1015", answers("429 Too Many Requests", *CF, body="error code: 1015"), certain=True),
    staged("http.ban-disguised", "418", answers("418 I'm a teapot", *NGINX)),
    staged("http.ban-disguised", "503 after a 429", answers("503 Service Unavailable", *NGINX), past=LIMITED),
    staged("http.ban-disguised", "silence after a burst", silent, past=HAMMERED),
    # the server behind
    *(
        staged("http.bad-gateway", status, answers(status, *NGINX, body="<h1>Oops</h1>"))
        for status in ("502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout", "500 Internal Server Error")
    ),
    staged("http.bad-gateway", "a page of maintenance", answers("503 Service Unavailable", *NGINX, body="<title>Just a moment, we are back soon</title>")),
    staged("http.bad-gateway", "521 of somebody else", answers("521 Oops", *NGINX)),
    staged("http.bad-gateway", "after few attempts", answers("502 Bad Gateway", *NGINX), past=QUIET),
    *(
        staged("http.cf-52x", str(status), answers(f"{status} Origin Error", *CF, body="<h1>Oops</h1>"), certain=True)
        for status in (*range(520, 527), 530)
    ),
    staged("http.error-seen-as-timeout", "503 that goes on", answers("503 Service Unavailable", *NGINX, body="Oops!", length=100), certain=True),
    # another place
    staged("http.200-not-101", "a web page", answers("200 OK", *NGINX, body=PAGE)),
    staged("http.200-not-101", "and a control that is well", answers("200 OK", *NGINX, body=PAGE), certain=True, control=answers("204 No Content")),
    staged("http.200-not-101", "a page with Cloudflare's script", answers("200 OK", *CF, body=PAGE.replace("</body>", '<script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js"></script></body>'))),
    staged("http.200-not-101", "no page at all", answers("200 OK", *JSON, body='{"status":"ok"}')),
    staged("http.wrong-path", "404 of a load balancer", answers("404 Not Found", "Server: awselb/2.0", "Via: 1.1 google", "Content-Type: text/plain", body="default backend - 404")),
    staged("http.wrong-path", "404", answers("404 Not Found", *JSON, body='{"detail":"Not Found"}')),
    staged("http.wrong-path", "an Engine.IO that knows no such transport", answers("400 Bad Request", *JSON, body='{"code":0,"message":"Transport unknown"}')),
    staged("http.redirect", "302 to https", answers("302 Found", "Location: https://elsewhere.test/"), certain=True, control=answers("204 No Content")),
    staged("http.redirect", "to the same with TLS", answers("301 Moved Permanently", *NGINX, "Location: https://127.0.0.1/socket.io/?EIO=4"), certain=True),
    staged("http.redirect", "301 to http", answers("301 Moved Permanently", "Location: http://elsewhere.test/")),
    staged("http.redirect", "to a login page", answers("307 Temporary Redirect", "Location: /en/sign-in?back=/")),
    # an upgrade that is lost
    staged("http.no-upgrade", "426", answers("426 Upgrade Required", *NGINX)),
    staged("http.no-upgrade", "426 that wants another", answers("426 Upgrade Required", "Upgrade: h2c")),
    staged("http.no-upgrade", "400 of a page", answers("400 Bad Request", *NGINX, body="<h1>400 Bad Request</h1>")),
    staged("http.no-upgrade", "101 without Upgrade", switches(upgrade="")),
    staged("http.no-upgrade", "101 and the end", switches(connection="Connection: close")),
    staged("http.no-upgrade", "a greeting with upgrades", answers("200 OK", body=ENGINE_OPEN % '["websocket"]')),
    Staged(code="http.no-upgrade", name="a proxy that drops it", play=travelling(behind_proxy(answers("426 Upgrade Required", "Via: 1.1 proxy")), "http.no-upgrade"), certain=True),
    staged("http.handshake-invalid", "a wrong key", switches(key=b"another")),
    staged("http.handshake-invalid", "compression nobody offered", switches(more=["Sec-WebSocket-Extensions: permessage-deflate"])),
    Staged(code="http.handshake-invalid", name="a proxy that alters it", play=travelling(behind_proxy(switches(key=b"another")), "http.handshake-invalid")),
    # nothing that can be read
    staged("http.open-timeout", "silence", silent),
    staged("http.open-timeout", "silence after few attempts", silent, certain=True, past=QUIET),
    Staged(code="http.open-timeout", name="a simulated one", play=travelling(simulated("quotex", "silent-upgrade"), "http.open-timeout")),
    staged("http.not-http", "an SSH banner", says(b"SSH-2.0-OpenSSH_9.6\r\n", at_once=True), certain=True),
    staged("http.not-http", "junk", says(b"\xde\xad\xbe\xef" * 8)),
    staged("http.not-http", "an end before the request", says(b"", at_once=True)),
    staged("http.not-http", "an end after the request", says(b"")),
    # questions that are asked one by one
    *(
        Staged(code=code, name=f"of {fault}", play=travelling(simulated("mt5", fault), code))
        for fault, code in (
            ("gateway-nginx-504", "http.bad-gateway"),
            ("gateway-html", "http.200-not-101"),
            ("gateway-redirect", "http.redirect"),
            ("gateway-drip", "http.open-timeout"),
        )
    ),
]  # fmt: skip
