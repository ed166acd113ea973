"""One measured figure beside its aim."""

from typing import NamedTuple


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    aim: float  # at most
    note: str = ""

    def __str__(self) -> str:
        verdict = "kept" if self.value <= self.aim else "MISSED"
        return (
            f"{self.name:<64} {self.value:8.2f} {self.unit:<4} aim <= {self.aim:g}  {verdict:<6}  {self.note}"
        )
