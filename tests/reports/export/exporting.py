"""A store, and a folder for what is exported of it."""

import csv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from probe.measure.records import Record
from probe.store.opened import OpenStore
from probe.store.pages import StorePages
from reports.export.formats import CSV, Format
from reports.export.manifest import Manifest
from reports.export.run import Asked, Done, export_folder, jobs
from reports.export.tables import TABLES
from tests.store.making import NOON

LATER = NOON + 86400.0  # when every day of the records is over


@dataclass
class Exporting:
    store: Path
    folder: Path

    def keep(self, *records: Record) -> None:
        with closing(OpenStore(self.store, NOON)) as opened:
            assert opened.save(records) == []

    def run(
        self,
        *tables: str,
        form: Format = CSV,
        now_utc: float = LATER,
        since_utc: float = float("-inf"),
        until_utc: float = float("inf"),
    ) -> Done:
        with closing(StorePages(self.store)) as pages:
            asked = Asked(
                tables=tables or tuple(TABLES),
                targets=[*pages.targets(), None],
                since_utc=since_utc,
                until_utc=until_utc,
            )
            wanted = jobs(pages, asked)
            return export_folder(
                pages, self.store, wanted, self.folder, form, now_utc=now_utc, step=lambda: None
            )

    def rows(self, table: str) -> list[dict[str, str]]:
        return [row for path in sorted((self.folder / table).glob("*.csv")) for row in _read(path)]

    @property
    def files(self) -> set[str]:
        return {each.relative_to(self.folder).as_posix() for each in self.folder.glob("*/*")}

    @property
    def manifest(self) -> Manifest:
        return Manifest(self.folder, self.store)


def _read(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)
