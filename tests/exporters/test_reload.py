"""A configuration that cannot be taken over leaves everything as it was, and the reason is clear."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.exporting import ask, exporting, metrics, until
from tests.cli.monitoring import Running

GOOD = '[targets.demo]\ntarget = "sim:pocketoption"\n'
SECRET = "planted0reload0token00000001"
Breaking = Callable[[Path], object]


def text(content: str) -> Breaking:
    return lambda path: path.write_text(content)


def second(content: str) -> Breaking:
    return text(f"{GOOD}[targets.second]\n{content}\n")


def instead(make: Breaking) -> Breaking:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_reference_to_a_gone_file(path: Path) -> None:
    second(f'broker = "pocketoption"\ncredentials = "file:{path.parent}/gone"')(path)


def a_credential_that_is_none(path: Path) -> None:
    (path.parent / "ssid").write_text(f"this is no {SECRET}")
    (path.parent / "ssid").chmod(0o600)
    second('broker = "pocketoption"\ncredentials = "file:ssid"')(path)


# What is done to the file, and a word of what is said.
BROKEN: dict[str, tuple[Breaking, str]] = {
    "missing": (lambda path: path.unlink(), "cannot be read"),
    "a folder": (instead(lambda path: path.mkdir()), "cannot be read"),
    "a loop of links": (instead(a_loop), "cannot be read"),
    "a link to nothing": (instead(lambda path: path.symlink_to("nothing")), "cannot be read"),
    "a pipe": (instead(os.mkfifo), "this is no file"),
    "binary": (lambda path: path.write_bytes(os.urandom(20) + b"\xff\xfe\0"), "this is not UTF-8"),
    "huge": (text("#" * (2 * 1024 * 1024)), "larger than 1 MiB"),
    "no TOML": (text("[targets.demo\n"), "this is not TOML"),
    "cut off": (text(GOOD[:-5]), "this is not TOML"),
    "a key twice": (text(f'{GOOD}target = "sim:quotex"\n'), "this is not TOML"),
    "a target twice": (text(GOOD + GOOD), "this is not TOML"),
    "nested deeply": (text("a = " + "[" * 5000 + "]" * 5000), "nested too deeply"),
    "many dots": (text("a" + ".a" * 5000 + " = 1"), "dots"),
    "nothing in it": (text(""), "nothing to watch"),
    "an unknown key": (second('brokr = "pocketoption"'), "did you mean 'broker'?"),
    "an unknown section": (text(f"{GOOD}[exportr]\n"), "nothing is called that"),
    "an unknown broker": (second('broker = "pocketoptoin"'), "pocketoption"),
    "a name that is none": (text(f'{GOOD}[targets."../x"]\ntarget = "sim:quotex"\n'), "no name"),
    "a value out of range": (second('target = "sim:quotex"\nobjective = 7'), "objective"),
    "a wrong type": (second('target = ["sim:quotex"]'), "targets.second.target"),
    "the exporter's own": (text(f'{GOOD}[exporter]\nlisten = "everywhere"\n'), "HOST:PORT"),
    "a variable that is not set": (
        second('broker = "pocketoption"\ncredentials = "env:NOT_SET_ANYWHERE"'),
        "'NOT_SET_ANYWHERE'",
    ),
    "a credential that is gone": (a_reference_to_a_gone_file, "no credential found"),
    "a credential that is none": (a_credential_that_is_none, "[cfg.ssid-mangled]"),
    "a credential in the clear": (second(f'broker = "pocketoption"\ncredentials = "{SECRET}"'), "credentials"),
}  # fmt: skip


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    path.unlink(missing_ok=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Running, str]]:
    (tmp_path / "probe.toml").write_text(GOOD)
    with exporting(tmp_path, "--json", "--store", "none", "--config", "probe.toml") as (process, url):
        process.streaming("demo")
        yield process, url


def reloaded(url: str) -> float:
    return metrics(url)["tradeprobe_config_last_reload_successful", ()]


def test_whatever_is_wrong_with_it_the_service_goes_on_and_says_what(
    running: tuple[Running, str], tmp_path: Path
) -> None:
    process, url = running
    path = tmp_path / "probe.toml"
    since = ("tradeprobe_session_start_timestamp_seconds", (("target", "demo"),))
    until(lambda: since in metrics(url), "no session")
    began, at_first = metrics(url)[since], reloaded(url)
    said, wrong = "", {}
    for name, (change, word) in BROKEN.items():
        change(path)
        status, answer = ask(f"{url}/-/reload", method="POST")
        clear(path)
        path.write_text(GOOD)
        said += answer
        if status != 500 or word not in answer:
            wrong[name] = status, answer
    assert wrong == {}, wrong
    assert (at_first, reloaded(url)) == (1.0, 0.0)
    assert SECRET not in said
    assert metrics(url)[since] == began

    # A signal does the same as the page, and what is right again is taken over.
    process.send(signal.SIGHUP)
    assert "no target changed" in process.notice("config.reloaded")
    taken = metrics(url)
    assert reloaded(url) == 1.0
    assert taken["tradeprobe_config_last_reload_success_timestamp_seconds", ()] > began
    assert taken[since] == began
    path.write_text(GOOD + GOOD)
    process.send(signal.SIGHUP)
    assert "not taken over" in process.notice("config.reload-failed")
    assert reloaded(url) == 0.0
    path.write_text(GOOD.replace("demo", "other"))
    assert "added: other; removed: demo" in ask(f"{url}/-/reload", method="POST")[1]
    until(lambda: since not in metrics(url), "the metrics of a target that is gone are still there")
    ran = process.end(signal.SIGTERM)
    assert ran.code == 0
    assert SECRET not in ran.out + ran.err
