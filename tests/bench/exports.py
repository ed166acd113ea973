"""Rows a second of an export: samples of two targets, half a million in all."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

from probe.measure.records import Metric, Sample
from probe.store.opened import OpenStore
from probe.store.pages import StorePages
from reports.export.formats import CSV, Format, parquet
from reports.export.run import Asked, export_folder, jobs
from reports.export.tables import DAY
from tests.bench.figures import Figure

SAMPLES, DAYS, ROUNDS = 250_000, 14, 5
TARGETS = ("one", "other")
METRICS = (Metric.WS_RTT, Metric.APP_RTT, Metric.TCP_RTT, Metric.TICK_GAP)


def exports() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        rng = Random(1)
        with closing(OpenStore(store, 0.0)) as opened:
            for target in TARGETS:
                opened.save(
                    Sample(at * DAYS * DAY / SAMPLES, target, "eu", METRICS[at % 4], rng.random(), False)
                    for at in range(SAMPLES)
                )
        for form, aim in ((CSV, 150_000), (parquet(), 500_000)):
            seconds = [_once(store, Path(folder) / f"{form.suffix}{turn}", form) for turn in range(ROUNDS)]
            rates = [SAMPLES * len(TARGETS) / each for each in seconds]
            note = f"{max(rates):,.0f} rows a second ({min(rates):,.0f} to {max(rates):,.0f}), aim {aim:,}"
            yield Figure(
                f"export: CPU of one row, {form.suffix}", 1e6 / max(rates), "µs", round(1e6 / aim, 2), note
            )


def _once(store: Path, folder: Path, form: Format) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    with closing(StorePages(store)) as pages:
        asked = Asked(tables=["samples"], targets=TARGETS, since_utc=0.0, until_utc=DAYS * DAY)
        export_folder(pages, store, jobs(pages, asked), folder, form, now_utc=time.time(), step=lambda: None)
    return time.process_time() - began
