"""Pages that are drawn from code are up to date: `make docs`."""

from tests.docs.pages import PHASES, phases_page


def test_the_phase_diagram_is_the_table() -> None:
    assert PHASES.read_text() == phases_page()
