"""What `probe load` says and how it ends. What it measures is tested where it is measured."""

import errno
import io
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import psutil
import pytest

from probe.brokers import find_broker
from probe.cli import main
from probe.cli.files import write_all
from probe.cli.load_child import Child
from probe.cli.load_drive import tell
from probe.cli.load_files import saved_elsewhere, wanted_files, write_json, write_junit
from probe.cli.load_progress import Progress
from probe.cli.load_run import How, Run, signals_noted
from probe.cli.load_words import result
from probe.load.capacity import SearchEnd
from probe.load.figures import Figures, Slice
from probe.load.plan import SearchBy, SearchPlan
from probe.load.record import RunRecord
from probe.model.errors import ConfigError
from probe.model.intents import AskBalance
from probe.simulator.apart import SimulatorApart, simulator_apart
from tests.load import made

SSID = '42["auth",{"session":"PLANTED0123456789abcdefPLANTED","isDemo":1,"uid":5,"platform":1}]'
HERE = "ws://127.0.0.1:1/socket.io/?EIO=4&transport=websocket"
PATIENCE = 60.0  # for a machine that does other things as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


Said = Callable[..., Ended]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """In this process; whatever it says, it says it before it starts anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("something was started"))

    def run(*words: str) -> Ended:
        code = main.run(["load", *words])
        output = capsys.readouterr()
        return Ended(code=code, out=output.out, err=output.err)

    return run


def made_record() -> RunRecord:
    plan = made.plan()
    record = RunRecord(plan, began_utc=0.0)
    for part in made.slices(plan, seconds=3):
        record.add(part)
    return record


class Stuck(io.StringIO):
    """Where nothing can be written any more."""

    encoding = "utf-8"

    def __init__(self, problem: OSError) -> None:
        super().__init__()
        self._problem = problem

    def write(self, _: str) -> int:
        raise self._problem


def over(record: RunRecord) -> Run:
    return Run(record.plan, record, Child(b"{}\n"), Progress(record.plan, now=0.0))


@pytest.mark.parametrize("option", ["json_path", "html", "junit"])
@pytest.mark.skipif(sys.platform == "win32", reason="its pipes are no paths")
def test_a_pipe_is_written_to_and_stays_one(option: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    places: dict[str, Any] = {"json_path": None, "html": None, "csv": None, "junit": None}
    came: list[bytes] = []
    reading = threading.Thread(target=lambda: came.append(pipe.read_bytes()), daemon=True)
    reading.start()
    ((_, problem),) = write_all(made_record(), wanted_files(**places | {option: str(pipe)}))
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reading.join(PATIENCE)
    assert (problem, len(came[0]) > 100) == (None, True)


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "newest.json").symlink_to(tmp_path / "first.json")
    write_json(made_record(), tmp_path / "newest.json")
    assert (tmp_path / "newest.json").is_symlink()
    assert json.loads((tmp_path / "first.json").read_text())["kind"] == "load"


def test_a_bug_of_ours_in_one_file_loses_no_other(tmp_path: Path) -> None:
    def broken(record: RunRecord, path: Path) -> None:
        raise KeyError("p99")

    wanted = wanted_files(json_path=str(tmp_path / "a.json"), html=None, csv=None, junit=None)
    told = [
        problem and problem.strerror
        for _, problem in write_all(made_record(), [replace(wanted[0], write=broken), *wanted])
    ]
    assert told == ["a bug of ours, KeyError", None]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_result_that_cannot_be_printed_is_put_elsewhere_and_said(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("probe.cli.load_drive.to_nowhere", lambda fd: None)
    monkeypatch.setattr(sys, "stdout", Stuck(OSError(number, os.strerror(number))))
    record = made_record()
    code = tell(over(record), record, [], as_json=True)
    kept = tmp_path / "tradeprobe-load-made.json"
    assert code in (2, 4)
    assert capsys.readouterr().err == (
        f"warning: the result could not be printed: {os.strerror(number)}.\n"
        f"warning: so that nothing is lost, the whole record is in {kept}.\n"
    )
    assert json.loads(kept.read_text())["kind"] == "load"


def test_a_reader_who_has_gone_is_told_to_the_shell_as_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stuck(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    record = made_record()
    with pytest.raises(BrokenPipeError):
        tell(over(record), record, [], as_json=False)


def test_progress_that_nobody_can_read_ends_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf: list[int] = []
    monkeypatch.setattr("probe.cli.load_progress.to_nowhere", deaf.append)
    monkeypatch.setattr(sys, "stderr", Stuck(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    progress = Progress(made.plan(), now=0.0)
    progress.say("a problem")
    progress.draw(1000.0)
    assert deaf == [2, 2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_narrow_terminal_nothing_of_the_progress_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    plan = made.plan()
    progress = Progress(plan, now=0.0)
    for each in made.slices(plan, seconds=3):
        progress.note(each, 0.0)
    progress.draw(1.0)
    shown = terminal.getvalue().splitlines()
    assert max(map(len, shown)) < 40
    assert " ".join(shown).split() == " ".join(progress.lines(1.0)).split()


def test_while_nobody_has_come_in_the_progress_says_so() -> None:
    progress = Progress(made.plan(), now=0.0)
    progress.note(Slice(second=0, stage=0, figures=Figures()), 0.0)
    assert "nobody is live yet" in progress.lines(0.0)[0]


def test_what_a_run_shows_besides_its_verdict_is_said_below_it_with_the_next_step() -> None:
    record = made.record(None, "herd")
    lines = list(result(record, over(record)))
    said = " ".join(" ".join(lines).split())
    assert record.verdict.is_valid
    assert (
        "shown 100 clients that had lost the server together came back together (certain) [load.reconnect-herd]"
        in said
    )
    assert "do Let each client wait a random time before it connects again" in said


def test_a_reason_against_the_figures_has_the_catalogues_name_and_is_said_once() -> None:
    record = made.record(None, "busy-generator")
    said = " ".join(" ".join(result(record, over(record))).split())
    assert "[cpu, load.generator-saturated]" in said
    assert "shown " not in said


def test_junit_has_beside_the_verdict_what_else_the_run_shows(tmp_path: Path) -> None:
    shown = {}
    for fault in ("herd", "busy-generator"):
        write_junit(made.record(None, fault), tmp_path / "run.xml")
        verdict = next(ET.parse(tmp_path / "run.xml").getroot().iter("testcase"))
        failure = verdict.find("failure")
        shown[fault] = (verdict.findtext("system-out", ""), "" if failure is None else failure.get("type"))
    said, _ = shown["herd"]
    assert said.startswith("load.reconnect-herd (certain): 100 clients")
    assert "Let each client wait" in said
    assert shown["busy-generator"] == ("", "load.generator-saturated")


def test_a_simulator_that_is_gone_when_a_fault_is_due_costs_no_figure() -> None:
    def gone(_: object) -> None:
        raise ConfigError("it does not answer any more", where="the simulator")

    record = made_record()
    run = Run(record.plan, record, Child(b"{}\n"), Progress(record.plan, now=0.0), hook=gone)
    run.hear({"kind": "fault", "fault": "delay", "on": True})
    assert run.how is How.DONE
    assert record.notes == ["the simulator: it does not answer any more"]
    assert "note        the simulator: it does not answer any more" in list(result(record, run))


def test_a_replay_is_described_as_one() -> None:
    record = RunRecord(made.plan(rate=None, replay="day.har", replay_speed=4.0), began_utc=0.0)
    said = " ".join(" ".join(result(record, over(record))).split())
    assert "200 users, playing day.har by its own clock, 4 times as fast, 2 workers" in said
    assert "closed model" not in said
    assert "--rate R/s" not in said


def test_a_valid_run_says_where_its_time_went_in_a_line() -> None:
    record = made.record()
    assert [each.code for each in record.verdict.reasons] == []
    said = " ".join(" ".join(result(record, over(record))).split())
    assert "bottleneck Nothing ran out in this run." in said or "bottleneck It was " in said


def test_a_search_that_ends_because_of_the_generator_says_of_what_it_had_too_little() -> None:
    record = RunRecord(made.plan(search=SearchPlan(by=SearchBy.USERS, most=100)), began_utc=0.0)
    record.search = {
        "by": "users", "end": SearchEnd.GENERATOR.value, "highest_held": 8.0, "lowest_broken": None, "broken_by": [],
        "tried": [{"judged": {"broken": ["The generator used 97% of a core."], "evidence": []}}],
    }  # fmt: skip
    assert "            The generator used 97% of a core." in list(result(record, over(record)))


def test_a_file_that_cannot_be_written_at_the_end_loses_neither_the_others_nor_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(record: RunRecord, path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    record = made_record()
    wanted = wanted_files(
        json_path=str(tmp_path / "a.json"), html=None, csv=None, junit=str(tmp_path / "a.xml")
    )
    wanted = [replace(wanted[0], write=full), *wanted[1:]]
    told = [(file.option, problem and problem.strerror) for file, problem in write_all(record, wanted)]
    assert told == [("--json", "No space left on device"), ("--junit", None)]
    assert (tmp_path / "a.xml").exists()
    kept = saved_elsewhere(record)
    assert kept is not None
    assert json.loads(kept.read_text())["verdict"] == record.verdict.word


SCENARIO = '[[stages]]\nname = "Peak"\nduration = "5s"\n'


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--users", "0"], "Invalid value for '--users': 0 is not in the range"),
        (["--users", "many"], "Invalid value for '--users'"),
        (["--rate", "200"], "--rate: '200' does not say per what. Write it like 200/s or 30/min."),
        (["--rate", "-5/s"], "--rate: '-5/s' is less than nothing. Write it like 200/s"),
        (["--rate", "0/s"], "--rate: nothing would be sent."),
        (["--rate", "fast/s"], "--rate: 'fast/s' is not a rate."),
        (["--duration", "soon"], "--duration: 'soon' is not a duration."),
        (["--duration", "0s"], "--duration: it must be longer than nothing."),
        (["--duration", "1s"], "1s is too short for the 2 stages of 'steady'"),
        (["--scenario", "stedy"], "did you mean 'steady'?"),
        (["--scenario", "there-is-none.toml"], "there-is-none.toml: there is no such file"),
        (["--threshold", "reponse p99 < 250ms"], "did you mean 'response'?"),
        (["--threshold", "response < 250ms"], "it does not say which percentile"),
        (["--find-capacity", "users"], "--find-capacity: a search needs an end."),
        (["--most", "100"], "--most: it bounds a search."),
        (["--find-capacity", "users", "--most", "1/s"], "--most: '1/s' is no number of users."),
        (["--find-capacity", "rate", "--most", "100"], "--most: '100' does not say per what."),
        (["--debug-one", "--users", "5"], "--debug-one: there is one user, in one process."),
        (["--proxy", "http://127.0.0.1:1"], "--proxy: a load test does not take it."),
        (["--web", "8089"], "--web: '8089' is no HOST:PORT."),
        (["--worker", "host"], "--worker: 'host' is no HOST:PORT."),
        (["--exporter", "18481"], "--exporter: '18481' is no HOST:PORT."),
        (["--exporter", "127.0.0.1:1", "--worker", "127.0.0.1:2"], "--exporter: a worker has no figures"),
        (["--expect-workers", "2"], "--expect-workers: it says how many a master waits for."),
        (["--master", "--workers", "2"], "--master: its workers are started by themselves"),
        (["--speed", "2"], "--speed: it says how fast a recording is played. Add --replay FILE."),
        (
            ["--replay", "there-is-none.har"],
            "there-is-none.har: it cannot be read (No such file or directory)",
        ),
        (["--kill-file", "/dev/null"], "--kill-file: /dev/null is there already. Nothing was run."),
        (
            ["--find-capacity", "users", "--most", "9"],
            "--find-capacity: it does not say when a level has held.",
        ),
        (["--rate", "nan/s"], "--rate: 'nan/s' is not a rate."),
        (["--duration", "nan"], "--duration: 'nan' is not a duration."),
    ],
)
def test_what_cannot_be_is_refused_in_words_before_anything_begins(
    said: Said, words: list[str], told: str
) -> None:
    ended = said("sim:pocketoption", *words)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err
    assert ended.err.startswith("error: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stages = [", "shape.toml: this is not TOML"),
        (SCENARIO + "user = 5\n", "shape.toml: stages[1].user: 'user' is unknown (did you mean 'users'?)"),
        (SCENARIO.replace("5s", "-5s"), "'-5s' is not a duration"),
        ("pace = 1\n", "shape.toml: it has no stages"),
        (
            SCENARIO + 'faults = ["stall"]\n',
            "scenario 'shape', stage 1 (Peak): fault 'stall': there is no fault 'stall'",
        ),
        (
            SCENARIO + 'faults = ["delay:second=1"]\n',
            "delay has no parameter 'second' (did you mean 'seconds'?)",
        ),
        (
            SCENARIO + 'faults = ["subscription-cap"]\n',
            "fault 'subscription-cap' is one of bingx, and not of pocketoption",
        ),
    ],
)
def test_a_scenario_that_is_wrong_is_told_by_file_and_key(
    said: Said, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "shape.toml").write_text(text)
    ended = said("sim:pocketoption", "--scenario", "shape.toml")
    assert ended.code == 2
    assert told.replace("stages[1].user: ", "") in ended.err.replace("stages[1]: ", "").replace(
        "stages[1].user: ", ""
    )


def test_faults_are_for_a_simulator_that_the_run_starts(
    said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shape.toml").write_text(SCENARIO + 'faults = ["delay:seconds=1"]\n')
    monkeypatch.setenv("SSID", SSID)
    ended = said("env:SSID", "--endpoint", HERE, "--scenario", "shape.toml")
    assert ended.code == 2
    assert "stage 1 (Peak): it switches faults of a simulator on, and this run starts none" in ended.err


def test_one_target_is_put_under_load_at_a_time(said: Said) -> None:
    ended = said("sim")
    assert ended.code == 2
    assert "one target is put under load at a time. Choose one of: sim:" in ended.err


@pytest.mark.parametrize("option", ["--json", "--html", "--csv", "--junit"])
def test_a_place_that_cannot_be_written_is_told_before_the_run(
    said: Said, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").touch()
    ended = said("sim:pocketoption", option, str(tmp_path / "file" / "below"))
    assert ended.code == 2
    assert f"{option}: {tmp_path / 'file' / 'below'} cannot be written" in ended.err
    assert "Nothing was run." in ended.err


@pytest.mark.parametrize("option", ["--web", "--master"])
def test_a_port_that_is_taken_is_told_before_the_run(said: Said, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = said("sim:pocketoption", option, place)
    assert ended.code == 2
    assert f"{option}: {place} cannot be listened on: Address already in use." in ended.err


def test_a_folder_is_no_place_for_a_file(said: Said, tmp_path: Path) -> None:
    assert "it is a folder, and a file is written" in said("sim:pocketoption", "--json", str(tmp_path)).err


def test_a_public_broker_is_refused_before_anything_begins(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSID", SSID)
    ended = said("env:SSID", "--users", "1", "--i-own", "api-eu.po.market")
    assert ended.code == 2
    assert "refused: " in ended.err
    assert "a public broker is never put under load" in ended.err
    assert "PLANTED" not in ended.err


def test_a_host_that_nobody_declared_is_refused_before_anything_begins(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSID", SSID)
    url = HERE.replace("127.0.0.1", "load.example").replace("ws:", "wss:")
    ended = said("env:SSID", "--endpoint", url)
    assert ended.code == 2
    assert "load.example refused: " in ended.err


# -- real runs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    code: int
    out: str
    err: str
    record: dict[str, Any]
    folder: Path


WITHOUT_OUTPUTS = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh"]  # closed by whoever started it


def ran(folder: Path, *words: str, shown: io.StringIO | None = None) -> Finished:
    """In this process, which has imported everything already."""
    with redirect_stdout(shown or io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = main.run(["load", *words, "--json", str(folder / "run.json")])
    kept = folder / "run.json"
    record = json.loads(kept.read_text()) if kept.exists() else {}
    return Finished(code=code, out=out.getvalue(), err=err.getvalue(), record=record, folder=folder)


@contextmanager
def started(folder: Path, *words: str, by: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*by, sys.executable, "-m", "probe", "load", *words, "--json", str(folder / "run.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()  # where the test did not come to the run's end
        process.communicate()


def finished(process: subprocess.Popen[str], folder: Path) -> Finished:
    out, err = process.communicate(timeout=PATIENCE)
    record = json.loads((folder / "run.json").read_text())
    return Finished(code=process.returncode, out=out, err=err, record=record, folder=folder)


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorApart]:
    with simulator_apart("pocketoption") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """By the clock, against a simulator of its own, with all files."""
    folder = tmp_path_factory.mktemp("load")
    words = ["sim:pocketoption", "--users", "4", "--rate", "20/s", "--duration", "4s"]
    words += ["--threshold", "response p99 < 20s", "--threshold", "connect p50 < 0.001ms"]
    words += ["--html", str(folder / "run.html"), "--csv", str(folder / "csv")]
    words += ["--junit", str(folder / "run.xml"), "--quiet"]
    return ran(folder, *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    finished: Finished
    seen: str  # arguments and environment of all its processes
    open_afterwards: int  # sessions at the server


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, simulator: SimulatorApart) -> Interrupted:
    """As soon as it has sessions, with a credential from standard input."""
    folder = tmp_path_factory.mktemp("load")
    with started(folder, "-", "--endpoint", simulator.url, "--users", "30", "--scenario", "soak") as process:
        feed(process, simulator)
        own = psutil.Process(process.pid)
        seen = [[*each.cmdline(), *each.environ().values()] for each in (own, *own.children(recursive=True))]
        process.send_signal(signal.SIGINT)
        ended = finished(process, folder)
    return Interrupted(
        finished=ended,
        seen="\n".join(word for words in seen for word in words),
        open_afterwards=simulator.counters().sessions_open,
    )


def feed(process: subprocess.Popen[str], simulator: SimulatorApart) -> None:
    """The credential, and then wait for the first sessions."""
    before, until = simulator.counters().sessions, time.monotonic() + PATIENCE
    assert process.stdin is not None
    process.stdin.write(simulator.credential.reveal())
    process.stdin.close()
    process.stdin = None
    while simulator.counters().sessions < before + 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def generator_of(process: subprocess.Popen[str]) -> psutil.Process:
    of_all = psutil.Process(process.pid).children(recursive=True)
    return next(each for each in of_all if "loadtests.child" in each.cmdline())


Pretend = Callable[..., Callable[..., Finished]]


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretend:
    """A generator that tells what it is given, and ends as it is told to."""
    if sys.platform == "win32":
        pytest.skip("there is no sh")

    def pretended(*told: dict[str, Any], slices: int = 0, end: str = "exit 0") -> Callable[..., Finished]:
        plan = made.plan()
        measured = [
            {"kind": "slice", "second": each.second, "stage": 0, "figures": each.figures.to_json()}
            for each in (made.slices(plan, seconds=slices) if slices else ())
        ]
        (tmp_path / "told").write_text("".join(f"{json.dumps(each)}\n" for each in [*measured, *told]))
        generator = tmp_path / "generator"
        generator.write_text(f"#!/bin/sh\ncat {tmp_path / 'told'} > /dev/fd/$7\n{end}\n")
        generator.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(generator))
        monkeypatch.setenv("SSID", SSID)
        return partial(ran, tmp_path, "env:SSID", "--endpoint", HERE)

    return pretended


ENDED = {"kind": "ended", "code": 0}
REFUSED = {"kind": "refused", "text": "the server wants nobody", "code": 2}


def test_a_generator_that_dies_leaves_what_it_told_and_an_invalid_run(pretend: Pretend) -> None:
    ended = pretend(slices=3, end="kill -KILL $$")()
    assert (ended.code, ended.record["verdict"], ended.record["seconds"]) == (4, "INVALID", 3)
    assert "the generator died: its process was ended by SIGKILL" in " ".join(ended.out.split())
    assert "worker-lost" in [reason["code"] for reason in ended.record["reasons"]]


def test_what_is_refused_at_the_beginning_is_said_and_nothing_is_written(pretend: Pretend) -> None:
    ended = pretend(REFUSED)("--quiet")
    assert (ended.code, ended.out, ended.err) == (2, "", "error: the server wants nobody\n")
    assert ended.record == {}


def test_what_is_refused_in_mid_run_loses_nothing_of_what_was_measured(pretend: Pretend) -> None:
    ended = pretend(REFUSED, slices=3)()
    assert (ended.code, ended.record["ended"]) == (2, "refused: the server wants nobody")
    assert ended.record["figures"]["connects"]["opened"] > 0
    assert "cut short refused: the server wants nobody, after 3 s" in " ".join(ended.out.split())


def test_a_run_that_was_cut_short_is_not_said_to_have_gone_as_planned(pretend: Pretend) -> None:
    ended = pretend({"kind": "aborted", "text": "response p99 < 1ms: broken"}, slices=20)()
    assert (ended.code, ended.record["verdict"]) == (1, "VALID")
    assert ended.out.startswith("VALID as far as it went: the figures are the server's.")


def test_a_folder_that_goes_in_mid_run_loses_neither_the_others_nor_what_is_said(
    pretend: Pretend, tmp_path: Path
) -> None:
    (tmp_path / "gone").mkdir()
    words = ["--html", str(tmp_path / "gone" / "run.html")]
    ended = pretend(ENDED, slices=12, end=f"rmdir {tmp_path / 'gone'}")(*words)
    assert ended.code in (2, 4)
    assert ended.record["seconds"] == 12
    assert f"warning: --html {tmp_path}/gone/run.html could not be written: No such file or directory." in (
        ended.err
    )
    assert f"json        {tmp_path}/run.json" in ended.out


def test_messages_that_nobody_reads_any_more_end_the_run_and_lose_nothing(
    pretend: Pretend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = {"kind": "frame", "at": 0.5, "direction": "<", "text": "2"}
    run = pretend(frame, slices=3)
    monkeypatch.setattr("probe.cli.load_drive.to_nowhere", lambda fd: None)
    ended = run("--debug-one", shown=Stuck(BrokenPipeError(errno.EPIPE, "Broken pipe")))
    assert (ended.code, ended.record["ended"]) == (141, "nobody reads what it prints")


def test_the_verdict_comes_first_and_is_the_records(run: Finished) -> None:
    assert run.out.split(":")[0] == run.record["verdict"]
    assert run.code == {"VALID": 1, "INVALID": 4}[run.record["verdict"]]


def test_the_record_begins_as_every_document_does(run: Finished) -> None:
    assert list(run.record)[:3] == ["schema_version", "kind", "at"]


def test_all_three_times_stand_side_by_side_for_each_operation(run: Finished) -> None:
    heads = next(line for line in run.out.splitlines() if line.startswith("operation"))
    assert heads.split() == [
        "operation",
        "answered",
        "failed",
        "p50",
        "p95",
        "p99",
        "max",
        "p50",
        "p99",
        "p99",
    ]
    rows = [line.split() for line in run.out.splitlines() if line.startswith(("balance", "ping", "all "))]
    assert {row[0] for row in rows} == {"balance", "ping", "all"}
    assert all(len(row) == 10 for row in rows)


def test_every_threshold_is_told_with_what_was_measured(run: Finished) -> None:
    assert "✓ response p99 < 20s: held" in run.out
    assert "✗ connect p50 < 0.001ms: broken" in run.out


def test_what_was_written_is_named_and_there(run: Finished) -> None:
    named = dict(line.split(maxsplit=1) for line in run.out.splitlines()[-4:])
    assert named == {
        "json": str(run.folder / "run.json"),
        "html": str(run.folder / "run.html"),
        "csv": str(run.folder / "csv"),
        "junit": str(run.folder / "run.xml"),
    }
    assert (run.folder / "run.html").read_text().lower().startswith("<!doctype html>")
    assert {each.suffix for each in (run.folder / "csv").iterdir()} == {".csv"}


def test_junit_has_a_case_for_the_verdict_and_each_threshold(run: Finished) -> None:
    suite = ET.parse(run.folder / "run.xml").getroot()
    failed = {str(case.get("name")): case.find("failure") is not None for case in suite.iter("testcase")}
    assert failed == {
        "verdict": run.record["verdict"] == "INVALID",
        "response p99 < 20s": False,
        "connect p50 < 0.001ms": True,
    }
    assert int(suite.attrib["failures"]) == sum(failed.values())


def test_a_quiet_run_without_problems_says_nothing_on_standard_error(run: Finished) -> None:
    assert run.err == ""


def test_an_interrupted_run_ends_with_130_and_keeps_what_it_measured(interrupted: Interrupted) -> None:
    ended = interrupted.finished
    assert ended.code == 130
    assert "cut short   interrupted, after " in ended.out
    assert ended.record["ended"] == "interrupted"
    assert "connects    " in ended.out


def test_the_sessions_of_an_interrupted_run_are_gone(interrupted: Interrupted) -> None:
    assert interrupted.open_afterwards == 0


def test_the_credential_is_nowhere_to_be_seen(interrupted: Interrupted, simulator: SimulatorApart) -> None:
    token = json.loads(simulator.credential.reveal()[2:])[1]["session"]
    ended = interrupted.finished
    shown = [interrupted.seen, ended.out, ended.err]
    shown += [path.read_text() for path in ended.folder.rglob("*") if path.is_file()]
    assert [each for each in shown if token in each] == []


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh")
def test_a_command_without_outputs_runs_and_when_it_is_killed_takes_its_generator_with_it(
    tmp_path: Path, simulator: SimulatorApart
) -> None:
    words = ["-", "--endpoint", simulator.url, "--users", "30", "--scenario", "soak"]
    with started(tmp_path, *words, by=WITHOUT_OUTPUTS) as process:
        feed(process, simulator)
        generator = generator_of(process)
        process.kill()
    assert psutil.wait_procs([generator], timeout=PATIENCE)[1] == []


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Of one who asked for his balance eight times, as our transcripts write it."""
    (asked,) = find_broker("pocketoption").codec().encode_intent(AskBalance())
    path = tmp_path / "day.txt"
    assert isinstance(asked, str)
    path.write_text(f"C> {asked}\n" * 8)
    return path


def test_a_recording_is_played_as_fast_as_wanted(
    tmp_path: Path, simulator: SimulatorApart, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSID", simulator.credential.reveal())
    words = ["env:SSID", "--endpoint", simulator.url, "--users", "1", "--duration", "3s"]
    ended = ran(tmp_path, *words, "--replay", str(recording), "--speed", "20")
    assert "replay: 1 recorded connection of at most 7 s, 8 messages to play" in ended.err
    assert f"playing {recording} by its own clock, 20 times as fast" in " ".join(ended.out.split())
    asked = ended.record["figures"]["operations"]["balance"]
    assert asked["due"] >= 9  # at the speed at which it was recorded: 4


def test_what_the_generator_finds_wrong_when_it_makes_its_run_is_said_in_words(
    tmp_path: Path, simulator: SimulatorApart, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(words: str) -> None:
        if words.startswith("replay:"):
            recording.unlink()
        else:
            told.append(words)

    told: list[str] = []
    monkeypatch.setattr("probe.cli.load_drive.aside", gone)
    monkeypatch.setenv("SSID", simulator.credential.reveal())
    words = ["env:SSID", "--endpoint", simulator.url, "--users", "1", "--quiet"]
    ended = ran(tmp_path, *words, "--replay", str(recording))
    assert (ended.code, ended.out, ended.record) == (2, "", {})
    (error,) = told
    assert error.startswith(f"error: {recording}: it cannot be read (No such file or directory).")


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_a_terminal_that_is_closed_ends_a_run_as_a_signal_does() -> None:
    with signals_noted() as noted:
        os.kill(os.getpid(), signal.SIGHUP)
        assert noted == [signal.SIGHUP]


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signal")
def test_a_run_under_nohup_does_not_mind_a_terminal_that_is_closed() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_noted() as noted:
            os.kill(os.getpid(), signal.SIGHUP)
        assert noted == []
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.long
def test_a_server_that_goes_in_mid_run_is_told_and_the_run_comes_to_its_end(tmp_path: Path) -> None:
    with simulator_apart("pocketoption") as doomed:
        words = ["-", "--endpoint", doomed.url, "--users", "2", "--rate", "10/s", "--duration", "12s"]
        with started(tmp_path, *words) as process:
            feed(process, doomed)
            doomed.process.kill()
            ended = finished(process, tmp_path)
    figures = RunRecord.from_json(ended.record).total
    assert ended.record["ended"] == ""
    assert sum(figures.sessions.lost.values()) + sum(figures.connects.failed.values()) >= 2
