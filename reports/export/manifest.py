"""What a folder of exports holds, file by file, so that a run that was cut goes on where it was."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from probe.disk import replace_file
from probe.measure.plain import iso
from probe.model.errors import ConfigError
from reports.export.formats import SCHEMA_VERSION

SAVED_EVERY = 1.0  # seconds; what a kill takes from it is written anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file."""

    rows: int
    bytes: int
    since_utc: float  # what was looked at
    until_utc: float
    first_utc: float  # the rows that were there
    last_utc: float
    whole: bool  # a day that is over: it is not written again


class Manifest:
    def __init__(self, folder: Path, store: Path) -> None:
        """
        Raises:
            ConfigError: what stands there is of something else.
        """
        self._path, self._store = folder / "manifest.json", str(store.absolute())
        self._saved_at = time.monotonic()
        self.files: dict[str, Entry] = {}
        try:
            told = json.loads(self._path.read_bytes())
            if (told["schema_version"], told["kind"]) != (SCHEMA_VERSION, "export"):
                raise ValueError
            self.files = {name: _entry(each) for name, each in told["files"].items()}
        except FileNotFoundError:
            return
        except (ValueError, LookupError, TypeError, AttributeError):
            raise self._strange("it is damaged, or another version's") from None
        if told.get("store") != self._store:
            raise self._strange(f"it is of another store, {told.get('store')!r}")

    def note(self, name: str, entry: Entry) -> None:
        self.files[name] = entry
        if time.monotonic() - self._saved_at >= SAVED_EVERY:
            self.save()

    def save(self) -> None:
        files = {name: asdict(each) | _times(each) for name, each in sorted(self.files.items())}
        told = {"schema_version": SCHEMA_VERSION, "kind": "export", "store": self._store, "files": files}
        replace_file(self._path, json.dumps(told, indent=1).encode() + b"\n", mode=0o600)
        self._saved_at = time.monotonic()

    def _strange(self, why: str) -> ConfigError:
        return ConfigError(
            f"an export cannot go on from what stands there: {why}",
            where=str(self._path),
            next_step="Name another folder, or delete this one.",
        )


def _times(entry: Entry) -> dict[str, str]:
    return {"since": iso(entry.since_utc), "until": iso(entry.until_utc)}


def _entry(told: dict[str, Any]) -> Entry:
    return Entry(**{name: told[name] for name in Entry.__slots__})
