"""How figures, and what others said, are written."""

from reports.words import LONGEST_TEXT, count, duration, share, shown


def test_figures_are_short_and_never_nicer_than_they_are() -> None:
    assert [duration(each) for each in (None, 0.0000042, 0.00042, 0.0123, 0.5, 1.5, 120.0)] == [
        "–", "4.2 µs", "420 µs", "12.3 ms", "500 ms", "1.5 s", "120 s",
    ]  # fmt: skip
    assert [count(each) for each in (None, 0, 3, 2.5, 1234.0)] == ["–", "0", "3", "2.5", "1,234"]
    assert [share(*each) for each in ((0, 0), (1, 1), (99_999, 100_000))] == ["–", "100 %", "99.99 %"]


def test_letters_of_all_scripts_stay_and_turn_nothing_around() -> None:
    assert shown("demo-eu: 12 ms") == "demo-eu: 12 ms"
    assert shown("Łódź 東京 हिन्दी") == "Łódź 東京 हिन्दी"
    assert shown("חשבון ראשון: 12 ms") == "\u2068חשבון ראשון\u2069: 12 ms"


def test_what_was_shown_stays_as_it_is() -> None:
    for text in ("demo-eu", "חשבון ראשון: 12 ms", "\u2068a\u2069\x1b", "w" * 600, "ח" * 600):
        assert shown(shown(text)) == shown(text)


def test_nothing_hides_piles_up_or_moves() -> None:
    assert shown("a\x1b[2J\u202eb\u2066\u200bc\n") == "a�[2J�b�c�"
    assert shown("z" + "\u0335" * 40) == "z" + "\u0335" * 3 + "�"
    assert shown("w" * 100_000) == "w" * LONGEST_TEXT + "…"
