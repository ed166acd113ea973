"""What an answer's status means where nobody asked for an upgrade."""

import pytest

from probe.model.credentials import Redactor, Secret
from probe.session.refusal import failure_of_reply
from tests.session.polled import reply


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "http.refused"), (401, "http.401"), (404, "http.wrong-path"), (422, "http.refused")],
)
def test_a_question_called_malformed_is_no_transport_of_another_version(status: int, kind: str) -> None:
    failure = failure_of_reply(reply(status=status), Redactor((Secret("planted0secret"),)))
    assert failure is not None
    assert failure.kind == kind


def test_an_answer_is_no_failure() -> None:
    assert failure_of_reply(reply(), Redactor(())) is None
