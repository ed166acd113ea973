"""Connection metrics as CSV for spreadsheets: one row for each connection, each end of one, and each minute."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from probe.disk import write_result
from probe.measure.plain import iso
from probe.measure.records import Attempt, Disconnected, Period, Record, ping_in
from probe.model.errors import ConfigError

SEEDS = ("timestamp", "connection_time", "ping_time", "message_count", "error_count", "region", "status")
COLUMNS = (
    *SEEDS, "target", "failure", "ping_p95", "observed_seconds", "bad_seconds", "blind_seconds", "health_score",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Mapping[str, object]


class Rows:
    """Rows of records as they come; each minute has the region that its target then used."""

    def __init__(self) -> None:
        self._regions: dict[str, str] = {}

    def of(self, record: Record) -> Row | None:
        """None: it has no row."""
        endpoint, target = getattr(record, "endpoint", None), getattr(record, "target", None)
        is_aside = isinstance(record, Attempt) and record.purpose != "hold"
        if endpoint is not None and target is not None and not is_aside:
            self._regions[target] = endpoint
        return row_of(record, self._regions.get(target) if target is not None else None)


def row_of(record: Record, region: str | None) -> Row | None:
    """None: it has no row. Seconds to the microsecond, and UTC. What was not measured is empty, never 0.

    Args:
        region: In use by the record's target.
    """
    row = _row(record, region)
    return row and {
        name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()
    }


def _row(record: Record, region: str | None) -> Row | None:
    match record:
        case Attempt(purpose="hold"):
            failure = record.failure
            return {
                "timestamp": iso(record.at_utc),
                "connection_time": record.seconds if failure is None else None,
                "error_count": int(failure is not None),
                "region": record.endpoint,
                "status": "CONNECTED" if failure is None else "FAILED",
                "target": record.target,
                "failure": failure.kind if failure else None,
            }
        case Disconnected(failure=failure):
            return {
                "timestamp": iso(record.at_utc),
                "error_count": int(failure is not None),
                "region": record.endpoint,
                "status": "DISCONNECTED",
                "target": record.target,
                "failure": failure.kind if failure else None,
            }
        case Period():
            return _minute(record, region)
        case _:
            return None


def _minute(period: Period, region: str | None) -> Row:
    pings, bad = ping_in(period.histograms), sum(period.bad_seconds.values())
    status = "UNHEALTHY" if bad else "HEALTHY"
    return {
        "timestamp": iso(period.at_utc),
        "ping_time": pings.quantile(0.5) if pings and pings.count else None,
        "message_count": period.messages,
        "error_count": errors_of(period),
        "region": region,
        "status": status if period.observed_seconds else "UNKNOWN",
        "target": period.target,
        "ping_p95": pings.quantile(0.95) if pings and pings.count else None,
        "observed_seconds": period.observed_seconds,
        "bad_seconds": bad,
        "blind_seconds": period.blind_seconds,
        "health_score": period.score,
    }


def errors_of(period: Period) -> int:
    return period.connect_failures + period.beats_missed + period.requests_expired + period.surprises


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """The header also when there is no row. Only this user can read the file.

    Raises:
        ConfigError: it cannot be written there.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in COLUMNS])
    try:
        write_result(path, text.getvalue().encode("utf-8"), mode=0o600)
    except OSError as problem:
        raise ConfigError(
            f"the file {str(path)!r} cannot be written ({problem.strerror})",
            where="export_csv",
            next_step="Name a file in a folder of yours.",
        ) from None


def cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula is written as text."""
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
