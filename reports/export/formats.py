"""Tables as CSV, Parquet and lines of JSON, page by page into an open file."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from probe.api.export import cell
from probe.cli.lines import safe
from probe.measure.plain import iso
from probe.model.errors import ConfigError
from reports.export.tables import TABLES, Columns, Kind

SCHEMA_VERSION = 1
PAGES_IN_A_GROUP = 50  # 100,000 rows, of which a reader may skip all at once


class Format(NamedTuple):
    suffix: str
    # Table, pages, the file, and one with older rows of the same table that come first.
    write: Callable[[str, Iterable[Columns], BinaryIO, BinaryIO | None], None]


@lru_cache(10_000)
def _text(value: str | None) -> object:
    return None if value is None else cell(safe(value))


def time_cell(value: float | None) -> str | None:
    """As `iso`, which takes three times as long."""
    if value is None:
        return None
    minute, micros = divmod(int(value * 1e6 + 0.5), 60_000_000)
    return f"{_minute(minute)}{micros // 1_000_000:02}.{micros // 1000 % 1000:03}Z"


@lru_cache(10_000)
def _minute(number: int) -> str:
    day, minute = divmod(number, 1440)
    return f"{_day(day)}{minute // 60:02}:{minute % 60:02}:"


@lru_cache(1_000)
def _day(number: int) -> str:
    return iso(number * 86_400.0).removesuffix("00:00:00.000Z")


def _flag(value: bool | None) -> str | None:  # noqa: FBT001 - it is the value
    return None if value is None else "true" if value else "false"


_CELLS: Mapping[Kind, Callable[[Any], object] | None] = {
    Kind.TIME: time_cell, Kind.TEXT: _text, Kind.REAL: None, Kind.COUNT: None, Kind.FLAG: _flag,
}  # fmt: skip


def write_csv(table: str, pages: Iterable[Columns], file: BinaryIO, before: BinaryIO | None) -> None:
    shown = [_CELLS[kind] for kind in TABLES[table].values()]
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        if before is None:
            writer.writerow(TABLES[table])
        else:
            file.writelines(iter(lambda: before.read(1 << 20), b""))
        for columns in pages:
            cells = (map(show, each) if show else each for show, each in zip(shown, columns, strict=True))
            writer.writerows(zip(*cells, strict=True))
    finally:
        text.detach()


def parquet() -> Format:
    """
    Raises:
        ConfigError: what writes it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
        import pyarrow.compute as pc  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise ConfigError(
            "what writes Parquet is not installed",
            where="--parquet",
            next_step="Install it: pip install 'tradeprobe[parquet]'. Or use --csv.",
        ) from None
    types = {
        Kind.TIME: pa.timestamp("us", "UTC"), Kind.TEXT: pa.string(), Kind.REAL: pa.float64(),
        Kind.COUNT: pa.int64(), Kind.FLAG: pa.bool_(),
    }  # fmt: skip

    def array(kind: Kind, values: Sequence[Any]) -> Any:
        if kind is not Kind.TIME:
            return pa.array(values, types[kind])
        micros = pc.round(pc.multiply(pa.array(values, pa.float64()), 1e6))
        return micros.cast(pa.int64()).cast(types[kind])

    def write(table: str, pages: Iterable[Columns], file: BinaryIO, before: BinaryIO | None) -> None:
        kinds = TABLES[table]
        schema = pa.schema(
            [(name, types[kind]) for name, kind in kinds.items()],
            metadata={"tradeprobe.table": table, "tradeprobe.schema_version": str(SCHEMA_VERSION)},
        )
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            if before is not None:
                older = pq.ParquetFile(before)
                for number in range(older.num_row_groups):
                    writer.write_table(older.read_row_group(number))
            group: list[Any] = []
            for columns in pages:
                arrays = [array(kind, each) for kind, each in zip(kinds.values(), columns, strict=True)]
                group.append(pa.Table.from_arrays(arrays, schema=schema))
                if len(group) == PAGES_IN_A_GROUP:
                    writer.write_table(pa.concat_tables(group))
                    group = []
            if group:
                writer.write_table(pa.concat_tables(group))

    return Format("parquet", write)


CSV = Format("csv", write_csv)


def json_lines(table: str, columns: Columns) -> Iterator[bytes]:
    """What every line of ours begins with, and then the columns."""
    names = list(TABLES[table])
    times = [place for place, kind in enumerate(TABLES[table].values()) if kind is Kind.TIME]
    for row in zip(*columns, strict=True):
        values: list[Any] = [
            None if isinstance(each, float) and not math.isfinite(each) else each for each in row
        ]
        for place in times:
            values[place] = time_cell(values[place])
        at, *rest = zip(names, values, strict=True)
        line = {"schema_version": SCHEMA_VERSION, "kind": table, "at": at[1]} | dict(rest)
        yield json.dumps(line).encode() + b"\n"
