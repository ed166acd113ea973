"""A page of the doctor: the sentence first, everything in its place, nothing wider than asked."""

from dataclasses import replace
from typing import Any

import click
import pytest

from probe.catalogue import entries
from probe.cli.doctor_report import NARROWEST, Page, as_data, blame_of, briefly, sentence
from probe.diagnose.case import Case
from probe.diagnose.diagnose import OF_OTHERS, Diagnosis, Verdict
from probe.doctor.examine import Examination, Means, Outcome, Patient, Rung
from probe.model.failures import Blame, Failure
from probe.model.findings import Certainty, State

REFUSED = Verdict(
    code="tcp.refused",
    state=State.FAILED,
    certainty=Certainty.LIKELY,
    says="nothing listens on that port",
    evidence=("the kernel said ECONNREFUSED after 0.4 ms",),
    excluded={"tcp.timeout": "an answer came"},
    remaining={"tcp.denied-locally": "a firewall's own log"},
    advice=("Look at the address.", "Ask the broker."),
)
SLOW = replace(
    REFUSED, code="dns.slow", state=State.DEGRADED, certainty=Certainty.POSSIBLE, says="names take long"
)
NOTED = replace(SLOW, code="data.market-closed", state=State.HEALTHY, says="the market is closed")
RUNGS = (
    Rung(name="names", outcome=Outcome.FINE, seconds=0.002, note="192.0.2.1"),
    Rung(name="TCP", outcome=Outcome.BROKEN, seconds=0.0004, note="refused"),
    Rung(name="TLS", outcome=Outcome.NOT_CHECKED, note="no address of the host takes connections"),
    Rung(name="session", outcome=Outcome.NOT_CHECKED, note="no address of the host takes connections"),
)


def examined(*verdicts: Verdict, state: State = State.FAILED, rungs: tuple[Rung, ...] = RUNGS) -> Examination:
    return Examination(
        patient=Patient(name="one", broker=None, endpoint=None),
        means=Means(),
        began_utc=0.0,
        seconds=1.0,
        case=Case(),
        diagnosis=Diagnosis(state=state, verdicts=verdicts),
        rungs=rungs,
        knock=None,
    )


def page(examination: Examination, columns: int = 80) -> list[str]:
    return [click.unstyle(line) for line in Page(columns=columns).of(examination)]


def test_a_page_says_all_of_it_in_this_order() -> None:
    lines = page(examined(REFUSED, SLOW))
    before, ladder = lines[: lines.index("one")], lines[lines.index("one") + 1 :]
    titles = {code: entry.title for code, entry in entries().items()}
    assert " ".join(" ".join(before).split()) == (
        "FAILED Likely: nothing listens on that port (tcp.refused). Whose fault it is cannot be told from this. "
        "seen The kernel said ECONNREFUSED after 0.4 ms. "
        f'not "{titles["tcp.timeout"]}": an answer came. '
        f"or else {titles['tcp.denied-locally']} (tcp.denied-locally). Its sign: a firewall's own log. "
        "do 1. Look at the address. 2. Ask the broker. "
        "also dns.slow (possible): names take long."
    )
    assert ladder == [
        "  ✓ names             2.00 ms  ██████████  192.0.2.1",
        "  ✗ TCP               0.40 ms  ██          refused",
        "  · TLS             not checked: no address of the host takes connections",
        "  · session         not checked: likewise",
        "",
        "words     port: a numbered door of a machine, with one program behind it.",
        "          kernel: the core of this machine's operating system.",
        "          host: a server, by its name.",
        "          TCP: the bare connection between two machines.",
        "          TLS: the encryption of a connection, as in https://.",
        "          session: all from the login to the goodbye.",
        "",
        "More about it: probe explain tcp.refused",
    ]


def words_of(verdict: Verdict) -> str:
    return " ".join(" ".join(page(examined(verdict))).split())


def test_what_speaks_against_several_is_told_once_and_what_others_have_is_not_told() -> None:
    titles = [entries()[code].title for code in ("tcp.timeout", "dns.nxdomain")]
    against = {
        "tcp.timeout": "an answer came",
        "mt5.bridge-down": OF_OTHERS,
        "dns.nxdomain": "an answer came",
    }
    assert f'not "{titles[0]}" or "{titles[1]}": an answer came. or else' in words_of(
        replace(REFUSED, excluded=against)
    )


def test_evidence_that_only_repeats_the_sentence_is_left_out() -> None:
    words = words_of(replace(REFUSED, evidence=(REFUSED.says, "it took 0.4 ms")))
    assert "seen It took 0.4 ms. not" in words
    assert words.count(REFUSED.says) == 1


def test_what_is_not_certain_leaves_room_for_something_else() -> None:
    assert "or else Something that the catalogue does not list." in words_of(replace(REFUSED, remaining={}))
    assert "or else" not in words_of(replace(REFUSED, remaining={}, certainty=Certainty.CERTAIN))


def test_that_nobody_can_be_blamed_is_only_said_of_a_failure() -> None:
    unknown = replace(REFUSED, code="data.gap")
    assert "Whose fault it is cannot be told from this." in words_of(unknown)
    assert "fault" not in words_of(replace(unknown, state=State.DEGRADED))


@pytest.mark.parametrize("columns", [NARROWEST, 57, 80])
def test_no_line_is_wider_than_asked(columns: int) -> None:
    assert max(map(len, page(examined(REFUSED, SLOW, NOTED), columns))) <= columns


def test_a_secret_that_would_be_broken_into_two_lines_is_taken_out_before() -> None:
    token = "planted0secret" * 8
    seen = replace(REFUSED, evidence=(f"it said {token}",), says=token)
    rung = replace(RUNGS[1], note=token)
    shown = Page(clean=lambda text: text.replace(token, "***")).of(examined(seen, rungs=(rung,)))
    assert "planted" not in "".join(shown)


def test_what_a_server_sent_steers_no_terminal() -> None:
    rung = replace(RUNGS[1], note="\x1b[2J\x07 page")
    assert not any(ord(sign) < 32 for line in page(examined(rungs=(rung,))) for sign in line)


@pytest.mark.parametrize(
    ("examination", "words"),
    [
        (examined(state=State.UNKNOWN), "Undetermined, because no rule knows what stopped it at the step 'TCP': refused."),
        (examined(state=State.UNKNOWN, rungs=RUNGS[2:]), "Undetermined, because the step 'TLS' was not checked: no address of the host takes connections."),
        (replace(examined(state=State.UNKNOWN), means=Means(offline=True)), "Undetermined, because the network was not asked (--offline); in the credential and in this machine nothing wrong was found."),
        (examined(NOTED, state=State.UNKNOWN, rungs=()), "Undetermined, because the session did not come as far as it should, and nothing that was seen says why."),
        (examined(replace(REFUSED, certainty=Certainty.CERTAIN)), "Certain: nothing listens on that port (tcp.refused)."),
    ],
)  # fmt: skip
def test_the_sentence_says_how_sure_it_is_or_why_nobody_is(examination: Examination, words: str) -> None:
    assert sentence(examination) == words


def test_what_is_only_worth_knowing_is_no_verdict_and_still_told() -> None:
    shown = page(examined(NOTED, state=State.UNKNOWN))
    assert "also      data.market-closed (worth knowing): the market is closed." in shown
    assert shown[-1] == "More about it: probe explain data.market-closed"


@pytest.mark.parametrize(
    ("code", "failure", "blame"),
    [
        ("sio.connect-error", None, Blame.BROKER),
        ("tcp.refused", None, Blame.UNKNOWN),
        ("cfg.ssid-mangled", None, Blame.CREDENTIAL),
        ("host.fd-limit", None, Blame.US),
        ("data.gap", None, Blame.UNKNOWN),
        ("session.closed-1006", None, Blame.UNKNOWN),  # of two kinds, which blame different ends
        ("session.closed-1006", Failure(kind="session.closed-other"), Blame.BROKER),
        ("data.gap", Failure(kind="session.closed-other"), Blame.UNKNOWN),  # not what this verdict is about
    ],
)
def test_nobody_is_blamed_without_a_reason(code: str, failure: Failure | None, blame: Blame) -> None:
    assert blame_of(code, failure) is blame


def test_the_same_reason_is_told_once() -> None:
    assert briefly(RUNGS[3], RUNGS[2]).note == "likewise"
    assert briefly(RUNGS[2], RUNGS[1]) == RUNGS[2]
    assert briefly(RUNGS[1], RUNGS[1]) == RUNGS[1]


def test_programs_get_the_same_without_secrets() -> None:
    told: dict[str, Any] = as_data(examined(REFUSED), lambda text: text.replace("ECONNREFUSED", "***"))
    assert list(told)[:3] == ["schema_version", "kind", "at"]
    (verdict,) = told["verdicts"]
    assert verdict["evidence"] == ["the kernel said *** after 0.4 ms"]
    assert (verdict["fault"], verdict["reason"], verdict["cause"]) == (
        "not known",
        "refused",
        "disconnected",
    )
    assert told["not_checked"] == [{"name": each.name, "why": each.note} for each in RUNGS[2:]]
