"""The tables in docs/configuration.md, made of the table of keys. What stands around them is written by hand."""

from pathlib import Path

from probe.config.keys import KEYS, SECTIONS, Key, keys_of, variables
from probe.config.kinds import Duration
from probe.config.walk import heading
from probe.model.units import format_duration

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def configuration_page() -> str:
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in (("keys", _keys()), ("variables", _variables())):
        between = f"<!-- {name} -->\n" + "\n".join(lines) + f"\n<!-- end of {name} -->"
        before, begin, rest = page.partition(f"<!-- {name} -->")
        _, end, after = rest.partition(f"<!-- end of {name} -->")
        assert begin, name
        assert end, name
        page = before + between + after
    return page


def _keys() -> list[str]:
    lines: list[str] = []
    for section in SECTIONS:
        lines += ["", f"### `{heading(section.path)}`", "", section.help, ""]
        lines += ["| key | takes | without it | what |", "|---|---|---|---|"]
        lines += [
            f"| `{key.name}` | {key.kind.words.replace('|', chr(92) + '|')} | {_default(key)} | {key.help} |"
            for key in keys_of(section.path).values()
        ]
    return [*lines, ""]


def _default(key: Key) -> str:
    if key.is_required:
        return "an error"
    if key.default_words or key.default is None:
        return key.default_words or "none"
    if isinstance(key.default, bool):
        return f"`{str(key.default).lower()}`"
    return f"`{format_duration(key.default)}`" if isinstance(key.kind, Duration) else f"`{key.default}`"  # type: ignore[arg-type]


def _variables() -> list[str]:
    by_variable = {key.variable: key for key in KEYS if key.variable}
    lines = ["", "| variable | takes | beats | what |", "|---|---|---|---|"]
    for name, what in variables().items():
        key = by_variable.get(name)
        beats = f"`{key.path}`" if key is not None and key.section else "–"
        lines.append(f"| `{name}` | {key.kind.words if key is not None else 'a path'} | {beats} | {what} |")
    return [*lines, ""]


if __name__ == "__main__":
    PAGE.write_text(configuration_page(), encoding="utf-8")
