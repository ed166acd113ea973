"""What may be shown to strangers: a text from which all has gone that could lead to an account, a person or a machine of theirs,
and the file that holds it."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from probe.cli.doctor_report import Page, as_data, made_with
from probe.cli.nameless import Net, own_words
from probe.cli.output import plain, readable
from probe.diagnose.case import Case
from probe.diagnose.rules.names import looks_public
from probe.disk import write_result
from probe.doctor.examine import Examination, Patient
from probe.model.errors import ConfigError
from probe.model.standins import is_address

HEADING = "# What `probe doctor` saw"
FENCE = "`" * 4
NOTE = (
    "Safe to post: credentials, tokens, e-mail addresses, user ids, what follows a `?` in a URL, and the names and addresses "
    "of the machine that made it were taken out. Addresses that begin with 192.0.2. or 2001:db8:1: stand for others of private "
    "networks, those with 198.51.100. or 2001:db8:2: for public ones."
)
LONGEST_LINE = 110
_PIECE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])*,?')


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
    nameless = replace(nameless, case=_of_nobody(examination.case))
    theirs = _servers_of_theirs(patient)
    is_public = patient.endpoint is None or patient.endpoint.address.host not in theirs
    net = Net(_asked(examination) if is_public else (), [*own_words(), *theirs.items()])

    def clean(text: str) -> str:
        return net(redact(text)).replace(FENCE, "'" * len(FENCE))

    page = "\n".join(map(click.unstyle, Page(clean=clean).of(nameless)))
    record = as_data(nameless, clean)
    case = _folded(_json(record.pop("case")))
    return f"""{HEADING}

{clean(plain(examination.made_with or made_with()))}.

{NOTE}

{FENCE}text
{page}
{FENCE}

<details><summary>The whole record</summary>

{FENCE}json
{_json(record, indent=1)[:-2]},
 "case": {case}
}}
{FENCE}

</details>
"""


def _of_nobody(case: Case) -> Case:
    """Other targets have names that their user chose, too."""
    if case.past is None:
        return case
    numbered = (
        replace(each, name=f"target {place}") for place, each in enumerate(case.past.neighbours, start=2)
    )
    return replace(case, past=replace(case.past, neighbours=tuple(numbered)))


def _folded(told: str) -> str:
    """JSON in lines that no mail program has to cut: they end between two values."""
    lines = [""]
    for piece in _PIECE.findall(told):
        if lines[-1] and len(lines[-1]) + len(piece) > LONGEST_LINE:
            lines.append("")
        lines[-1] += piece
    return "\n  ".join(lines)


def _json(value: object, indent: int | None = None) -> str:
    separators = (",", ":") if indent is None else None
    return readable(json.dumps(value, ensure_ascii=False, indent=indent, separators=separators))


def _servers_of_theirs(patient: Patient) -> dict[str, str]:
    """Hosts that only the user has to do with, and what is shown for them: a server of his own, or of a kind that everybody
    runs for himself, and his proxy."""
    found = {}
    broker, endpoint, proxy = patient.broker, patient.endpoint, patient.proxy
    if endpoint is not None and broker is not None:
        is_everybodys = bool(broker.endpoints or broker.open_endpoints)
        if patient.is_ours or not is_everybodys:
            found[endpoint.address.host] = _stand_in("their-server", endpoint.address.host)
    if proxy is not None:
        found[proxy.proxy.host] = _stand_in("their-proxy", proxy.proxy.host)
    return {host: shown for host, shown in found.items() if host != "localhost"}


def _stand_in(name: str, host: str) -> str:
    """What can be told from a name's shape stays so: whether everybody may look it up. An address has a stand-in anyway."""
    if is_address(host):
        return host
    if looks_public(host):
        return f"{name}.example"
    return f"{name}.internal" if "." in host else name


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
