from pathlib import Path

from tests.docs.configuration import PAGE, configuration_page


def test_the_tables_of_keys_and_variables_are_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), "run python -m tests.docs.configuration"


def test_the_example_it_names_is_there() -> None:
    assert "(probe.example.toml)" in PAGE.read_text(encoding="utf-8")
    assert Path(PAGE.parent / "probe.example.toml").is_file()
