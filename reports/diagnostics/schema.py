"""The JSON Schema of a report, made from what its data are made of."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from probe.measure.histogram import Histogram
from probe.measure.records import Alert, Incident
from reports.diagnostics.facts import Slot, TargetReport, Told
from reports.diagnostics.plain import KIND, SCHEMA_VERSION

Schema = dict[str, Any]

_NUMBER: Schema = {"type": ["number", "null"]}
_TEXT: Schema = {"type": "string"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_STATS = (
    "uptime", "messages_per_second", "error_rate", "connection_success_rate", "median_ping_time", "p95_ping_time",
    "max_ping_time", "median_response_time", "p95_response_time", "max_response_time", "availability", "bad_seconds",
)  # fmt: skip


def report_schema() -> Schema:
    stats = dict.fromkeys(_STATS, _NUMBER) | {
        "is_connected": {"type": "boolean"},
        "state": {"type": ["string", "null"]},
        "total_messages": _COUNT,
        "total_errors": _COUNT,
        "connection_attempts": _COUNT,
        "successful_connections": _COUNT,
    }
    target = schema_of(TargetReport)
    for gone in ("timeline", "incidents"):
        del target["properties"][gone]
    target["properties"]["incidents_count"] = _COUNT
    target["properties"]["sums"]["properties"] |= {"availability": _NUMBER, "bad_seconds": {"type": "number"}}
    target["properties"]["budget"]["properties"] |= {"left": _NUMBER}
    snapshot = schema_of(Slot)
    snapshot["properties"]["target"] = _TEXT
    history = {
        "period_hours": {"type": "number"},
        "connection_metrics_count": _COUNT,
        "connection_metrics": {"type": "array", "items": {"type": "object"}},
        "connection_metrics_dropped": _COUNT,
        "performance_snapshots_count": _COUNT,
        "performance_snapshots": _list(_whole(snapshot)),
        "error_count": _COUNT,
        "errors": _list(schema_of(Incident)),
    }
    summary = {
        "total_attempts": _COUNT,
        "successful_connections": _COUNT,
        "disconnects": _COUNT,
        "reconnects": _COUNT,
        "current_status": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "uptime": {"type": "number"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What probe report --json writes",
        **_object(
            {
                "schema_version": {"const": SCHEMA_VERSION},
                "kind": {"const": KIND},
                "at": _MOMENT,
                "timestamp": _MOMENT,
                "since": _MOMENT,
                "until": _MOMENT,
                "verdict": _TEXT,
                "health_score": _NUMBER,
                "health_status": {"enum": ["EXCELLENT", "GOOD", "FAIR", "POOR", "UNKNOWN"]},
                "health_issues": _list(_TEXT),
                "recommendations": _list(_TEXT),
                "real_time_stats": {"type": "object", "additionalProperties": _object(stats)},
                "historical_metrics": _object(history),
                "connection_summary": _object(summary),
                "targets": _list(_whole(target)),
                "own_alerts": _list(schema_of(Alert)),
                "notices": _list(schema_of(Told)),
            }
        ),
    }


def schema_of(hint: Any) -> Schema:
    """Of what `plain` makes of a value of that type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Histogram:
        return _object(dict.fromkeys(("p50", "p95", "p99", "largest"), _NUMBER) | {"count": _COUNT})
    if origin in (Union, UnionType):
        [of] = [each for each in arguments if each is not NoneType]
        return {"anyOf": [schema_of(of), {"type": "null"}]}
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return _list(schema_of(arguments[0]))
        return {"type": "array", "prefixItems": [schema_of(each) for each in arguments], "items": False}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [each.value for each in hint]}
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return _object({each.name: schema_of(hints[each.name]) for each in dataclasses.fields(hint)})
    if hasattr(hint, "_fields"):
        return _object({name: schema_of(each) for name, each in get_type_hints(hint).items()})
    return dict(_PLAIN[hint])


_PLAIN: Mapping[Any, Schema] = {
    str: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(properties: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _whole(schema: Schema) -> Schema:
    """Asks for each of its properties, added ones as well."""
    return schema | {"required": list(schema["properties"])}
