"""The round that reads a terminal's journal."""

from collections.abc import Callable

from probe.brokers.mt5.journal import Journal
from probe.brokers.mt5.verdicts import unreadable_journal
from probe.model.errors import LocalProtocolError
from probe.model.failures import Failure
from probe.model.meanings import Meaning, Troubles
from probe.session.polled import Round, Said
from probe.wire.calls import Asking, NewLines, ReadLines

JOURNAL = "journal"
EVERY = 5.0


def journal_round(
    folder: str, journal: Journal, read: Callable[[Meaning], Meaning] = lambda told: told
) -> Round:
    """`read`: what is made of each thing that it tells."""

    def ask(now: float) -> Asking[Said]:
        reply = yield ReadLines(folder=folder)
        match reply:
            case NewLines():
                return tuple(read(told) for told in journal.fold(reply, now))
            case Failure():
                return (Troubles(about=JOURNAL, rows=(unreadable_journal(reply),)),)
            case _:
                raise LocalProtocolError(f"{type(reply).__name__} is no answer to a question for lines")

    return Round(name=JOURNAL, every=EVERY, ask=ask, lane=JOURNAL)
