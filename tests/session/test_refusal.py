"""What is kept of an answer that is no opened WebSocket."""

import pytest

from probe.model.credentials import Redactor, Secret
from probe.model.failures import Speaker
from probe.session.refusal import failure_of_handshake, failure_of_refusal
from probe.wire.heads import MAX_BODY_PREVIEW, HandshakeBroken, HandshakeFault, UpgradeRefused

SECRET = "planted0secret0token000001"
REDACT = Redactor((Secret(SECRET),))


def broken(reason: HandshakeFault, preview: bytes = b"SSH-2.0", **more: object) -> HandshakeBroken:
    return HandshakeBroken(reason=reason, detail="no", preview=preview, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (HandshakeFault.NOT_HTTP, "http.not-http"),
        (HandshakeFault.CUT_SHORT, "http.closed"),
        (HandshakeFault.HEADER_TOO_LARGE, "http.handshake-invalid"),
    ],
)
def test_what_is_no_answer_is_kept_by_its_first_bytes(reason: HandshakeFault, kind: str) -> None:
    failure = failure_of_handshake(broken(reason), Speaker.REMOTE, REDACT)
    assert (failure.kind, failure.seen.first_bytes, failure.seen.answer) == (kind, "SSH-2.0", None)


def test_of_a_wrong_101_the_telling_headers_are_kept() -> None:
    headers = (("Upgrade", "websocket"), ("Set-Cookie", f"token={SECRET}"), ("Sec-WebSocket-Accept", SECRET))
    wrong = broken(HandshakeFault.INVALID_UPGRADE, SECRET.encode(), headers=headers)
    failure = failure_of_handshake(wrong, Speaker.REMOTE, REDACT)
    answer = failure.seen.answer
    assert failure.kind == "http.handshake-invalid"
    assert answer is not None
    assert (answer.status, answer.header("upgrade"), answer.header("set-cookie")) == (101, "websocket", "")
    assert SECRET not in repr(failure)


@pytest.mark.parametrize("reason", HandshakeFault)
def test_a_secret_in_what_answers_is_not_kept(reason: HandshakeFault) -> None:
    failure = failure_of_handshake(broken(reason, f"echo {SECRET}".encode()), Speaker.REMOTE, REDACT)
    assert SECRET not in repr(failure)


@pytest.mark.parametrize(
    ("body", "complete", "is_whole"),
    [(b"Oops!", True, True), (b"Oops!", False, False), (b"x" * MAX_BODY_PREVIEW, False, True)],
)
def test_a_page_is_unfinished_only_if_more_of_it_was_wanted(
    body: bytes, complete: bool, is_whole: bool
) -> None:
    refusal = UpgradeRefused(status=503, reason="No", headers=(), body_preview=body, complete=complete)
    answer = failure_of_refusal(refusal, Speaker.REMOTE, REDACT).seen.answer
    assert answer is not None
    assert answer.is_whole is is_whole


def test_nobodys_address_in_an_answer_is_kept() -> None:
    page = b"<title>ann.other@mail.example</title> written by ann.other@mail.example"
    headers = (("Server", "ann.other@mail.example"),)
    refusal = UpgradeRefused(
        status=403, reason="ann.other@mail.example", headers=headers, body_preview=page, complete=True
    )
    failure = failure_of_refusal(refusal, Speaker.REMOTE, REDACT)
    assert failure.http_status == 403
    assert "mail.example" not in repr(failure)
