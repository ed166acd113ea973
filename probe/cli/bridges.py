"""What the command line uses of the packages that stand on `probe`: named here, and loaded only when it is used."""

from importlib import import_module
from typing import Any

BRIDGES = {
    "export_asked": "reports.export.run:Asked",
    "export_csv": "reports.export.formats:CSV",
    "export_folder": "reports.export.run:export_folder",
    "export_jobs": "reports.export.run:jobs",
    "export_lines": "reports.export.run:export_lines",
    "export_parquet": "reports.export.formats:parquet",
    "exporting": "exporters.run:exporting",
    "load_csv": "reports.load.csv:write_csv",
    "load_engine": "loadtests.settings:Engine",
    "load_exporting": "exporters.load:exporting_load",
    "load_html": "reports.load.html:write_html",
    "load_settings": "loadtests.settings:RunSettings",
    "load_token": "loadtests.settings:token_of",
    "report_forms": "reports.diagnostics.views:FORMS",
    "report_html": "reports.diagnostics.views:write_html",
    "report_json": "reports.diagnostics.views:write_json",
    "report_lines": "reports.diagnostics.terminal:lines_of",
    "report_markdown": "reports.diagnostics.views:write_markdown",
    "report_of": "reports.diagnostics.report:report_of",
    "report_shared": "reports.diagnostics.views:write_shared",
    "verify_html": "reports.verify.html:write_html",
    "load_where": "reports.load.words:where",
    "load_written": "loadtests.settings:written",
}


def bridge(name: str) -> Any:
    module, attribute = BRIDGES[name].split(":")
    return getattr(import_module(module), attribute)
