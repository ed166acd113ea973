"""Takes records without ever making anybody wait, and writes them from a thread of its own."""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Event, Lock, Thread

from probe.measure.records import Notice, Record
from probe.store.opened import OpenStore
from probe.store.place import StoreLock
from probe.store.retention import DAY, Keep
from probe.store.rows import Learned
from probe.store.troubles import described, is_damage, set_aside

BATCH_RECORDS = 2_000
BATCH_SECONDS = 1.0
BETWEEN_SLICES_SECONDS = 0.05
TELL_DROPS_SECONDS = 60.0
TIDY_SECONDS = 60.0
LEAP_SECONDS = 3600.0


class StoreWriter:
    """`notice` is called from the writer's thread. Monitoring never depends on the store: what goes wrong is told, what
    was not written yet waits in the queue, and writing goes on by itself when it can."""

    def __init__(
        self,
        path: Path,
        *,
        keep: Keep,
        notice: Callable[[Notice], object],
        clock_utc: Callable[[], float] = time.time,
        capacity: int = 50_000,
        retry_seconds: float = 30.0,
    ) -> None:
        self._path, self._keep, self._notice = path, keep, notice
        self._clock_utc, self._capacity, self._retry_seconds = clock_utc, capacity, retry_seconds
        self._queue: deque[Record | Learned | Event] = (
            deque()
        )  # an event is set when all before it is on disk
        self._guard = Lock()  # of the queue and its count, held for microseconds
        self._dropped = self._dropped_told = self._written = 0
        self._dropped_why = ""
        self._drops_told_at = self._tidied_at = float("-inf")
        self._damaged_at = float("-inf")
        self._believed: tuple[float, float] | None = None  # UTC, and when
        self._leapt_at: float | None = None
        self._failing: Notice | None = None
        self._wake, self._closing = Event(), Event()
        self._lock: StoreLock | None = None
        self._store: OpenStore | None = None
        self._tidying: Iterator[None] | None = None
        self._thread = Thread(target=self._work, name="store", daemon=True)

    def start(self) -> None:
        """Raises: StoreBusy: another process writes this store. All other trouble is told as a notice."""
        with suppress(OSError, sqlite3.Error):
            self._take_lock()
        self._wake.set()
        self._thread.start()

    @property
    def queued(self) -> int:
        return len(self._queue)

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def written(self) -> int:
        return self._written

    @property
    def failing(self) -> Notice | None:
        """Why nothing is written now."""
        return self._failing

    def write(self, record: Record) -> None:
        self._put(record)

    def learn(self, key: str, value: bytes) -> None:
        self._put(Learned(key, value))

    def flush(self, timeout: float) -> bool:
        """Whether everything queued before is on disk: it survives the death of this process and of the power."""
        mark = Event()
        with self._guard:
            self._queue.append(mark)
        self._wake.set()
        return mark.wait(timeout)

    def close(self, timeout: float) -> bool:
        """Writes what is queued, as far as it can be, and lets go of the store. Whether that is done."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _put(self, record: Record | Learned) -> None:
        with self._guard:
            if len(self._queue) >= self._capacity or self._closing.is_set():
                self._drop(1, "more came than was written: the disk is slow, or the store fails")
                return
            self._queue.append(record)
            many = len(self._queue) >= BATCH_RECORDS
        if many:
            self._wake.set()

    def _drop(self, many: int, why: str) -> None:
        self._dropped += many
        self._dropped_why = why

    # -- the thread ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        last = False
        while not last:
            if self._failing:
                self._closing.wait(self._retry_seconds)
            else:
                self._wake.wait(BETWEEN_SLICES_SECONDS if self._tidying else BATCH_SECONDS)
            self._wake.clear()
            last = self._closing.is_set()
            self._attempt()
            if last and self._failing:
                with self._guard:
                    lost = sum(not isinstance(each, Event) for each in self._queue)
                    self._drop(lost, "the store could not be written until the end")
            self._tell_drops(at_once=last)
        if self._store:
            with suppress(OSError, sqlite3.Error):
                self._store.end(self._clock_utc())
        self._shut()
        if self._lock:
            self._lock.release()

    def _attempt(self) -> None:
        try:
            self._save(self._opened())
            if self._failing:
                self._failing = None
                self._tell("store.resumed", f"the store {str(self._path)!r} is written again")
            self._tidy(self._opened())
        except Exception as problem:  # noqa: BLE001 - the thread outlives whatever happens to the store
            self._shut()
            if not (is_damage(problem) and self._begun_anew()):
                self._fail(problem)

    def _take_lock(self) -> None:
        if self._lock and not self._lock.holds():
            self._lock.release()
            self._lock = None
        if self._lock is None:
            self._lock = StoreLock(self._path)

    def _opened(self) -> OpenStore:
        if self._store and not self._store.is_there():
            self._shut()
            self._tell(
                "store.vanished", f"the store {str(self._path)!r} was moved or deleted. A new one is begun"
            )
        if self._store is None:
            self._take_lock()
            self._store = OpenStore(self._path, self._clock_utc())
            if self._store.was_empty:
                self._tell(
                    "store.empty", f"the store {str(self._path)!r} was empty. A new one is begun in it"
                )
        return self._store

    def _shut(self) -> None:
        self._tidying = None
        if self._store:
            with suppress(OSError, sqlite3.Error):
                self._store.close()
            self._store = None

    def _save(self, store: OpenStore) -> None:
        waiting = len(self._queue)
        while waiting > 0:
            with self._guard:
                batch = list(islice(self._queue, min(waiting, BATCH_RECORDS)))
            records = [each for each in batch if not isinstance(each, Event)]
            refused = store.save(records)
            with self._guard:
                for _ in batch:
                    self._queue.popleft()
                for problem in refused:
                    self._drop(
                        1,
                        f"they do not fit into it ({type(problem).__name__}): a damaged row, or a bug to report",
                    )
            self._written += len(records) - len(refused)
            for each in batch:
                if isinstance(each, Event):
                    each.set()
            waiting -= len(batch)

    def _tidy(self, store: OpenStore) -> None:
        now = time.monotonic()
        if self._tidying is None and now - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = now
            self._tidying = store.tidying(self._keep, self._believed_utc(store, now), time.monotonic)
        if self._tidying and next(self._tidying, self) is self:
            self._tidying = None

    def _believed_utc(self, store: OpenStore, now: float) -> float:
        """A clock that leapt ahead of the newest record has to stand so for a day before history is taken away by it."""
        clock = self._clock_utc()
        utc, at = self._believed or (store.newest_utc or clock, now)
        if clock <= utc + now - at + LEAP_SECONDS:
            self._leapt_at = None
        elif self._leapt_at is None:
            self._leapt_at = now
        if self._leapt_at is None or now - self._leapt_at >= DAY:
            utc, at, self._leapt_at = clock, now, None
        self._believed = utc, at
        return utc + now - at

    # -- what is told --------------------------------------------------------------------------------------------------

    def _begun_anew(self) -> bool:
        """Once; a disk that damages the next store too is not filled with them."""
        now = time.monotonic()
        if now - self._damaged_at < self._retry_seconds:
            return False
        self._damaged_at = now
        try:
            aside = set_aside(self._path, self._clock_utc())
        except (OSError, sqlite3.Error):
            return False
        if aside is None:
            return False
        self._tell(
            "store.damaged",
            f"the store {str(self._path)!r} is damaged. It was moved to {aside.name!r} and a new one is begun;"
            " `sqlite3 FILE .recover` may save what was in it",
        )
        self._attempt()
        return True

    def _fail(self, problem: Exception) -> None:
        code, words = described(problem, self._path)
        was, again = self._failing, f"it is tried again every {self._retry_seconds:.0f} s"
        self._failing = self._noticed(code, f"{words}; {again}. Monitoring goes on, without history")
        if was is None or was.code != code:
            self._told(self._failing)

    def _tell_drops(self, *, at_once: bool) -> None:
        lost, now = self._dropped - self._dropped_told, time.monotonic()
        if lost and (at_once or now - self._drops_told_at >= TELL_DROPS_SECONDS):
            self._drops_told_at, self._dropped_told = now, self._dropped_told + lost
            self._tell(
                "store.dropped", f"{lost} records were not kept in {str(self._path)!r}: {self._dropped_why}"
            )

    def _tell(self, code: str, words: str) -> None:
        self._told(self._noticed(code, words))

    def _noticed(self, code: str, words: str) -> Notice:
        return Notice(at_utc=self._clock_utc(), code=code, sentence=f"{words}.")

    def _told(self, notice: Notice) -> None:
        with suppress(Exception):  # what the listener does wrong is not the store's
            self._notice(notice)
