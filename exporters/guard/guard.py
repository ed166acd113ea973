"""The web configuration as it holds now: read again when a file of it changed; a broken one leaves the last good one."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from exporters.guard.rates import Rates
from exporters.guard.tls import Newest, context_of
from exporters.guard.users import EVERYBODY, Users, Verdict
from exporters.guard.web_config import Tls, WebConfig, read_web_config
from probe.logs import get_logger
from probe.model.errors import ConfigError

Marks = tuple[tuple[int, int, int] | None, ...]


class Guard:
    """
    Raises:
        ConfigError: the file cannot be used as it is when this is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem: str | None = None  # with the files as they are now
        self.refused = 0  # times that what was wrong with them was something new
        config, context = _read(path)
        self._marks = _marks(path, config.tls)
        self._config, self._context = config, context
        self._users = Users(config.users)
        self._rates = _rates(config)

    @property
    def has_users(self) -> bool:
        return bool(self._config.users)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._config.headers

    @property
    def is_closed(self) -> bool:
        """Whether only those come in who were told how."""
        tls = self._config.tls
        return self.has_users or (tls is not None and tls.client_auth == "RequireAndVerifyClientCert")

    def tls(self) -> ssl.SSLContext | None:
        """For the listening socket; its connections get what holds when they are made."""
        return None if self._context is None else Newest.of(self._newest)

    def refresh(self, *, anyway: bool = False) -> None:
        """Takes over what the files say, if one of them changed or if it is wanted anyway."""
        marks = _marks(self._path, self._config.tls)
        if marks == self._marks and not anyway:
            return
        self._marks = marks
        try:
            config, context = _read(self._path)
            if (config.tls is None) != (self._config.tls is None):
                raise ConfigError(
                    "TLS cannot be turned on or off while the exporter runs",
                    where=f"{self._path}, tls_server_config",
                    next_step="Start the exporter again.",
                )
        except ConfigError as problem:
            if str(problem) != self.problem:
                self.problem = str(problem)
                self.refused += 1
                get_logger().error("web_config_refused", problem=self.problem)
            return
        self.problem = None
        if config.tls and self._config.tls and config.tls.files != self._config.tls.files:
            self._marks = _marks(self._path, config.tls)
        if config.users != self._config.users:
            self._users.change(config.users)
        if (config.every, config.burst) != (self._config.every, self._config.burst):
            self._rates = _rates(config)
        self._config, self._context = config, context
        get_logger().info("web_config_read", file=str(self._path))

    def over_rate(self, now: float) -> int:
        """The limit of all clients together: 0, or when to come again."""
        return 0 if self._rates is None else self._rates.take(EVERYBODY, now)

    async def verdict(self, authorization: bytes, client: str) -> Verdict:
        return await self._users.verdict(authorization, client)

    def close(self) -> None:
        self._users.close()

    def _newest(self) -> ssl.SSLContext:
        self.refresh()
        assert self._context is not None  # noqa: S101 - TLS is not turned off while it runs
        return self._context


def _read(path: Path) -> tuple[WebConfig, ssl.SSLContext | None]:
    config = read_web_config(path)
    return config, None if config.tls is None else context_of(config.tls, path)


def _rates(config: WebConfig) -> Rates | None:
    return Rates(each_second=1 / config.every, burst=config.burst) if config.every else None


def _marks(path: Path, tls: Tls | None) -> Marks:
    return tuple(_mark(each) for each in (path, *(tls.files if tls else ())))


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
