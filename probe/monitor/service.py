"""What a service manager is told: ready, how it goes, still alive, stopping. Without one, nothing happens."""

import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """The notification socket that systemd names in the environment of the services that it starts."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked = environment.get("WATCHDOG_USEC", "")
        meant_for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_seconds = int(asked) / 1e6 if asked.isdecimal() and meant_for_us else None
        self._told_alive_at = float("-inf")
        self._status = ""

    def ready(self) -> None:
        """After the start, and after every reload."""
        self._tell("READY=1")

    def status(self, words: str) -> None:
        if words != self._status:
            self._status = words
            self._tell(f"STATUS={words}")

    def alive(self, now: float) -> None:
        """Called as often as one likes; told at a third of the time that the manager waits."""
        if self._watchdog_seconds and now - self._told_alive_at >= self._watchdog_seconds / 3:
            self._told_alive_at = now
            self._tell("WATCHDOG=1")

    def reloading(self) -> None:
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
                told.setblocking(False)
                told.sendto(message.encode(), address)
        except OSError:
            return  # a manager that does not listen is not worth a session
