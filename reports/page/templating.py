"""The templates of a report: whatever is put into them is escaped and made harmless, unless it is markup of our own."""

from functools import cache
from importlib.resources import files

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.words import shown


@cache
def templates(*packages: str) -> Environment:
    """Those of these packages, and the parts that all pages have in common."""
    return Environment(
        loader=ChoiceLoader([PackageLoader(each) for each in (*packages, __package__)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finished,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style(package: str) -> Markup:
    """The common style, and what a package adds to it in its report.css."""
    both = ((__package__, "page.css"), (package, "report.css"))
    return Markup("".join(files(where).joinpath(name).read_text("utf-8") for where, name in both))  # noqa: S704 - ours


def _finished(value: object) -> object:
    return value if isinstance(value, Markup) else shown(str(value))
