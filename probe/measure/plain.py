"""Records as plain data, for rows and JSON: enums by their value, durations in seconds, UTC times in ISO 8601 beside them."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum

from probe.measure.histogram import Histogram
from probe.measure.records import Record
from probe.model.failures import Failure

SCHEMA_VERSION = 1


def as_data(record: Record) -> dict[str, object]:
    """The first keys are those every line of ours begins with."""
    kind = getattr(record, "kind", type(record).__name__.lower())
    fields = plain(record)
    assert isinstance(fields, dict)  # noqa: S101 - every record has fields
    return {"schema_version": SCHEMA_VERSION, "kind": kind, "at": iso(record.at_utc)} | fields


def iso(utc: float) -> str:
    return datetime.fromtimestamp(utc, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case Failure():
            return _failure(value)
        case Histogram():
            return {
                "count": value.count,
                **{
                    name: value.quantile(share)
                    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
                },
                "largest": value.largest if value.count else None,
            }
        case Mapping():
            return {str(plain(key)): plain(each) for key, each in value.items()}
        case tuple() if hasattr(value, "_asdict"):
            return {name: plain(each) for name, each in value._asdict().items()}
        case tuple() | list():
            return [plain(each) for each in value]
        case _ if dataclasses.is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        case _:
            raise TypeError(f"{type(value).__name__} has no plain form")


def _failure(failure: Failure) -> dict[str, object]:
    facts, close = failure.facts, failure.close
    return {
        "kind": failure.kind,
        "code": failure.code,
        "layer": facts.layer.value,
        "sentence": str(failure),
        "advice": facts.advise,
        "blame": facts.blame.value,
        "close_code": close.received_code if close else None,
        "http_status": failure.http_status,
    }
