"""A reader of credentials under any text: one kind of exception, no secret in what it says, and repairs that need no repair."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from probe.model.credentials import Credentials, redactor_for
from probe.model.endpoint import read_url
from probe.model.errors import CredentialInvalid
from probe.model.intents import Login
from probe.session import agents, damage, pasted
from tests.pretending import Known

CODES = {"cfg.ssid-raw-token", "cfg.ssid-mangled", "cfg.ssid-wrong-frame"}
TOKENS: list[bytes] = [
    token.encode("utf-8", "surrogatepass")
    for token in (
        *"\"'`“”‘’\\[]{}:;,=#$%&\0\n\r\t ",
        *("\\\\", '\\"', '""', '\\\\\\"', "\\u0000", "\\ud800", "\ufeff", "\u200b", "\u00a0", "\ud800", "\ufffd"),
        *("42", "451-", "42[", "isDemo", "token", "session", "secret", "uid", "env:", "...", "…", "é", "😀"),
        *("true", "false", "null", "NaN", "Infinity", "1e999", "-1", "0", "1.0", "9" * 400, "9" * 5000),
        *("[" * 2000, '{"a":' * 500, "}]", "}", "%22", "%FF", "%5B", "%25", "+", "=", "; "),
    )
]  # fmt: skip
_ADDRESS = read_url("wss://sim.test/")
_WINDOW = 12


def own_words(broker: ModuleType, *others: ModuleType) -> str:
    """Everything that the program may say of itself: the texts of these modules."""
    names = [f"{broker.__name__}.{module.name}" for module in iter_modules(broker.__path__)]
    modules = [*map(import_module, names), agents, damage, pasted, *others]
    return "".join(map(inspect.getsource, modules))


def decoded(data: bytes) -> str:
    """As a file is read, and sometimes as an argument that was UTF-8 all over."""
    return data.decode("utf-8", "ignore" if len(data) % 8 else "surrogateescape")


def check(known: Known, text: str, own: str, planted: Iterable[str]) -> None:
    broker = known.broker
    broker.recognises(text)
    try:
        found = broker.read_credentials(text)
    except CredentialInvalid as refused:
        check_refusal(refused, text, own)
        return
    # The names of cookies and browser are sent on as they came, and shown by nothing but a repr.
    shown = f"{found.facts} {replace(found, user_agent=None, cookies=())}"
    assert shown.isprintable()
    secrets = (found.frame, found.token, *found.parts)
    for secret in (*planted, *(secret.reveal() for secret in secrets)):
        assert secret not in shown or secret in own
    assert not any(quotes(warning, text, own) for warning in found.warnings)
    redactor_for(found)
    for name, value in broker.request_headers(found, _ADDRESS):
        assert re.fullmatch(r"[A-Za-z-]+: [ -~]+", f"{name}: {value}")
    _is_what_the_server_reads(known, found)
    again = broker.read_credentials(found.frame.reveal())
    assert (again.frame, again.token, again.account) == (found.frame, found.token, found.account)
    assert set(again.warnings) <= set(found.warnings)  # a repaired frame needs no repair
    assert set(again.facts) <= {*found.facts, *(fact for fact in again.facts if fact[0] == "account")}


def _is_what_the_server_reads(known: Known, found: Credentials) -> None:
    frame = found.frame.reveal()
    frame.encode()
    (login,) = known.broker.codec().decode_intent(frame)
    assert isinstance(login, Login)
    assert (login.token, login.account, login.user) == (found.token, found.account, found.user)


def check_refusal(refused: CredentialInvalid, text: str, own: str) -> None:
    assert refused.code in CODES
    assert refused.__context__ is None  # a JSON error in the chain would carry the whole text
    said = f"{refused} {refused!r}"
    assert said.isprintable()
    assert len(said) < 2000
    assert not quotes(said, text, own)


def quotes(said: str, text: str, own: str) -> bool:
    """Whether a message repeats a piece of the input that are not our own words."""
    pieces = {said[at : at + _WINDOW] for at in range(len(said) - _WINDOW + 1)}
    return any(piece in text and piece.strip(" .,:;()") not in own for piece in pieces)
