"""How the pages become a site: `make site`. They stand where they always did, and stay readable without it."""  # noqa: INP001 - Sphinx reads a file

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

project = html_title = "tradeprobe"
author = "the tradeprobe authors"
html_show_copyright = False
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "grafana/*.md", "probe/brokers/*/*.md", "examples/**.md"]
exclude_patterns = [".*", "site", "tests"]
extensions = ["myst_parser"]
nitpicky = True
myst_heading_anchors = 4
html_theme = "furo"
html_extra_path = ["root"]
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
html_static_path = ["static"]
html_css_files = ["site.css"]

# What stands on the left, in four parts; a page's own pages are folded below it.
NAVIGATION: dict[str, dict[str, list[str]]] = {
    "Tutorial": {"What it is </README>": [], "docs/first-hour": []},
    "How to": {
        "docs/watch-my-ssid": [],
        "docs/best-region": [],
        "docs/into-grafana": ["grafana/README", "docs/exporter-fleets", "docs/exporter-security"],
        "docs/load-test-a-gateway": ["docs/load-users", "docs/load-replay", "docs/load-web"],
        "docs/add-a-broker": [
            str(page.relative_to(ROOT).with_suffix("")) for page in sorted(ROOT.glob("examples/*/*.md"))
        ],
        "docs/ci": [],
        "docs/verify": ["docs/verify-channels", "docs/verify-mutations"],
        "docs/packaging": [],
    },
    "Reference": {
        "docs/commands": [
            "docs/monitor",
            "docs/exporter",
            "docs/check",
            "docs/doctor",
            "docs/compare",
            "docs/report",
            "docs/export",
            "docs/endpoints",
            "docs/load",
            "docs/gateway",
            "docs/simulator",
        ],
        "docs/configuration": ["docs/load-scenarios", "docs/dialects"],
        "docs/metrics": ["docs/probe-endpoint", "docs/status-page"],
        "docs/failures": [],
        "docs/faults": [],
        "docs/alerts": ["docs/alerts-live", "docs/runbooks/*"],
        "docs/schemas": ["docs/store", "docs/load-report"],
        "docs/api": [],
        "docs/phases": ["docs/monitor-states"],
        "docs/mt5": ["probe/brokers/mt5/NOTES"],
        "docs/crypto-backend": ["probe/brokers/crypto/NOTES"],
        "docs/bingx": ["probe/brokers/bingx/NOTES"],
        "probe/brokers/pocketoption/NOTES": [],
        "probe/brokers/quotex/NOTES": [],
    },
    "Explanation": {
        "docs/health-score": ["docs/market-hours"],
        "docs/coordinated-omission": [],
        "docs/blame": ["docs/doctor-reading", "docs/doctor-compared", "docs/doctor-coverage"],
        "docs/broker-terms": ["docs/load-safety"],
        "docs/not-run": ["docs/coverage", "docs/third-party-clients", "docs/fuzzing"],
        "docs/performance": [],
        "docs/decisions/0000-how-we-record-decisions": ["docs/decisions/*"],
        "CONTRIBUTING": ["SECURITY", "CHANGELOG"],
    },
}


def tables_of_contents(page: str) -> str:
    """What a page needs below its text to stand in the navigation with those below it."""
    if page == root_doc:
        return "".join(_toctree(list(pages), caption) for caption, pages in NAVIGATION.items())
    below = next((pages[page] for pages in NAVIGATION.values() if page in pages), [])
    return _toctree(below) if below else ""


def _toctree(pages: list[str], caption: str = "") -> str:
    head = f":caption: {caption}\n" if caption else ""
    return (
        f"\n```{{toctree}}\n:hidden:\n:glob:\n{head}\n"
        + "".join(f"{_place(each)}\n" for each in pages)
        + "```\n"
    )


def _place(page: str) -> str:
    """As it stands in a table of contents; one with a title of its own is written out."""
    return page if page.endswith(">") else f"/{page}"


def setup(app: Any) -> None:
    from pygments.lexers.special import TextLexer  # noqa: PLC0415 - tests read the navigation without Sphinx
    from sphinx.highlighting import lexers  # noqa: PLC0415 - see above

    # Its own lexer does not know the colons in a recording rule's name.
    lexers["promql"] = TextLexer()

    def read(_app: Any, page: str, source: list[str]) -> None:
        source[0] += tables_of_contents(page)

    app.connect("source-read", read)
