"""Staged: credentials that cannot be used as they were pasted, clients that do not fit their libraries, settings that
contradict the credential."""

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from probe.brokers import find_broker
from probe.diagnose.case import Pasted
from probe.doctor.examine import Patient
from probe.doctor.pasted import pasted_of, pasted_url, sources_of
from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.session.broker import Region
from probe.vault import Found, read_secret
from tests.doctor.simulated import simulated
from tests.doctor.staging import Staged, travelling

PO = '42["auth",{"session":"q7w6ha4u5vb1k2m9z0c3d8e7f1","isDemo":1,"uid":81234567,"platform":2}]'
QX = '42["authorization",{"session":"Ab3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zA3bC6dE9f","isDemo":1,"tournamentId":0}]'
DEMO, LIVE = (Region(name=f"{kind.value}-eu", account=kind) for kind in (Account.DEMO, Account.LIVE))


def _unread(pasted: Pasted | None) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        yield Patient(name="pasted", broker=None, endpoint=None, pasted=pasted)

    return stage


def _pasted(text: str, broker: str | None) -> Pasted | None:
    return pasted_of(
        Found(secret=Secret(text), source="an argument"), find_broker(broker) if broker else None
    )


_RAW, _MANGLED, _WRONG = "cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"
_TEXTS: tuple[tuple[str, str, str | None, str, bool], ...] = (
    (_RAW, "demo token", "pocketoption", "q7w6ha4u5vb1k2m9z0c3d8e7f1", True),
    (
        _RAW,
        "real session",
        "pocketoption",
        'a:4:{s:10:"session_id";s:32:"5f3c09d1b27e4a8860aa17c3e4d29b51";s:10:"ip_address";s:11:"203.0.113.7";}',
        True,
    ),
    (_RAW, "rebuilt around the token alone", "pocketoption", PO.replace("81234567", "0"), False),
    (_RAW, "token of nobody", None, "q7w6ha4u5vb1k2m9z0c3d8e7f1", True),
    (_RAW, "token of the wrong length", "quotex", "Ab3dE6gH9jK2mN5pQ8rS1tU4vW", True),
    (_MANGLED, "cut in the middle", "pocketoption", PO[:40], True),
    (_MANGLED, "dollar eaten by a shell", "pocketoption", PO.replace("q7w6ha4u5vb1k2m9z0c3d8e7f1", ""), True),
    (_MANGLED, "space in the token", "pocketoption", PO.replace("k2m9", "k2 m9"), True),
    (_MANGLED, "without isDemo", "pocketoption", PO.replace('"isDemo":1,', ""), True),
    (_MANGLED, "two frames", "pocketoption", PO + PO, True),
    (_MANGLED, "cut in the middle at the other", "quotex", QX[:50], True),
    (_MANGLED, "shortened by a screen", "quotex", QX.replace("K2mN5pQ8rS1tU4vW", "..."), True),
    (_MANGLED, "isDemo is a word", "quotex", QX.replace('"isDemo":1', '"isDemo":"yes"'), True),
    (_MANGLED, "without session", "quotex", QX.replace('"session"', '"sesion"'), True),
    (_MANGLED, "two frames at the other", "quotex", QX + QX, True),
    (_MANGLED, "a word of nobody", None, "SSID", False),
    (
        _WRONG,
        "chart socket",
        "pocketoption",
        '42["auth",{"sessionToken":"5f3c09d1b27e4a8860aa17c3e4d29b51","uid":"81234567","currentUrl":"cabinet"}]',
        True,
    ),
    (_WRONG, "the other broker's", "pocketoption", QX, True),
    (_WRONG, "the first broker's", "quotex", PO, True),
    (_WRONG, "a cookie", "quotex", "laravel_session=eyJpdiI6Ik5vcGUifQ; cf_clearance=abc", True),
    (_WRONG, "greeting", "quotex", '0{"sid":"AAAA","upgrades":[],"pingInterval":25000}', True),
)
_URLS = (
    ("scheme twice", "wss://wss://ws2.qxbroker.com/socket.io/"),
    ("no scheme", "ws2.qxbroker.com/socket.io/"),
    ("no host", "wss:///socket.io/?EIO=4"),
    ("space inside", "wss://ws2.qxbroker.com /socket.io/"),
    ("wrong port", "wss://ws2.qxbroker.com:99999/"),
    ("empty label", "wss://ws2..qxbroker.com/"),
)


@asynccontextmanager
async def _installed(*packages: tuple[str, str, str]) -> AsyncIterator[None]:
    """Name, version and demands of packages that pip would find here."""
    with TemporaryDirectory() as folder:
        for name, version, demand in packages:
            info = Path(folder) / f"{name.replace('-', '_')}-{version}.dist-info"
            info.mkdir()
            needs = f"Requires-Dist: {demand}\n" if demand else ""
            (info / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
            )
        sys.path.insert(0, folder)
        try:
            yield
        finally:
            sys.path.remove(folder)


def _beside(*packages: tuple[str, str, str]) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    """A session with nothing wrong, in a Python with these."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with _installed(*packages), simulated("pocketoption")() as patient:
            yield patient

    return stage


@asynccontextmanager
async def _behind_socks() -> AsyncIterator[Patient]:
    """The environment names a SOCKS proxy, which only other programs heed here."""
    async with _beside(("pocketoptionapi2", "0.1.1", ""))() as patient:
        with mock.patch.dict(os.environ, {"https_proxy": "socks5://127.0.0.1:9"}):
            yield patient


def _set_for_the_other_kind(*faults: str) -> Callable[[], AbstractAsyncContextManager[Patient]]:
    """The frame is of a demo account, and the endpoint is said to be for real ones."""

    @asynccontextmanager
    async def stage() -> AsyncIterator[Patient]:
        async with simulated("pocketoption", *faults)() as patient:
            assert patient.endpoint is not None
            yield replace(
                patient, endpoint=replace(patient.endpoint, account=Account.LIVE), pasted=_pasted(PO, None)
            )

    return stage


@asynccontextmanager
async def _older_file() -> AsyncIterator[Patient]:
    """Two files of one target: the one that is used was written earlier, and holds another token; it is refused."""
    with TemporaryDirectory() as folder:
        old, new = Path(folder) / "old", Path(folder) / "new"
        for path, text in ((old, PO.replace("q7w6", "a1b2")), (new, PO)):
            path.write_text(text)
            path.chmod(0o600)
        written = new.stat().st_mtime
        old.touch()

        os.utime(old, (written - 9 * 86_400, written - 9 * 86_400))
        references = [f"file:{old}", f"file:{new}"]
        places = sources_of(references, now_utc=written + 60.0)
        async with simulated("pocketoption", "auth-refused")() as patient:
            yield replace(patient, pasted=pasted_of(read_secret(references[0]), patient.broker, places))


CASES: list[Staged] = [
    *(
        Staged(
            code=code,
            name=name,
            play=travelling(_unread(_pasted(text, broker)), code, offline=True),
            certain=certain,
        )
        for code, name, broker, text, certain in _TEXTS
    ),
    *(
        Staged(
            code="cfg.url-malformed",
            name=name,
            play=travelling(_unread(pasted_url(url)), "cfg.url-malformed", offline=True),
            certain=True,
        )
        for name, url in _URLS
    ),
    Staged(
        code="cfg.library-version",
        name="a client that calls what is gone",
        play=travelling(
            _beside(("pocketoptionapi-async", "2.0.1", "websockets>=11.0.0")), "cfg.library-version"
        ),
        certain=True,
    ),
    Staged(
        code="cfg.library-version",
        name="a client that asks for an older library",
        play=travelling(
            _beside(("pocketoptionapi2", "0.1.1", "websockets (>=10.0,<14)")), "cfg.library-version"
        ),
        certain=True,
    ),
    *(
        Staged(code="", name=name, play=travelling(_beside(package), ""))
        for name, package in (
            ("a client that fits", ("pocketoptionapi2", "0.1.1", "websockets>=12")),
            ("a client of another broker", ("quotexpy", "1.40.7", "websockets<14")),
        )
    ),
    Staged(
        code="cfg.socks-extra-missing",
        name="a proxy for which nothing is installed",
        play=travelling(_behind_socks, "cfg.socks-extra-missing"),
        certain=True,
    ),
    Staged(
        code="cfg.ssid-field-override",
        name="a setting for the other kind of account",
        play=travelling(_set_for_the_other_kind("auth-refused"), "cfg.ssid-field-override"),
    ),
    Staged(
        code="cfg.ssid-field-override",
        name="a setting that the server's balance contradicts",
        play=travelling(_set_for_the_other_kind(), "cfg.ssid-field-override"),
        certain=True,
    ),
    Staged(
        code="cfg.ssid-stale-cache",
        name="an older file is used",
        play=travelling(_older_file, "cfg.ssid-stale-cache"),
    ),
    Staged(
        code="cfg.ssid-stale-cache",
        name="an older file would be used",
        play=travelling(_older_file, "cfg.ssid-stale-cache", offline=True),
        certain=True,
    ),
    *(
        Staged(
            code="cfg.client-outdated",
            name=f"{fault.replace(':', ' ')} {broker}",
            play=travelling(simulated(broker, fault), "cfg.client-outdated"),
        )
        for broker in ("pocketoption", "quotex")
        for fault in ("rename-event:of=ticks", "extra-element")
    ),
]
