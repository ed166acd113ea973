"""An examination, shared and read again."""

from collections.abc import Sequence

from probe.cli.share import shared
from probe.diagnose.case import Case
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.doctor.examine import Examination, Means, Patient
from probe.doctor.records import retell
from probe.session.broker import Broker


def retold(case: Case, broker: Broker | None) -> Sequence[Verdict]:
    """What is said of it by whoever was given the file."""
    text = shared(_examination(case, broker), str)
    return retell(text.encode(), "a shared file").examination.diagnosis.verdicts


def _examination(case: Case, broker: Broker | None) -> Examination:
    first = case.looks.first if case.looks else None
    return Examination(
        patient=Patient(
            name="one",
            broker=broker,
            endpoint=first.endpoint if first else None,
            pasted=case.pasted,
            is_ours=case.is_ours,
        ),
        means=Means(),
        began_utc=first.began_utc or 0.0 if first else 0.0,
        seconds=1.0,
        case=case,
        diagnosis=diagnose(case, rules_for(broker)),
        rungs=(),
        knock=None,
        made_with="one version",
    )
