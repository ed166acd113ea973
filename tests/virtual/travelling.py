"""Pretended time, as the product has it."""

from probe.verify.travelling import TravellingLoop, run

__all__ = ["TravellingLoop", "run"]
