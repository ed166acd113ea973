"""The fixture `probe_target` of whoever tests a service that trades."""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probe.api.checking import Plan, check_target
from probe.diagnose.limits import Limits
from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from tests.virtual.travelling import run

PAGE = Path(__file__).parents[2] / "docs" / "ci.md"


def test_the_example_of_the_page_runs_as_it_stands(pytester: pytest.Pytester) -> None:
    (example,) = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    pytester.makepyfile(example)
    ran = pytester.runpytest("-p", "no:randomly")
    ran.assert_outcomes(passed=example.count("def test_"))


def test_what_is_not_healthy_fails_with_our_sentence(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        def test_it(probe_target):
            result = probe_target("sim:pocketoption", max_connect=0.000001)
            assert result.verdict == "failed"
            assert result.healthy, result
    """)
    ran = pytester.runpytest()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(
        ["*AssertionError: sim:pocketoption is FAILED: Threshold broken: connecting took *"]
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("sim:pocketopton", "*'pocketopton' cannot be simulated (did you mean 'pocketoption'?)*"),
        ("sim", "*one target is checked at a time. Choose one of: sim:bingx, *"),
    ],
)
def test_a_target_that_cannot_be_understood_is_one_sentence(
    target: str, said: str, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(f"""
        def test_it(probe_target):
            probe_target("{target}")
    """)
    ran = pytester.runpytest()
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines([said])
    assert "Traceback" not in ran.stdout.str()
    assert "During handling" not in ran.stdout.str()


def test_a_test_in_whose_thread_a_loop_runs_can_use_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio

        def test_it(probe_target):
            async def inside():
                return probe_target("sim:quotex")

            assert asyncio.run(inside()).healthy
    """)
    pytester.runpytest().assert_outcomes(passed=1)


def test_runs_that_do_not_use_it_import_nothing_more() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import probe.api.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    more = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(__file__).parents[2])
    assert more.split() == ["probe", "probe.api", "probe.api.pytest_plugin"]


def test_a_score_is_waited_for_and_never_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    (target,) = resolve("sim:pocketoption", TargetOptions())

    async def look() -> None:
        loop, began = asyncio.get_running_loop(), time.time()
        monkeypatch.setattr(time, "time", lambda: began + loop.time())
        plan = Plan(timeout=10.0, limits=Limits(score=80.0))
        checked = await check_target(target, Chosen(), None, lambda _: None, plan)
        (score,) = checked.limits
        assert (checked.healthy, score.holds) == (True, True)
        assert "of 100, " in score.sentence
        assert loop.time() > 60.0

    run(look())
