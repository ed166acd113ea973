"""docs/doctor.md is true: its commands are understood, its configuration is valid, and programs are told every key they get."""

import asyncio
import re
from pathlib import Path

import click
import pytest

from probe.cli.doctor import doctor
from probe.cli.doctor_report import as_data
from probe.cli.options import Typed
from probe.config import load_settings
from probe.doctor.examine import Means, Patient, examine
from probe.model.findings import Certainty

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def first_column(begins: str) -> list[str]:
    rows = PAGE.partition(begins)[2].partition("\n\n")[0]
    return re.findall(
        r"`([\w-]+)`", " ".join(row.split("|")[1] for row in rows.splitlines() if row.startswith("| `"))
    )


def test_every_option_of_its_own_is_explained() -> None:
    own = [
        option
        for each in doctor.params
        if isinstance(each, click.Option) and each.name not in Typed.__dataclass_fields__
        for option in each.opts
    ]
    assert sorted(first_column("| option | meaning |")) == sorted(own)


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "probe.toml").write_text(text)
    settings = load_settings(tmp_path / "probe.toml", environ={})
    assert (settings.doctor.controls, settings.targets["mine"].owned) == (("192.0.2.10:443",), True)


@pytest.mark.parametrize("certainty", Certainty)
def test_every_word_for_how_sure_it_is_is_explained(certainty: Certainty) -> None:
    assert f"| *{certainty.value}* |" in PAGE


def test_every_key_of_the_json_has_its_line() -> None:
    nobody = Patient(name="nobody", broker=None, endpoint=None)
    told = as_data(asyncio.run(examine(nobody, Means(offline=True))))
    _, objects, verdicts = PAGE.split("| key | what |")
    assert keys_of(objects) == list(told)
    assert keys_of(verdicts) == [
        "code", "certainty", "state", "says", "fault", "evidence", "excluded", "remaining", "advice", "reason", "cause",
    ]  # fmt: skip


def keys_of(text: str) -> list[str]:
    table = text.partition("\n\n")[0]
    return re.findall(
        r"`(\w+)`", " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `"))
    )
