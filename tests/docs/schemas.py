"""The page of what programs get and give, with the report's schema as a table."""

from collections.abc import Iterator
from typing import Any

from probe.config.keys import SECTIONS
from probe.config.walk import heading
from reports.diagnostics.schema import report_schema

HEAD = """# Schemas

Drawn from the code by `make docs`. Of two things there is a JSON Schema (2020-12); of the others a page tells the keys. All that commands print as JSON begins with `schema_version`, `kind` and `at`; a number that is not
known is null, and never 0.

| what | who writes it | its keys |
|---|---|---|
| a report | `probe report --json FILE` | [below](#a-report), and [report.schema.json](report.schema.json) |
| `probe.toml` | you; `probe targets --schema` prints its schema, for editors that complete and check | [Configuration](configuration.md) |
| a check | `probe check --json` | [probe check](check.md) |
| an examination | `probe doctor --json`, `--share` | [probe doctor](doctor.md) |
| endpoints | `probe endpoints --json` | [Endpoints](endpoints.md#what-a-program-gets) |
| a monitor's lines | `probe monitor --json` | [probe monitor](monitor.md#what-it-shows), [why it happened](monitor.md#why-it-happened) |
| an alert | webhooks | [Alerts](alerts.md) |
| a load test's record | `probe load --json FILE` | [probe load](load.md#where-it-is-written), [its report](load-report.md) |
| a comparison | `probe compare --json` | [probe compare](compare.md) |
| tables | `probe export` | [probe export](export.md), [the store](store.md) |
| a scenario | you | [Scenarios](load-scenarios.md) |
| a status | `/api/v1/status` of an exporter | [Status page](status-page.md) |
"""


def schemas_page() -> str:
    sections = ", ".join(f"`{heading(section.path)}`" for section in SECTIONS)
    return "\n".join(
        [
            HEAD,
            f"The sections of `probe.toml` are {sections}.",
            "",
            "## A report",
            "",
            "`[]` is each of a list, `*` each value of an object whose keys are names.",
            "",
            "| key | is |",
            "|---|---|",
            *(f"| `{path}` | {what} |" for path, what in keys_of(report_schema())),
            "",
        ]
    )


def keys_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every key with where it stands, and what it is."""
    if path:
        yield path, _kind(schema)
    for each in schema.get("anyOf", [schema]):
        for name, inner in each.get("properties", {}).items():
            yield from keys_of(inner, f"{path}.{name}" if path else name)
        for sign, key in (("[]", "items"), (".*", "additionalProperties")):
            if isinstance(inner := each.get(key), dict) and _holds_keys(inner):
                yield from list(keys_of(inner, path + sign))[1:]


def _holds_keys(schema: dict[str, Any]) -> bool:
    return len(list(keys_of(schema, "x"))) > 1


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"always `{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if schema["type"] == "array":
        return f"a list: {_kind(schema['items'])}" if schema.get("items") else "a list"
    if schema.get("format") == "date-time":
        return "a time, ISO 8601 in UTC"
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return " or ".join(_WORDS[each] for each in kinds)


_WORDS = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "an object",
    "null": "null",
}
