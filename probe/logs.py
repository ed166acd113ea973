"""Logs for who runs the program: one line for each unit of work, on standard error, with no secret in it.

The name of an event says in the past tense what happened (``session_ended``); all else are fields. Before `configure`
only warnings are written. structlog is imported when the first logger is asked for.
"""

import logging
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from probe.model.credentials import SHORTEST, Credentials, PasswordLogin, Redactor, Secret, WebSession

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

Secrets = Credentials | PasswordLogin | WebSession | Secret
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
DEEPEST = 6  # of nested fields


class _Known:
    """Every secret that was resolved and is still in use, counted: two targets may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Secret] = Counter()
        self._redactor: Redactor | None = None

    def change(self, secrets: Secrets, by: int) -> None:
        with self._lock:
            for secret in _pieces(secrets):
                self._counts[secret] += by
                if self._counts[secret] <= 0:
                    del self._counts[secret]
            self._redactor = None

    def redactor(self) -> Redactor:
        with self._lock:
            if self._redactor is None:
                self._redactor = Redactor(self._counts)
            return self._redactor


def _pieces(secrets: Secrets) -> tuple[Secret, ...]:
    if isinstance(secrets, Secret):
        return (secrets,)
    if isinstance(secrets, PasswordLogin):
        return (secrets.user, secrets.password)
    parts = [value for _, value in secrets.cookies]
    if isinstance(secrets, Credentials):
        parts += (secrets.frame, *secrets.parts)
    return (secrets.token, *(part for part in parts if len(part.reveal()) >= SHORTEST))  # not `lang=en`


_known = _Known()


def remember(secrets: Secrets) -> None:
    """From now on no log line shows it."""
    _known.change(secrets, +1)


def forget(secrets: Secrets) -> None:
    """It is used no more. As often as it was remembered."""
    _known.change(secrets, -1)


def redact(text: str) -> str:
    """The text without any secret that is remembered."""
    return _known.redactor()(text)


def configure(level: str, *, terminal: bool) -> None:
    """Write from this level up; for a person on a `terminal`, else as JSON."""
    import structlog  # noqa: PLC0415 - takes long, and most runs log nothing

    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=terminal, sort_keys=False, pad_event_to=0)
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=True, default=repr)
    )

    def render(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        try:
            return str(renderer(logger, method, _clean(event, redact, DEEPEST)))
        except Exception as problem:  # noqa: BLE001 - a line that cannot be written must not stop what it is about
            return f'{{"event": "line_lost", "problem": "{type(problem).__name__}"}}'

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.add_log_level,
            _exception(with_traceback=level == "debug"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,  # configured again, a logger made before follows
    )


def get_logger(**fields: object) -> "FilteringBoundLogger":
    """A logger whose lines all have these fields."""
    import structlog  # noqa: PLC0415 - see above

    if not structlog.is_configured():
        configure("warning", terminal=_is_terminal())
    logger: FilteringBoundLogger = structlog.get_logger(**fields)
    return logger


def _is_terminal() -> bool:
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()


def _exception(*, with_traceback: bool) -> Any:
    """Its type is told; its text can hold what nobody has registered, so that is for who asked for everything."""

    def processor(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        raised = event.pop("exc_info", None)
        if raised is True:
            raised = sys.exc_info()[1]
        elif isinstance(raised, tuple):
            raised = raised[1]
        if isinstance(raised, BaseException):
            event["exception"] = type(raised).__name__
            if with_traceback:
                event["traceback"] = "".join(traceback.format_exception(raised))
        return event

    return processor


def _clean(value: Any, redactor: Any, depth: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _printable(redactor(value))
        case Mapping() if depth:
            return {redactor(str(key)): _clean(each, redactor, depth - 1) for key, each in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [_clean(each, redactor, depth - 1) for each in value]
        case _:
            return redactor(repr(value))


def _printable(text: str) -> str:
    """What somebody else wrote moves no cursor."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


class _StandardError:
    """Whatever it is at that moment. Who does not listen any more misses the line."""

    def __init__(self, *_: object) -> None: ...

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
        except (OSError, ValueError, AttributeError):
            pass

    log = debug = info = warn = warning = error = critical = exception = failure = fatal = msg
