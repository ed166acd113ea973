"""An examination, shared and read again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from probe.cli.share import shared
from probe.diagnose.case import Case
from probe.diagnose.diagnose import Verdict, diagnose, rules_for
from probe.doctor.examine import Examination, Means, Patient
from probe.doctor.records import retell
from probe.model.credentials import Credentials, Redactor, redactor_for
from probe.session.broker import Broker

WEDNESDAY_NOON = 1_767_787_200.0  # 2026-01-07 12:00 UTC
MADE_WITH = "tradeprobe 0.1.0, Python 3.11, Linux"


def retold(case: Case, broker: Broker | None) -> Sequence[Verdict]:
    """What is said of it by whoever was given the file."""
    text = shared(examination_of(case, broker), str)
    return retell(text.encode(), "a shared file").examination.diagnosis.verdicts


def keep_shared(path: Path, examination: Examination) -> None:
    """As if it had been made on no particular machine."""
    nobodys = replace(examination, made_with=MADE_WITH)
    path.write_text(shared(nobodys, redactor_of(examination)), encoding="utf-8")


def redactor_of(examination: Examination) -> Redactor:
    key = examination.patient.key
    return redactor_for(key if isinstance(key, Credentials) else None)


def examination_of(case: Case, broker: Broker | None) -> Examination:
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
        began_utc=(first.began_utc if first else None) or WEDNESDAY_NOON,
        seconds=1.0,
        case=case,
        diagnosis=diagnose(case, rules_for(broker)),
        rungs=(),
        knock=None,
        made_with=MADE_WITH,
    )
