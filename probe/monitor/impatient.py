"""An event loop's own threads, of which none is waited for when the program ends: one that looks up a name may hang for half a
minute."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from probe.drivers.dial import on_a_thread

P = ParamSpec("P")
T = TypeVar("T")


class ImpatientExecutor(ThreadPoolExecutor):
    """A pool by its class only, because a loop takes nothing else."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return on_a_thread(partial(work, *args, **kwargs))
