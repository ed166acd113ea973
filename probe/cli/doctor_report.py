"""One examination, shown: to people as a sentence, what it rests on, what to do and a ladder of the steps; to programs as one
object with the same content."""

import platform
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from itertools import takewhile

import click

from probe.catalogue import Reason, entries
from probe.cli.check_report import as_data as session_data
from probe.cli.check_report import healthy_words, notes, steps
from probe.cli.output import bar, milliseconds, plain, stated
from probe.cli.plain_words import words_in
from probe.diagnose.case import Case, Spell
from probe.diagnose.diagnose import OF_OTHERS, Verdict
from probe.diagnose.scope import scope_of
from probe.diagnose.written import written
from probe.doctor.examine import Examination, Means, Outcome, Rung, contacts
from probe.model.failures import KINDS, Blame, Failure
from probe.model.findings import Certainty, State
from probe.monitor.knock import Knock

WIDEST, NARROWEST, BARS_FROM = 80, 40, 72  # columns
MARGIN, BAR = 10, 10
SPELLS = 5  # of the past, the latest
GOES_ON = 300.0  # seconds; between two attempts there are less
SESSION = "session"  # the step that has phases of its own
MARKS = {Outcome.FINE: ("✓", "green"), Outcome.BROKEN: ("✗", "red"), Outcome.NOT_CHECKED: ("·", "yellow")}
# Whose it is by the kind of failure, where the catalogue's layer leaves no doubt.
_BLAME_OF_LAYER = {
    "cfg": Blame.US,
    "dns": Blame.NETWORK,
    "auth": Blame.CREDENTIAL,
    "host": Blame.US,
    "load": Blame.US,
}
_NUMBER = re.compile(r"\d+\. ")
Clean = Callable[[str], str]


@cache
def made_with() -> str:
    return f"tradeprobe {version('tradeprobe')}, Python {platform.python_version()}, {platform.system()} {platform.release()}"


def width() -> int:
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns))


def blame_of(code: str, failure: Failure | None) -> Blame:
    """Whose it is: by what this failure shows, else by what every failure of this name has in common."""
    if failure is not None and failure.code == code and failure.facts.blame is not Blame.UNKNOWN:
        return failure.facts.blame
    of_kinds = {kind.blame for kind in KINDS.values() if kind.code == code}
    if len(of_kinds) == 1:
        return of_kinds.pop()
    entry = entries().get(code)
    if entry is not None and entry.reason is Reason.AUTH_MALFORMED:
        return Blame.CREDENTIAL
    return _BLAME_OF_LAYER.get(code.partition(".")[0], Blame.UNKNOWN)


def sentence(examination: Examination) -> str:
    """What is wrong and how sure that is, or that nothing is, or why nobody can tell."""
    main = main_verdict(examination)
    if main is not None:
        return f"{main.certainty.value.capitalize()}: {_without_stop(main.says)} ({main.code})."
    if examination.diagnosis.state is State.HEALTHY and examination.knock is not None:
        return f"Nothing is wrong. {healthy_words(examination.knock)}{_how_long(examination.knock, examination.means)}"
    return f"Undetermined, because {_why_undetermined(examination)}."


def _how_long(seen: Knock, means: Means) -> str:
    """What is well for so long may still come and go."""
    if means.deep or not means.leaves_early or not seen.facts.went_live:
        return ""
    return f" Watched for {seen.facts.seconds_live:.1f} s; --deep watches longer, and probe monitor always."


def main_verdict(examination: Examination) -> Verdict | None:
    first = next(iter(examination.diagnosis.verdicts), None)
    return first if first is not None and first.state is not State.HEALTHY else None


def _why_undetermined(examination: Examination) -> str:
    if examination.means.offline:
        return "the network was not asked (--offline); in the credential and in this machine nothing wrong was found"
    broken = next((each for each in examination.rungs if each.outcome is Outcome.BROKEN), None)
    if broken is not None:
        return f"no rule knows what stopped it at the step {broken.name!r}: {broken.note or 'it failed'}"
    # A step that was begun says more than one that had nothing to look at.
    skipped = max(
        (each for each in examination.rungs if each.outcome is Outcome.NOT_CHECKED),
        key=lambda each: each.seconds is not None,
        default=None,
    )
    if examination.knock is None and skipped is not None:
        return f"the step {skipped.name!r} was not checked: {skipped.note}"
    return "the session did not come as far as it should, and nothing that was seen says why"


def not_checked(examination: Examination) -> list[tuple[str, str]]:
    """Steps that did not run, and why."""
    of_session = examination.knock.verdict.not_checked if examination.knock else ()
    return [
        *((each.name, each.note) for each in examination.rungs if each.outcome is Outcome.NOT_CHECKED),
        *((name, "") for name in of_session),
    ]


def briefly(rung: Rung, previous: Rung | None) -> Rung:
    """The same reason is not told twice."""
    is_same = previous is not None and (previous.outcome, previous.note) == (rung.outcome, rung.note)
    return replace(rung, note="likewise") if is_same and rung.outcome is Outcome.NOT_CHECKED else rung


def contact_lines(people: list[str], *, columns: int) -> Iterator[str]:
    if not people:
        yield "contacts: nobody"
        return
    text = f"contacts: {'; '.join(people)}"
    yield from textwrap.wrap(text, columns, subsequent_indent=" " * MARGIN, break_on_hyphens=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    Args:
        clean: Takes secrets out of a text, before lines are made of it.
    """

    columns: int = WIDEST
    clean: Clean = str

    def of(self, examination: Examination) -> Iterator[str]:
        lines = list(self._lines(examination))
        yield from lines
        if examination.diagnosis.state is not State.HEALTHY:
            yield ""
            yield from self._row("words", list(words_in(" ".join(click.unstyle("\n".join(lines)).split()))))
        if examination.diagnosis.verdicts:
            yield ""
            yield f"More about it: probe explain {examination.diagnosis.verdicts[0].code}"

    def _lines(self, examination: Examination) -> Iterator[str]:
        main = main_verdict(examination)
        label = stated(examination.diagnosis.state.value)
        failure = examination.case.failure
        words = sentence(examination)
        if main is not None:
            words += _fault(blame_of(main.code, failure), main)
        yield from self._row(label, [words], len(click.unstyle(label)) + 2)
        yield ""
        if main is not None:
            yield from self._verdict(main, examination.case)
        for each in examination.diagnosis.verdicts:
            if each is not main:
                sure = "worth knowing" if each.state is State.HEALTHY else each.certainty.value
                yield from self._row("also", [f"{each.code} ({sure}): {_without_stop(each.says)}."])
                if main is None:
                    yield from self._row("do", _numbered(each.advice))
        before = list(_before(examination))
        yield from self._row("before", before)
        if before or examination.diagnosis.verdicts:
            yield ""
        yield click.style(self._clean(examination.patient.name), bold=True) + self._place(examination)
        yield from self._ladder(examination)
        if examination.knock is not None and examination.knock.verdict.not_checked:
            yield ""
            yield from self._row("not checked", list(examination.knock.verdict.not_checked), MARGIN + 3)

    def _verdict(self, main: Verdict, case: Case) -> Iterator[str]:
        news = (each for each in main.evidence if each != main.says)
        yield from self._row("who", [f"{each[:1].upper()}{each[1:]}." for each in scope_of(case, main.code)])
        yield from self._row("seen", [f"{_without_stop(_begun(each))}." for each in news])
        yield from self._row("not", list(_excluded(main)))
        yield from self._row("or else", list(_remaining(main)) or _unlisted(main))
        yield from self._row("do", _numbered(main.advice))

    def _place(self, examination: Examination) -> str:
        endpoint, proxy = examination.patient.endpoint, examination.patient.proxy
        where = f"  {endpoint.region}  {endpoint.address.host_header}" if endpoint else ""
        return self._clean(where + (f"  via proxy {proxy}" if proxy else ""))

    def _ladder(self, examination: Examination) -> Iterator[str]:
        phases = steps(examination.knock) if examination.knock else []
        noted = dict(notes(examination.knock)) if examination.knock else {}
        previous: Rung | None = None
        before = list(takewhile(lambda each: each.name != SESSION, examination.rungs))
        seconds = [*(each.seconds for each in before), *(took for _, took in phases)]
        largest = max((each for each in seconds if each), default=0.0)
        for rung in examination.rungs:
            shown = briefly(rung, previous)
            previous = rung
            yield from self.rung(shown, largest if rung in before else 0.0)  # a session is watched on purpose
            if rung.name != SESSION:
                continue
            for name, took in phases:
                outcome = Outcome.BROKEN if took is None else Outcome.FINE
                phase = Rung(name=name, outcome=outcome, seconds=took, note=noted.get(name, ""))
                yield from self.rung(phase, largest, indent="  │ ")

    def rung(self, rung: Rung, largest: float = 0.0, indent: str = "  ") -> Iterator[str]:
        """One step. Without a `largest` there is nothing to compare its time with, and no bar."""
        mark, colour = MARKS[rung.outcome]
        lead = f"{indent}{mark} {self._clean(rung.name):<{18 - len(indent)}}"
        note = rung.note
        if rung.outcome is Outcome.NOT_CHECKED:
            note = f"not checked: {rung.note}" if rung.note else "not checked"
        else:
            took = milliseconds(rung.seconds) if rung.seconds is not None else ""
            lead += f"{took:>9}  "
            if largest and self.columns >= BARS_FROM:
                lead += (bar(rung.seconds or 0.0, largest, BAR) if rung.seconds else " " * BAR) + "  "
        lines = textwrap.wrap(
            lead + self._clean(note),
            self.columns,
            subsequent_indent=" " * min(len(lead), self.columns * 3 // 5),
            break_on_hyphens=False,
        )
        lines[0] = lines[0].replace(mark, click.style(mark, fg=colour), 1)
        yield from lines

    def _row(self, name: str, texts: list[str], margin: int = MARGIN) -> Iterator[str]:
        lead = name + " " * (margin - len(click.unstyle(name)))
        for text in texts:
            number = _NUMBER.match(text)
            first, *rest = textwrap.wrap(
                self._clean(text),
                self.columns - margin,
                subsequent_indent=" " * (number.end() if number else 0),
                break_on_hyphens=False,
            ) or [""]
            yield lead + first
            yield from (" " * margin + line for line in rest)
            lead = " " * margin

    def _clean(self, text: str) -> str:
        return self.clean(plain(text))


def as_data(examination: Examination, clean: Clean = str) -> dict[str, object]:
    """The same as a page, for programs. Key names are a promise; see docs/doctor.md."""
    patient, diagnosis, main = examination.patient, examination.diagnosis, main_verdict(examination)
    data: dict[str, object] = {
        "schema_version": 1,
        "kind": "doctor",
        "at": datetime.fromtimestamp(examination.began_utc, UTC).isoformat(timespec="milliseconds"),
        "target": patient.name,
        "broker": patient.broker.name if patient.broker else None,
        "region": patient.endpoint.region if patient.endpoint else None,
        "url": patient.endpoint.url if patient.endpoint else None,
        "state": diagnosis.state.value,
        "exit_code": diagnosis.state.exit_code,
        "sentence": sentence(examination),
        "verdicts": [_verdict_data(each, examination.case.failure) for each in diagnosis.verdicts],
        "scope": list(scope_of(examination.case, main.code)) if main else [],
        "past": _past_data(examination),
        "rungs": [
            {
                "name": each.name,
                "outcome": each.outcome.value,
                "seconds": each.seconds,
                "note": each.note,
            }
            for each in examination.rungs
        ],
        "not_checked": [{"name": name, "why": why} for name, why in not_checked(examination)],
        "contacts": contacts(patient, examination.means),
        "seconds": examination.seconds,
        "host": asdict(examination.case.host) if examination.case.host else None,
        "session": session_data(examination.knock, patient.name) if examination.knock else None,
        "case": {
            "schema_version": 1,
            "made_with": examination.made_with or made_with(),
            "offline": examination.means.offline,
            "known": written(examination.case),
        },
    }
    cleaned: dict[str, object] = _cleaned(data, clean)  # type: ignore[assignment]
    return cleaned


def _verdict_data(verdict: Verdict, failure: Failure | None) -> dict[str, object]:
    entry = entries().get(verdict.code)
    return {
        "code": verdict.code,
        "certainty": verdict.certainty.value,
        "state": verdict.state.value,
        "says": verdict.says,
        "fault": blame_of(verdict.code, failure).value,
        "evidence": list(verdict.evidence),
        "excluded": dict(verdict.excluded),
        "remaining": dict(verdict.remaining),
        "advice": list(verdict.advice),
        "reason": entry.reason.value if entry else None,
        "cause": entry.cause if entry else None,
    }


def _cleaned(value: object, clean: Clean) -> object:
    match value:
        case str():
            return clean(value)
        case dict():
            return {key: _cleaned(each, clean) for key, each in value.items()}
        case list() | tuple():
            return [_cleaned(each, clean) for each in value]
        case _:
            return value


def spells(examination: Examination) -> list[tuple[Spell, float, float]]:
    """What went wrong before, with the times of its first and its last sign."""
    past, began = examination.case.past, examination.began_utc
    return [
        (each, began - each.first_ago_seconds, began - each.last_ago_seconds)
        for each in (past.spells if past else ())
    ]


def _before(examination: Examination) -> Iterator[str]:
    rows = spells(examination)
    latest = min((each.last_ago_seconds for each, _, _ in rows), default=0.0)
    for spell, first, last in rows[-SPELLS:]:
        goes_on = spell.last_ago_seconds == latest < GOES_ON and main_verdict(examination) is not None
        since, until = _clock(first), _clock(last)
        when = f"From {since} to {until}" if since != until else f"At {since}"
        times = f"{spell.times} time{'' if spell.times == 1 else 's'}"
        yield f"{f'Since {since}' if goes_on else when}: {_title(spell.code)} ({spell.code}), {times}."


def _clock(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).strftime("%H:%M UTC")


def _past_data(examination: Examination) -> list[dict[str, object]]:
    return [
        {
            "code": spell.code,
            "first": datetime.fromtimestamp(first, UTC).isoformat(timespec="seconds"),
            "last": datetime.fromtimestamp(last, UTC).isoformat(timespec="seconds"),
            "times": spell.times,
        }
        for spell, first, last in spells(examination)
    ]


def _excluded(main: Verdict) -> Iterator[str]:
    """What speaks against several look-alikes, or was told already, is not told again; that a server is of another kind
    needs no telling."""
    by_reason: dict[str, list[str]] = {}
    for code, because in main.excluded.items():
        if because != OF_OTHERS:
            by_reason.setdefault(_without_stop(because), []).append(f'"{_title(code)}"')
    told = {_without_stop(each) for each in main.evidence}
    for because, titles in by_reason.items():
        yield f"{' or '.join(titles)}: {'what was seen rules it out' if because in told else because}."


def _remaining(main: Verdict) -> Iterator[str]:
    for code, words in main.remaining.items():
        yield f"{_title(code)} ({code})." + (f" Its sign: {_without_stop(words)}." if words else "")


def _unlisted(main: Verdict) -> list[str]:
    """Where nothing that looks alike remains, and it is not called certain all the same."""
    return [] if main.certainty is Certainty.CERTAIN else ["Something that the catalogue does not list."]


def _title(code: str) -> str:
    entry = entries().get(code)
    return entry.title if entry else code


def _fault(blame: Blame, main: Verdict) -> str:
    lies = " The fault lies" if main.certainty is Certainty.CERTAIN else " If so, the fault lies"
    match blame:
        case Blame.UNKNOWN:
            return " Whose fault it is cannot be told from this." if main.state is State.FAILED else ""
        case Blame.US:
            return f"{lies} on this side: with this machine or what it was told."
        case _:
            return f"{lies} with {blame.value}."


def _numbered(advice: tuple[str, ...]) -> list[str]:
    return [f"{place}. {each}" for place, each in enumerate(advice, 1)]


def _begun(sentence: str) -> str:
    """As a sentence begins, unless it begins with a name or a number."""
    first = sentence.partition(" ")[0].strip(",:")
    return (
        sentence[:1].upper() + sentence[1:] if first.replace("'", "").replace("’", "").isalpha() else sentence
    )


def _without_stop(text: str) -> str:
    return text.rstrip().removesuffix(".")
