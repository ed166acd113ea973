"""`probe doctor --from`: somebody else's file, judged again; whatever it is, nobody is asked and nothing in it acts."""

import html
import io
import json
import socket
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from probe.cli.doctor_report import as_data
from probe.cli.share import shared
from probe.doctor.examine import Examination, Means
from probe.doctor.records import MOST_BYTES
from tests.cli.test_doctor import Doctor
from tests.doctor.simulated import simulated
from tests.doctor.staging import _examined
from tests.monitor.matrix import WEDNESDAY_NOON
from tests.virtual.travelling import run

TRANSCRIPTS = Path(__file__).parents[2] / "probe" / "brokers"
ILL = {("bingx", "account"), ("bingx", "errors"), ("pocketoption", "refusals"), ("quotex", "refusals")}
HEALTHY = [
    each
    for broker in ("bingx", "pocketoption", "quotex")
    for each in sorted((TRANSCRIPTS / broker / "transcripts").glob("*.txt"))
    if (broker, each.stem) not in ILL
]
CODE, SURE = "auth.session-expired", "possible"


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    examination()  # before it becomes impossible
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", _forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", _only_numbers(socket.getaddrinfo))


def _forbidden(*_: object) -> None:
    raise AssertionError("the network was asked")


def _only_numbers(lookup: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(*arguments: Any, flags: int = 0, **more: Any) -> Any:
        assert flags & socket.AI_NUMERICHOST, "a resolver was asked"
        return lookup(*arguments, flags=flags, **more)

    return look_up


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    return Doctor(capsys)


@cache
def examination() -> Examination:
    return run(_examined(simulated("pocketoption", "auth-refused"), Means(), WEDNESDAY_NOON))


def printed() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(as_data(examination())))
    return told


def read(doctor: Doctor, content: str | bytes | dict[str, Any], *options: str) -> tuple[int, dict[str, Any]]:
    match content:
        case dict():
            Path("it").write_text(json.dumps(content))
        case str():
            Path("it").write_text(content, newline="")
        case bytes():
            Path("it").write_bytes(content)
    ran = doctor("--from", "it", "--json", *options)
    assert ran.code in (0, 1, 3, 4), ran.err
    return ran.code, ran.told


def found(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (each["code"], each["certainty"]) for each in told["verdicts"] if not each["code"].startswith("host.")
    ]


def refused(doctor: Doctor, *arguments: str) -> str:
    ran = doctor(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "bug of ours" not in ran.err
    return ran.err


# -- what can be read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["a shared file", "what --json printed"])
def test_it_is_judged_as_it_was_by_whoever_made_it(doctor: Doctor, form: str) -> None:
    code, told = read(doctor, shared(examination(), str) if form == "a shared file" else printed())
    live = printed()
    assert (code, found(told)) == (1, found(live))
    assert found(told)[0] == (CODE, SURE)
    assert told["rungs"] == live["rungs"]
    assert told["session"]["last_messages"][1:2] == live["session"]["last_messages"][1:2] == ["> 40"]
    assert told["contacts"] == []
    assert told["from"]["at"] == live["at"] == told["at"]
    assert told["from"]["made_with"].startswith("tradeprobe ")


def test_the_page_says_first_whose_it_is_and_is_then_the_same(doctor: Doctor) -> None:
    text = shared(examination(), str)
    Path("it").write_text(text)
    page = doctor("--from", "it").out
    preface, _, rest = page.partition("\n\n")
    words = " ".join(preface.split())
    assert words.startswith(
        "from it: an examination of pocketoption, written 2026-01-07 12:00 UTC by tradeprobe "
    )
    assert "Nobody was contacted" in words
    assert "then" not in words
    assert rest.strip() == text.partition("````text\n")[2].partition("\n````")[0].strip()


def test_it_can_come_by_standard_input(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(json.dumps(printed()).encode())))
    ran = doctor("--from", "-")
    assert ran.code == 1
    assert ran.out.startswith("from      standard input: an examination of sim:pocketoption")


def test_it_can_be_shared_again_and_is_still_judged_the_same(doctor: Doctor) -> None:
    Path("it").write_text(shared(examination(), str))
    doctor("--from", "it", "--share", "again.md")
    assert found(json.loads(doctor("--from", "again.md", "--json").out)) == found(printed())


def test_rules_that_judge_otherwise_than_then_say_so(doctor: Doctor) -> None:
    old = printed()
    old["verdicts"] = [{"code": "auth.ip-bound", "certainty": "certain"}]
    Path("it").write_text(json.dumps(old))
    ran = doctor("--from", "it")
    assert "then      whoever wrote it judged otherwise: auth.ip-bound (certain).\n" in ran.out


WRAP = 72
MAIL: dict[str, Callable[[str], str]] = {
    "line ends of Windows": lambda text: text.replace("\n", "\r\n"),
    "quoted in an answer": lambda text: "\n".join(f"> {line}" for line in text.splitlines()),
    "quoted twice": lambda text: "\n".join(f">> {line}" for line in text.splitlines()),
    "signs as HTML": html.escape,
    "without its fences": lambda text: text.replace("````", ""),
    "lines cut": lambda text: "\n".join(
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, WRAP, break_long_words=False, break_on_hyphens=False) or [""]
    ),
    "words before and after": lambda text: f"Hello,\n\nit broke:\n\n{text}\n\n-- \nAnn",
}


@pytest.mark.parametrize("how", MAIL)
def test_what_mail_and_forums_do_to_it_is_undone(doctor: Doctor, how: str) -> None:
    _, told = read(doctor, MAIL[how](shared(examination(), str)))
    assert found(told) == found(printed())


def test_all_of_it_at_once_too(doctor: Doctor) -> None:
    text = MAIL["quoted in an answer"](MAIL["lines cut"](MAIL["signs as HTML"](shared(examination(), str))))
    _, told = read(doctor, MAIL["line ends of Windows"](text))
    assert found(told) == found(printed())


def test_of_an_older_version_that_kept_no_case_the_messages_are_judged(doctor: Doctor) -> None:
    old = printed()
    del old["case"]
    code, told = read(doctor, old)
    assert (code, found(told)[0]) == (1, (CODE, SURE))
    assert told["from"]["what"] == "a transcript of 6 messages"
    assert [each["outcome"] for each in told["rungs"][:5]] == ["not checked"] * 5


# -- transcripts ---------------------------------------------------------------------------------------------------------


def checked() -> dict[str, Any]:
    """What `probe check --json` prints."""
    told: dict[str, Any] = printed()["session"]
    return told


@pytest.mark.parametrize("end", ["messages", "failure"])
def test_what_check_printed_is_judged_by_its_messages_and_by_how_it_failed(doctor: Doctor, end: str) -> None:
    told = checked()
    told["last_messages" if end == "failure" else "failure"] = None
    assert found(read(doctor, told)[1])[0][0] == CODE


def test_a_failure_before_any_message_is_judged_alone(doctor: Doctor) -> None:
    told = checked() | {"last_messages": [], "failure": {"kind": "tcp.refused", "spoke_last": "nobody"}}
    code, told = read(doctor, told)
    assert (code, found(told)[0][0]) == (1, "tcp.refused")


def incident(evidence: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema_version": 1, "kind": "incident", "at": "2026-01-07T12:00:00.000Z", "target": "pocketoption",
            "code": CODE, "evidence": evidence}  # fmt: skip


LINES = [
    {"at": 1.0, "direction": "<", "text": '0{"sid":"a","pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'},
    {"at": 1.1, "direction": ">", "text": "40"},
    {"at": 1.2, "direction": "<", "text": '40{"sid":"b"}'},
    {"at": 1.3, "direction": ">", "text": "***"},
    {"at": 1.4, "direction": "<", "text": '42["NotAuthorized"]'},
]  # fmt: skip


def test_what_a_monitor_printed_is_judged_by_the_last_evidence_and_by_the_past(doctor: Doctor) -> None:
    ends = [
        {"schema_version": 1, "kind": "disconnect", "at": "2026-01-07T12:00:00.000Z", "at_utc": 1000.0 + n,
         "target": "pocketoption", "endpoint": "near", "lasted_seconds": 5.0, "initiator": "remote", "close_code": None,
         "planned": False, "failure": {"kind": "session.closed-1006", "code": "session.closed-1006"}}
        for n in range(2)
    ]  # fmt: skip
    records = [*ends, incident(LINES)]
    _, told = read(doctor, "\n".join(map(json.dumps, records)))
    assert found(told)[0][0] == CODE
    assert [each["code"] for each in told["case"]["known"]["past"]["ends"]] == ["session.closed-1006"] * 2
    assert told["from"]["verdicts"] == [{"code": CODE}]


@pytest.mark.parametrize(
    ("broker", "name", "first"),
    [
        ("pocketoption", "refusals", (CODE, SURE)),
        ("bingx", "errors", ("crypto.bingx-200-with-error", "certain")),
        ("quotex", "refusals", (CODE, SURE)),
    ],
)
def test_frames_as_text_are_judged(doctor: Doctor, broker: str, name: str, first: tuple[str, str]) -> None:
    _, told = read(
        doctor, (TRANSCRIPTS / broker / "transcripts" / f"{name}.txt").read_text(), "--broker", broker
    )
    assert found(told)[0] == first


@pytest.mark.parametrize("file", HEALTHY, ids=lambda file: f"{file.parts[-3]}-{file.stem}")
def test_no_healthy_conversation_is_called_ill_and_none_is_called_well(doctor: Doctor, file: Path) -> None:
    code, told = read(doctor, file.read_text(), "--broker", file.parts[-3])
    assert (code, found(told)) == (4, [])
    assert "messages are known, and nothing in them is wrong" in told["sentence"]


def test_messages_that_were_cut_are_no_evidence(doctor: Doctor) -> None:
    cut = [
        {"at": 0.5, "direction": "<", "text": '451-["updateAssets",{"_placeholder":true,"num":0}]'},
        {"at": 0.6, "direction": "<", "binary": True, "text": "[" + "x" * 300},
        {"at": 0.7, "direction": "<", "text": "\ufffd[[1"},
    ]
    _, told = read(doctor, incident([*LINES[:4], *cut]), "--broker", "pocketoption")
    assert found(told) == []


def test_whose_messages_they_are_has_to_be_said_where_they_fit_several(doctor: Doctor) -> None:
    Path("it").write_text('S> 42["NotAuthorized"]\nS> 41\n')
    assert "the messages do not say whose they are. Name the --broker." in refused(doctor, "--from", "it")
    assert doctor("--from", "it", "--broker", "pocketoption").code == 1


# -- what cannot ---------------------------------------------------------------------------------------------------------


def damaged(how: str) -> str | bytes:
    text = shared(examination(), str)
    told = printed()
    known = told["case"]["known"]
    match how:
        case "too large":
            return b"x" * (MOST_BYTES + 1)
        case "large and hollow":
            return b" " * MOST_BYTES
        case "binary":
            return bytes(range(256)) * 100
        case "empty":
            return ""
        case "prose":
            return "Hello,\nit does not work.\n"
        case "cut short":
            return text[: len(text) - 2000]
        case "nested":
            return '{"schema_version": 1, "kind": "doctor", "case": ' + "[" * 200_000
        case "a later version":
            return json.dumps(told | {"schema_version": 2})
        case "an older version without a session":
            return json.dumps(
                told
                | {
                    "case": None,
                    "session": None,
                    "verdicts": [{"code": "dns.nxdomain", "certainty": "likely"}],
                }
            )
        case "no number":
            return json.dumps(told | {"seconds": float("nan")})
        case "a long number":
            return json.dumps(told).replace('"seconds": ', '"seconds": ' + "9" * 5000, 1)
        case "another type":
            known["host"] = {"cpu_count": "many"}
        case "an unknown kind":
            known["looks"]["first"]["facts"]["ended"]["failure"]["kind"] = "of.tomorrow"
        case "a URL that is none":
            known["looks"]["first"]["endpoint"]["url"] = "javascript:alert(1)"
        case "an impossible time":
            return json.dumps(told | {"at": "yesterday"})
        case _:
            raise AssertionError(how)
    return json.dumps(told)


PROBLEMS = {
    "too large": "8 is the most",
    "large and hollow": "it is empty",
    "binary": "it is no text",
    "empty": "it is empty",
    "prose": "there is nothing in it to judge",
    "cut short": "it is cut short, or was changed on the way",
    "nested": "it is nested too deeply",
    "a later version": "a later version of tradeprobe wrote it",
    "an older version without a session": "kept nothing that could be judged again; it said: dns.nxdomain (likely)",
    "no number": "it is cut short, or was changed on the way",
    "a long number": "it is cut short, or was changed on the way",
    "another type": "case: known: host: cpu_count: a whole number was expected",
    "an unknown kind": "unknown failure kind 'of.tomorrow'",
    "a URL that is none": "its scheme is",
    "an impossible time": "its record contradicts itself",
}


@pytest.mark.parametrize("how", PROBLEMS)
def test_what_cannot_be_judged_is_refused_in_words(doctor: Doctor, how: str) -> None:
    content = damaged(how)
    Path("it").write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused(doctor, "--from", "it")
    assert said.startswith("error: it: ")
    assert PROBLEMS[how] in said
    assert len(said) < 400


@pytest.mark.parametrize(("place", "problem"), [(".", "Is a directory"), ("nowhere", "No such file")])
def test_what_is_no_file_is_refused_in_words(doctor: Doctor, place: str, problem: str) -> None:
    assert problem in refused(doctor, "--from", place)


@pytest.mark.parametrize(
    "typed",
    [
        ("sim:pocketoption",),
        ("--deep",),
        ("--endpoint", "ws://a.example"),
        ("--offline",),
        ("--store", "none"),
    ],
)
def test_what_is_about_a_target_cannot_be_said_of_a_file(doctor: Doctor, typed: tuple[str, ...]) -> None:
    Path("it").write_text(json.dumps(printed()))
    word = typed[0] if typed[0].startswith("--") else "TARGET"
    assert f"Leave out either --from or {word}." in refused(doctor, "--from", "it", *typed)


ESCAPES = "\x1b[2J\x9b31m\u202eplanted\x07"


def test_what_is_planted_in_it_is_shown_harmlessly(doctor: Doctor) -> None:
    told = printed()
    told["target"] = told["rungs"][0]["name"] = told["rungs"][0]["note"] = ESCAPES
    told["case"]["made_with"] = ESCAPES
    told["verdicts"][0]["code"] = ESCAPES
    told["session"]["last_messages"] = [f"< {ESCAPES}"]
    Path("it").write_text(json.dumps(told))
    outputs = [
        doctor("--from", "it"),
        doctor("--from", "it", "--json"),
        doctor("--from", "it", "--share", "s.md"),
    ]
    everything = "".join(each.out + each.err for each in outputs) + Path("s.md").read_text()
    assert "planted" in everything
    assert [char for char in everything if not (char.isprintable() or char == "\n")] == []


def test_a_damaged_value_anywhere_stops_nothing_but_this(doctor: Doctor) -> None:
    """Each leaf of the case in turn becomes something else."""
    told = printed()
    places = list(_leaves(told["case"]["known"]))
    assert len(places) > 80
    for number, (inside, key) in enumerate(places):
        before, inside[key] = inside[key], ("", -1, None, 1e300, [], {}, "\x1b")[number % 7]
        Path("it").write_text(json.dumps(told))
        ran = doctor("--from", "it", *(("--json",) if number % 2 else ()))
        assert ran.code in (0, 1, 2, 3, 4), (key, inside[key])
        assert "bug of ours" not in ran.err, (key, inside[key])
        inside[key] = before


def _leaves(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(pairs):
        if key == "assets":  # many alike
            continue
        if isinstance(each, dict | list) and each:
            yield from _leaves(each)
        else:
            yield value, key
