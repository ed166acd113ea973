"""What may be shown to strangers: a text from which all has gone that could lead to an account, a person or a machine of theirs,
and the file that holds it."""

import ipaddress
import json
import platform
import re
import socket
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import click

from probe.cli.doctor_report import Page, as_data
from probe.disk import write_result
from probe.doctor.examine import Examination, Patient
from probe.model.errors import ConfigError

HEADING = "# What `probe doctor` saw"
FENCE = "`" * 4
NOTE = (
    "Safe to post: credentials, tokens, e-mail addresses, user ids, what follows a `?` in a URL, and the names and addresses "
    "of the machine that made it were taken out."
)
SHORTEST_NAME = 3  # of a user or a machine; a shorter one says nothing about anybody

_E_MAIL = re.compile(r"[\w.+%-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_QUERY = re.compile(r"\?[\w.~%\[\]-]+=[^\s\"'<>]*")
_USER = re.compile(
    r"(?i)((?:uid|user_?(?:id|name)?|account_?(?:id|number)?|login|nick_?name|profile_?id)\\*[\"']?\s*[:=]\s*)"
    r"(?:\\*\"[^\"\\]*\\*\"|'[^']*'|\d+)"
)
_WORD = re.compile(r"[A-Za-z0-9+/_=%~-]{20,}")
# Words of people and of standards: letters with a few digits behind them, or a short number.
_HARMLESS_PIECE = re.compile(r"[A-Za-z]{1,15}\d{0,3}|\d{1,4}|")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_IPV6 = re.compile(
    r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])"
)


class Net:
    """
    Args:
        kept: Addresses of the servers that were asked; others are the user's or somebody else's.
        own: Words that name this machine or its user.
    """

    def __init__(self, kept: Collection[str], own: Iterable[tuple[str, str]]) -> None:
        self._kept = {each for each in kept if each}
        words = [(each, shown) for each, shown in own if len(each) >= SHORTEST_NAME]
        self._own = [
            (re.compile(rf"(?<!\w){re.escape(each)}(?!\w)", re.IGNORECASE), shown)
            for each, shown in sorted(words, key=lambda pair: -len(pair[0]))
        ]

    def __call__(self, text: str) -> str:
        text = _E_MAIL.sub("<e-mail>", text)
        text = _QUERY.sub("?…", text)
        text = _USER.sub(r"\1<user>", text)
        for own, shown in self._own:
            text = own.sub(shown, text)
        text = _WORD.sub(_long_word, text)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, text))

    def _address(self, found: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        if str(address) in self._kept or address.is_loopback or address.is_unspecified:
            return found[0]
        return "<private address>" if address.is_private else "<address>"


def _long_word(found: re.Match[str]) -> str:
    pieces = re.split(r"[+/_=%~-]", found[0])
    if all(_HARMLESS_PIECE.fullmatch(each) for each in pieces):
        return found[0]
    return f"<{len(found[0])} signs>"


def own_words() -> list[tuple[str, str]]:
    """What names this machine and its user."""
    home, host = Path.home(), socket.gethostname()
    words = [(str(home), "~"), (host, "<this machine>"), (host.partition(".")[0], "<this machine>")]
    return [*words, (home.name, "<user>")] if home.name != "root" else words


def check_place(path: Path) -> None:
    """
    Raises:
        ConfigError: the file cannot be written there, or something else is there.
    """
    if not path.parent.is_dir():
        raise ConfigError(
            "there is no such folder", where=f"--share {path}", next_step="Make it, or name another file."
        )
    try:
        beginning = _beginning(path)
    except OSError as problem:
        raise _unwritable(path, problem) from None
    if beginning not in ("", HEADING):
        raise ConfigError(
            "another file is there, and it is not overwritten",
            where=f"--share {path}",
            next_step="Name a file that is not there yet.",
        )


def _beginning(path: Path) -> str:
    if not path.exists():
        return ""
    if not path.is_file():  # a pipe would keep us waiting
        return "no file"
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(len(HEADING))


def write(path: Path, examination: Examination, redact: Callable[[str], str]) -> None:
    """
    Raises:
        ConfigError: it cannot be written.
    """
    try:
        write_result(path, shared(examination, redact).encode("utf-8", "replace"), mode=0o600)
    except OSError as problem:
        raise _unwritable(path, problem) from None


def shared(examination: Examination, redact: Callable[[str], str]) -> str:
    patient = examination.patient
    # A name that its user chose may be anybody's.
    nameless = replace(
        examination, patient=replace(patient, name=patient.broker.name if patient.broker else "a target")
    )
    theirs = _servers_of_theirs(patient)
    is_public = "<their server>" not in theirs.values()
    net = Net(_asked(examination) if is_public else (), [*own_words(), *theirs.items()])

    def clean(text: str) -> str:
        return net(redact(text)).replace(FENCE, "'" * len(FENCE))

    page = "\n".join(map(click.unstyle, Page(clean=clean).of(nameless)))
    made_with = f"tradeprobe {version('tradeprobe')}, Python {platform.python_version()}, {platform.system()} {platform.release()}"
    record = json.dumps(as_data(nameless, clean), ensure_ascii=False, indent=1)
    return f"""{HEADING}

{clean(made_with)}.

{NOTE}

{FENCE}text
{page}
{FENCE}

<details><summary>The whole record</summary>

{FENCE}json
{record}
{FENCE}

</details>
"""


def _servers_of_theirs(patient: Patient) -> dict[str, str]:
    """Hosts that only the user has to do with, and what is shown for them: a server of his own, or of a kind that everybody
    runs for himself, and his proxy."""
    found = {}
    broker, endpoint, proxy = patient.broker, patient.endpoint, patient.proxy
    if endpoint is not None and broker is not None:
        is_everybodys = bool(broker.endpoints or broker.open_endpoints)
        if patient.is_ours or not is_everybodys:
            found[endpoint.address.host] = "<their server>"
    if proxy is not None:
        found[proxy.proxy.host] = "<their proxy>"
    return {host: shown for host, shown in found.items() if not _is_here(host)}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _asked(examination: Examination) -> set[str]:
    case, knock = examination.case, examination.knock
    found = {way.address for way in case.ways} | set(case.names.addresses if case.names else ())
    if knock is not None and knock.facts.dialled is not None and knock.proxy is None:
        found.add(knock.facts.dialled.address)
    if examination.patient.endpoint is not None:
        found.add(examination.patient.endpoint.address.host)
    return found


def _unwritable(path: Path, problem: OSError) -> ConfigError:
    return ConfigError(
        f"the file cannot be written or read ({problem.strerror})",
        where=f"--share {path}",
        next_step="Name a file in a folder of yours.",
    )
