"""A JSON schema of dashboards, made from the classes of Grafana's SDK: what they do not know, or know as another type, is wrong.

The SDK itself reads unknown keys silently away and checks no type.
"""

import enum
import inspect
import re
import typing
from functools import cache
from importlib import import_module
from types import NoneType
from typing import Any

import jsonschema
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus

Json = dict[str, Any]

# Prometheus' own keys of annotations; the SDK knows only those that all data sources share.
_MORE: dict[type, set[str]] = {models.AnnotationQuery: {"titleFormat", "textFormat", "tagKeys"}}
_PLAIN = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    object: {},
    Any: {},
    NoneType: {"type": "null"},
}


def mistakes(board: Json) -> list[str]:
    """What is wrong, and where."""
    found = _wrong(models.Dashboard, board, "")
    for panel in board.get("panels", []):
        if panel.get("type") in {"row", None}:
            continue
        where = f"{panel.get('title')}: "
        kind = import_module(f"grafana_foundation_sdk.models.{panel['type'].replace('-', '')}")
        found += _wrong(kind.Options, panel.get("options", {}), where)
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        if "custom" in defaults:
            found += _wrong(kind.FieldConfig, defaults["custom"], where)
    return found


def _wrong(kind: type, value: object, where: str) -> list[str]:
    schema, definitions = _built(kind)
    validator = jsonschema.Draft7Validator({**schema, "definitions": definitions})
    return [f"{where}{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


@cache
def _built(kind: type) -> tuple[Json, dict[str, Json]]:
    definitions: dict[str, Json] = {}
    return _schema(kind, definitions), definitions


def _schema(hint: Any, definitions: dict[str, Json]) -> Json:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        if {models.Panel, models.RowPanel} == set(inner):
            row = {"properties": {"type": {"const": "row"}}}
            panel, heading = (_schema(each, definitions) for each in (models.Panel, models.RowPanel))
            return {"if": row, "then": heading, "else": panel}
        return {"anyOf": [_schema(each, definitions) for each in inner]}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin is list:
        return {"type": "array", "items": _schema(inner[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(inner[1], definitions)}
    if issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    if hint is Dataquery:
        hint = prometheus.Dataquery
    name = f"{hint.__module__.rpartition('.')[2]}.{hint.__name__}"
    if name not in definitions:
        definitions[name] = {}
        definitions[name] = _object(hint, definitions)
    return {"$ref": f"#/definitions/{name}"}


def _object(kind: type, definitions: dict[str, Json]) -> Json:
    hints = typing.get_type_hints(kind)
    keys = _keys(kind)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **{key: _schema(hints[name], definitions) for key, name in keys.items()},
            **{key: {"type": "string"} for key in _MORE.get(kind, ())},
        },
        "required": [key for key, name in keys.items() if NoneType not in typing.get_args(hints[name])],
    }


def _keys(kind: Any) -> dict[str, str]:
    """Of the JSON, and the attribute that each becomes; from how it writes itself."""
    source = inspect.getsource(kind.to_json)
    written = re.findall(r'(?:"(\w+)": |payload\["(\w+)"\] = )self\.(\w+)', source)
    return {first or second: name for first, second, name in written}
