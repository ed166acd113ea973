"""Watches, checks and load-tests connections to trading brokers, and says what is wrong with them.

Importing this package imports nothing else: what it offers is loaded when it is asked for.
"""


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - costs more than the rest of `probe --help`

    return version("tradeprobe")
