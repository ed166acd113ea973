"""The JSON Schema of `probe.toml`, for editors, made of the table of keys.

It knows less than the reader: not which dialect a broker has, nor whether the alert rule of a name exists.
"""

from probe.brokers import all_brokers
from probe.config.keys import SECTIONS, Section, Shape, keys_of
from probe.config.kinds import Schema

_NEEDED = ("target", "credentials", "endpoints")
_EXTRA: dict[str, Schema] = {
    "targets.*": {
        "dependentRequired": {"login": ["credentials"], "pin": ["login"], "sessions": ["login"]},
        "dependentSchemas": {
            "target": {
                "properties": dict.fromkeys(("credentials", "endpoints", "login", "pin", "sessions"), False)
            }
        },
    },
    "monitor": {"dependentRequired": {"deadman_every": ["deadman"]}},
    "alerts.channels": {
        "oneOf": [{"required": [name]} for name in ("url", "webhook", "command")],
        "dependentRequired": {"token": ["webhook"]},
    },
}


def json_schema() -> Schema:
    top: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "probe.toml",
        "description": "The configuration of tradeprobe.",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }
    made = {"": top}
    for section in SECTIONS:
        schema = made[section.path] = _section(section)
        above, _, name = section.path.removesuffix(".*").rpartition(".")
        if section.shape is Shape.LISTED:
            schema = {"type": "array", "items": schema, "maxItems": 50}
        elif section.shape is Shape.NAMED:
            schema = {
                "type": "object",
                "description": section.help,
                "additionalProperties": False,
                "patternProperties": {f"^(?!sim$){section.name_pattern}$": schema},
            }
        made[above]["properties"][name] = schema
    return top


def _section(section: Section) -> Schema:
    keys = keys_of(section.path)
    required = [key.name for key in keys.values() if key.is_required]
    return {
        "type": "object",
        "description": section.help,
        "additionalProperties": False,
        "properties": {name: {"description": key.help} | key.kind.schema() for name, key in keys.items()},
        **({"required": required} if required else {}),
        **_EXTRA.get(section.path, {}),
        **(_needs_a_target() if section.path == "targets.*" else {}),
    }


def _needs_a_target() -> Schema:
    """Where a broker lets everybody in, its name is enough."""
    alone = {"enum": [each.name for each in all_brokers() if each.open_endpoints]}
    return {
        "anyOf": [
            *({"required": [name]} for name in _NEEDED),
            {"required": ["broker"], "properties": {"broker": alone}},
        ]
    }
