"""What every fault of a broker's web side has in common: pages for people, and answers for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from probe.faults.grammar import ParameterType, about


@dataclass(frozen=True, kw_only=True)
class PageFault:
    brokers: ClassVar[tuple[str, ...]] = ()  # empty: all that have such pages
    of_sign_in: ClassVar[bool] = True  # False: it happens to any page

    share: float = field(
        default=1.0, metadata=about(ParameterType.PROBABILITY, "the share of requests it happens to")
    )


Entries = Mapping[str, tuple[type[PageFault], str, str]]  # by name: the fault, its finding, its summary
