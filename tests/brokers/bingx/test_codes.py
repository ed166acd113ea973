"""Numbers and words of both generations, and when one may ask again."""

import pytest

from probe.brokers.bingx.codes import Sort, retry_at, sort_of, trouble_of

LIMITED = "The endpoint trigger frequency limit rule is currently in the disabled period and will be unblocked after"


@pytest.mark.parametrize(
    ("code", "words", "sort"),
    [
        (100001, "Signature verification failed", Sort.SIGNATURE),
        (100413, "Incorrect apiKey", Sort.KEY),
        (100004, "", Sort.PERMISSION),
        (100419, "your current request IP does not match IP whitelist", Sort.ADDRESS),
        (100419, "too many connections", Sort.CONNECTIONS),
        (100421, "Null timestamp or timestamp mismatch", Sort.CLOCK),
        (100421, "This pair is currently restricted from API trading", Sort.SYMBOL),
        (80014, "timestamp is invalid", Sort.CLOCK),
        (109400, "timestamp is invalid", Sort.CLOCK),
        (80014, "Invalid parameters", Sort.OTHER),
        (100410, f"code:100410:{LIMITED} 1727193814249", Sort.THROTTLED),
        (100410, "the current system is busy, please try again later", Sort.BUSY),
        (109429, "", Sort.THROTTLED),
        (
            100202,
            "over 20 error code:100202 requests within 480000 ms for this api, please verify and fix it ,can retry "
            "after time: 1727193970155",
            Sort.THROTTLED,
        ),
        (100202, "Insufficient balance", Sort.OTHER),
        (109418, "", Sort.SYMBOL),
        (80403, "", Sort.TOPICS),
    ],
)
def test_a_number_and_its_words_have_one_meaning(code: int, words: str, sort: Sort) -> None:
    assert sort_of(code, words) is sort


@pytest.mark.parametrize(
    ("words", "at"),
    [
        (f"{LIMITED} 1727193814249", 1727193814.249),
        ("can retry after time: 1727193970155", 1727193970.155),
        ("can retry after time: 1727193970155.", 1727193970.155),
        ("within 480000 ms", None),
        ("order 17271938142490 is gone", None),
        ("", None),
    ],
)
def test_the_instant_at_the_end_is_when_one_may_ask_again(words: str, at: float | None) -> None:
    assert retry_at(words) == at


@pytest.mark.parametrize("sort", Sort)
def test_every_sort_has_something_to_say(sort: Sort) -> None:
    from probe.brokers.bingx.codes import _CODES

    code = _CODES.get(sort, (1,))[-1]
    trouble = trouble_of(code, "timestamp" if sort is Sort.CLOCK else "", "ticker")
    assert trouble.sentence.startswith("ticker: ")
    assert not trouble.sentence.endswith(".")
    assert trouble.advice.endswith(".")
