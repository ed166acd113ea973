"""Watches, checks and load-tests connections to trading brokers, and says what is wrong with them.

Importing this package imports nothing else: what it offers is loaded when it is asked for. docs/api.md shows it at work.
"""

TYPE_CHECKING = False  # a type checker takes it for typing's, which is not worth importing
if TYPE_CHECKING:
    from probe.api.answers import Answer as Answer
    from probe.api.cache import Cache as Cache
    from probe.api.errors import (
        ConnectionFailed as ConnectionFailed,
    )
    from probe.api.errors import (
        NotConnected as NotConnected,
    )
    from probe.api.errors import (
        OrderRejected as OrderRejected,
    )
    from probe.api.errors import (
        PoolTimeout as PoolTimeout,
    )
    from probe.api.errors import (
        SaleRejected as SaleRejected,
    )
    from probe.api.errors import (
        SessionClosed as SessionClosed,
    )
    from probe.api.errors import (
        SessionLost as SessionLost,
    )
    from probe.api.errors import (
        TooManyRequests as TooManyRequests,
    )
    from probe.api.errors import (
        Unanswered as Unanswered,
    )
    from probe.api.monitor import Monitor as Monitor
    from probe.api.orders import OrderHandle as OrderHandle
    from probe.api.orders import OrderResult as OrderResult
    from probe.api.orders import Outcome as Outcome
    from probe.api.pool import SessionPool as SessionPool
    from probe.api.session import ServerClock as ServerClock
    from probe.api.session import Session as Session
    from probe.api.session import open_session as open_session
    from probe.api.statistics import Statistics as Statistics
    from probe.api.streams import Quote as Quote
    from probe.model.errors import ProbeError as ProbeError
    from probe.model.errors import UnsafeTarget as UnsafeTarget
    from probe.model.meanings import Direction as Direction

    __version__: str

_WHERE = {
    "Answer": "api.answers",
    "Cache": "api.cache",
    "ConnectionFailed": "api.errors",
    "Direction": "model.meanings",
    "Monitor": "api.monitor",
    "NotConnected": "api.errors",
    "OrderHandle": "api.orders",
    "OrderRejected": "api.errors",
    "OrderResult": "api.orders",
    "Outcome": "api.orders",
    "PoolTimeout": "api.errors",
    "ProbeError": "model.errors",
    "Quote": "api.streams",
    "SaleRejected": "api.errors",
    "ServerClock": "api.session",
    "Session": "api.session",
    "SessionClosed": "api.errors",
    "SessionLost": "api.errors",
    "SessionPool": "api.pool",
    "Statistics": "api.statistics",
    "TooManyRequests": "api.errors",
    "Unanswered": "api.errors",
    "UnsafeTarget": "model.errors",
    "open_session": "api.session",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - costs more than the rest of `probe --help`

        return version("tradeprobe")
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE, "__version__"])
