"""The plugin that forbids unexplained skips where CI=true."""

import pytest

SKIPPED = """
    import pytest

    def test_skipped():
        pytest.skip("no such device")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("CI", "true")
    pytester.makeini("[pytest]")
    pytester.makeconftest('pytest_plugins = ["tests.plugins.skips"]')
    pytester.mkdir("tests")
    allow(pytester, "# nothing yet")
    return pytester


def allow(project: pytest.Pytester, line: str) -> None:
    (project.path / "tests" / "allowed-skips.txt").write_text(line + "\n")


def outcomes(project: pytest.Pytester) -> dict[str, int]:
    return project.runpytest("-p", "no:randomly", "-p", "no:cacheprovider").parseoutcomes()


def test_a_skip_without_a_reason_on_file_fails_the_run(project: pytest.Pytester) -> None:
    project.makepyfile(SKIPPED)
    assert outcomes(project) == {"failed": 1}


def test_the_failure_keeps_the_reason_of_the_skip(project: pytest.Pytester) -> None:
    project.makepyfile(SKIPPED)
    result = project.runpytest("-p", "no:randomly")
    result.stdout.fnmatch_lines(["*no such device*", "*unless tests?allowed-skips.txt says why*"])


def test_a_skip_with_a_reason_on_file_stays_a_skip(project: pytest.Pytester) -> None:
    project.makepyfile(test_device=SKIPPED)
    allow(project, "test_device.py::test_skipped # the device is not in the building")
    assert outcomes(project) == {"skipped": 1}


def test_a_file_that_skips_itself_fails_the_run(project: pytest.Pytester) -> None:
    project.makepyfile("import pytest; pytest.skip('not here', allow_module_level=True)")
    assert outcomes(project) == {"errors": 1}


def test_an_expected_failure_is_no_skip(project: pytest.Pytester) -> None:
    project.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_known_bug(): assert False")
    assert outcomes(project) == {"xfailed": 1}


def test_a_line_without_a_reason_is_refused(project: pytest.Pytester) -> None:
    project.makepyfile(SKIPPED)
    allow(project, "test_device.py::test_skipped")
    result = project.runpytest()
    assert result.ret is pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*gives no reason*"])


def test_without_ci_a_skip_is_a_skip(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI")
    project.makepyfile(SKIPPED)
    assert outcomes(project) == {"skipped": 1}
