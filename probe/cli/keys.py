"""Single keys from the terminal, without waiting for any and without changing it for longer than asked."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

ARROWS = {"\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down"}
STANDARD_INPUT = 0
POLL_SECONDS = 0.05  # Windows' console cannot be waited for beside sockets


def pressed_keys(text: str) -> list[str]:
    """The keys behind what a terminal sent. What is not known of an escape sequence is left out, not taken for letters."""
    keys: list[str] = []
    while text:
        if text[0] != "\x1b":
            keys.append(text[0])
            text = text[1:]
            continue
        if text[:3] in ARROWS:
            keys.append(ARROWS[text[:3]])
        end = 1
        if text[1:2] in ("[", "O"):
            end = 2
            while end < len(text) and not "@" <= text[end] <= "~":
                end += 1
            end += 1
        text = text[end:]
    return keys


if sys.platform == "win32":
    import msvcrt

    class Keyboard:
        """Hands each key to `pressed` between `start` and `stop`."""

        def __init__(self, pressed: Callable[[str], None], gone: Callable[[], None]) -> None:
            self._pressed = pressed
            self._timer: asyncio.TimerHandle | None = None

        def start(self) -> None:
            self._poll()

        def stop(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def close(self) -> None:
            self.stop()

        def in_foreground(self) -> bool:
            return True

        def resume_output(self) -> None:
            pass

        def _poll(self) -> None:
            while msvcrt.kbhit():
                char = msvcrt.getwch()
                if char in ("\x00", "\xe0"):
                    char = {"H": "up", "P": "down"}.get(msvcrt.getwch(), "")
                self._pressed(char)
            self._timer = asyncio.get_running_loop().call_later(POLL_SECONDS, self._poll)

else:
    import termios

    class Keyboard:
        """Hands each key to `pressed` between `start` and `stop`; `gone` when the terminal has hung up.

        Standard input is used where it is the terminal, else the terminal that controls us: a credential may come in by the
        pipe. Where there is neither, there are no keys.
        """

        def __init__(self, pressed: Callable[[str], None], gone: Callable[[], None]) -> None:
            self._pressed, self._gone = pressed, gone
            self._before: list[Any] | None = None  # how the terminal was, while it is ours
            self._fd = _terminal()

        def start(self) -> None:
            if self._fd is None or self._before is not None:
                return
            self._before = termios.tcgetattr(self._fd)
            ours = termios.tcgetattr(self._fd)
            ours[3] &= ~(termios.ICANON | termios.ECHO)  # Ctrl-C and Ctrl-Z stay signals
            ours[6][termios.VMIN], ours[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSANOW, ours)
            try:
                asyncio.get_running_loop().add_reader(self._fd, self._read)
            except OSError:  # this loop cannot wait for this terminal (macOS: /dev/tty)
                self.stop()
                self.close()

        def stop(self) -> None:
            if self._fd is None or self._before is None:
                return
            before, self._before = self._before, None
            asyncio.get_running_loop().remove_reader(self._fd)
            if self.in_foreground():  # else it is the shell's again, which has set it as it likes it
                with suppress(termios.error):
                    termios.tcsetattr(self._fd, termios.TCSANOW, before)

        def close(self) -> None:
            self.stop()
            if self._fd is not None and self._fd != STANDARD_INPUT:
                os.close(self._fd)
            self._fd = None

        def in_foreground(self) -> bool:
            """Whether the terminal is ours to write to: not after Ctrl-Z and bg."""
            try:
                return self._fd is None or os.tcgetpgrp(self._fd) == os.getpgrp()
            except OSError:  # it is not the terminal that controls us: no shell shares it
                return True

        def resume_output(self) -> None:
            """As Ctrl-Q does, if somebody pressed Ctrl-S."""
            if self._fd is not None:
                with suppress(termios.error):
                    termios.tcflow(
                        self._fd, termios.TCOOFF
                    )  # Linux goes on only from a stop that was asked for so
                    termios.tcflow(self._fd, termios.TCOON)

        def _read(self) -> None:
            assert self._fd is not None  # noqa: S101 - the reader is removed before it is closed
            try:
                read = os.read(self._fd, 1024)
            except BlockingIOError:
                return
            except OSError:
                read = b""
            if not read:
                self.stop()
                self._gone()
            for key in pressed_keys(read.decode("utf-8", "replace")):
                self._pressed(key)

    def _terminal() -> int | None:
        if os.isatty(STANDARD_INPUT):
            return STANDARD_INPUT
        try:
            return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            return None
