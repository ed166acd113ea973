"""What a broker's own folder reads out of its answers: signs of failures that only it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from probe.model.failures import Failure
from probe.model.findings import Sign
from probe.model.meanings import Trouble
from probe.session.overheard import OtherClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What one connection to a broker showed."""

    troubles: Mapping[str, Trouble] = field(default_factory=dict)  # by slug; of each what harms most
    passed: Mapping[str, Trouble] = field(default_factory=dict)  # those that were shown and are over
    failure: Failure | None = None  # why the connection ended, if not by us
    went_live: bool = False
    has_prices: bool = False
    market_open: bool | None = None  # None: nobody knows
    client: OtherClient | None = None  # another one, by its log
    well: frozenset[str] = frozenset()  # kinds of questions whose last answers showed nothing that harms


BrokerSign = Callable[[Shown], Sign | None]
Against = Callable[[Shown, Trouble], str]  # what was observed against a look-alike; empty: nothing


def as_told(trouble: Trouble) -> Sign:
    """What answers showed, and no rule knows more about: nobody looked for what else it may be."""
    return Sign(
        evidence=_measured(trouble) or (trouble.sentence,),
        says=trouble.sentence,
        advice=(trouble.advice,),
        state=trouble.effect.state,
    )


def _measured(trouble: Trouble) -> tuple[str, ...]:
    code = "" if trouble.told is None else f"the code in the answer is {trouble.told}"
    after = trouble.after_seconds
    late = (
        ""
        if after is None
        else f"the answer came after {after:.1f} s"
        if after >= 1
        else f"the answer came after {after * 1000:.0f} ms"
    )
    return tuple(each for each in (code, late) if each)


def sign_of(trouble: Trouble, shown: Shown, against: Mapping[str, Against]) -> Sign:
    """`against`: by look-alike."""
    found = {code: words for code, observed in against.items() if (words := observed(shown, trouble))}
    return replace(as_told(trouble), excluded=found)


def always(words: str) -> Against:
    """The trouble is only told where it was observed."""
    return lambda *_: words


def if_certain(words: str) -> Against:
    return lambda _, trouble: words if trouble.certain else ""


def if_told(words: str) -> Against:
    return lambda _, trouble: f"{words} {trouble.told}" if trouble.told is not None else ""


def if_priced(words: str) -> Against:
    return lambda shown, _: words if shown.has_prices else ""


def not_among(code: str, words: str) -> Against:
    """Whoever told of this trouble would have told of that one."""
    return lambda shown, _: "" if code in shown.troubles else words


def either(*several: Against) -> Against:
    return lambda shown, trouble: next((words for each in several if (words := each(shown, trouble))), "")
