"""Targets as `probe verify` understands them."""

from probe.monitor.understanding import Chosen
from probe.targets import TargetOptions, resolve
from probe.verify.model import Result, Trial
from probe.verify.run import Plan, Subject, verify
from probe.verify.suites import SUITES, find_suite


def simulated(broker: str, region: str | None = None) -> Subject:
    (target,) = resolve(f"sim:{broker}", TargetOptions())
    return Subject(target=target, chosen=Chosen(region=region), key=None)


def named(name: str) -> Trial:
    """The test of that name, in the first suite that has one."""
    return next(trial for suite in map(find_suite, SUITES) for trial in suite.trials if trial.name == name)


def tried(broker: str, name: str, *faults: str) -> Result:
    """One test, by its name or a part of it that no other has."""
    (result,) = verify(simulated(broker), Plan(only=name, faults=faults), lambda *_: None).results
    return result
