"""`probe explain`: what a code means, for people and for programs."""

import json

import pytest

from probe.catalogue import entries
from probe.cli.explain import WIDTH
from probe.cli.main import run as probe_command

ENTRIES = entries()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = probe_command(["explain", *arguments])
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.mark.parametrize("code", ENTRIES)
def test_an_entry_is_told_whole_in_eighty_columns(capsys: pytest.CaptureFixture[str], code: str) -> None:
    status, out, err = said(capsys, code)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= WIDTH
    words = " ".join(out.split())
    entry = ENTRIES[code]
    for part in (
        entry.title,
        entry.seen,
        entry.evidence,
        entry.sure,
        *entry.advice,
        *entry.separated.split("; "),
    ):
        assert " ".join(part.split()) in words


def test_all_codes_are_listed_in_the_order_in_which_a_connection_can_fail(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, out, _ = said(capsys, "--all")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ") and line[2] != " "] == list(
        ENTRIES
    )


def test_programs_get_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    one = json.loads(said(capsys, "tls.version", "--json")[1])
    assert list(one)[:3] == ["schema_version", "kind", "at"]
    every = json.loads(said(capsys, "--all", "--json")[1])
    assert [each["code"] for each in every["entries"]] == list(ENTRIES)
    (same,) = (each for each in every["entries"] if each["code"] == "tls.version")
    assert {key: one[key] for key in same} == same
    staged = {code for code, entry in ENTRIES.items() if entry.staged}
    assert {each["code"] for each in every["entries"] if each["staged"]} == staged


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tls.verson"], "tls.verson: no failure has this code. Did you mean tls.version?"),
        (["zzz"], "`probe explain --all` lists them."),
        ([], "Give one code, such as session.silent-stall, or --all."),
        (["tls.version", "--all"], "Give one code, such as session.silent-stall, or --all."),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    status, out, err = said(capsys, *arguments)
    assert (status, out) == (2, "")
    assert sentence in err
