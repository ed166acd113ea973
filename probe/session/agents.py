"""The name a browser gives itself: whether it may be sent on, and how to tell it in a few words."""

import re

_BROWSERS = tuple(
    re.compile(rf"{name}/(\d{{1,4}})") for name in ("Edg", "OPR", "Firefox", "Chrome", "Safari")
)


def header_text(value: object) -> str | None:
    """A text that may go into a request header: no line break can hide in it."""
    return value if isinstance(value, str) and re.fullmatch(r"[ -~]{1,1024}", value) else None


def short_agent(agent: str) -> str:
    """Browser and system, as ``Chrome 139, Windows NT 10.0``."""
    browser = next((found for name in _BROWSERS if (found := name.search(agent))), None)
    system = re.search(r"\(([^;)]{1,40})", agent)
    named = [browser[0].replace("/", " ")] if browser else []
    return ", ".join(named + ([system[1]] if system else [])) or agent[:40]
