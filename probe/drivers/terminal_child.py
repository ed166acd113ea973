"""What runs where the terminal is: one question in, one answer out, each a line of JSON.

It runs in a child process here, or goes as text through a bridge to another Python, perhaps an older one: so it imports
nothing of ours, and says nothing that Python 3.7 would not understand.
"""

import csv
import importlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

PROCESS_TABLES = ("/proc", "Z:/proc")  # the second: Linux, as programs for Windows see it under Wine


def answer(line: str) -> str:
    asked = json.loads(line)
    return json.dumps(find(asked["find"]) if "find" in asked else call(asked))


def call(asked: Any) -> Any:
    try:
        package = importlib.import_module(asked["package"])
    except ImportError as problem:
        return {"missing": str(problem)}
    if asked["needs"] and not find(asked["needs"])["found"]:
        return {"absent": asked["needs"]}
    # The package keeps one connection and one last error for the whole process, and others may use it here too.
    lock = vars(package).setdefault("_probe_lock", threading.Lock())
    if not lock.acquire(timeout=asked["patience"]):
        return {"busy": True}
    try:
        began_at = time.perf_counter()
        value = getattr(package, asked["call"])(*asked["arguments"], **asked["named"])
        seconds = time.perf_counter() - began_at
        error, error_text = package.last_error()
        return {"value": plain(value), "error": int(error), "error_text": str(error_text), "seconds": seconds}
    except Exception as problem:  # noqa: BLE001 - whatever it is, it is told
        return {"raised": type(problem).__name__ + ": " + str(problem)}
    finally:
        lock.release()


def plain(value: Any) -> Any:
    """As JSON would hold it, whatever it is made of."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays; those of records have named columns
        names = getattr(getattr(value, "dtype", None), "names", None)
        rows = value.tolist()
        return plain([dict(zip(names, row)) for row in rows] if names else rows)  # noqa: B905 - of Python 3.10
    return plain(value.value) if hasattr(value, "value") else str(value)  # the first: ctypes


def find(name: str) -> Any:
    """Whether a program of that name runs on this machine; None if it cannot be told."""
    for source in (_by_psutil, _by_table, _by_tasklist):
        names = source()
        if names is not None:
            found = [each for each in names if each.lower() == name.lower()]
            return {"found": bool(found), "detail": f"{len(found)} of {len(names)} processes"}
    return {"found": None, "detail": "this system does not show its processes"}


def _by_psutil() -> Any:
    try:
        psutil = importlib.import_module("psutil")
        found = [process.info for process in psutil.process_iter(["name", "status"])]
        return [each["name"] or "" for each in found if each["status"] != "zombie"]
    except Exception:  # noqa: BLE001 - absent, or not made for this system
        return None


def _by_table() -> Any:
    for table in PROCESS_TABLES:
        if os.path.exists(table + "/self/stat"):  # noqa: PTH110 - not worth an import
            return [name for entry in os.listdir(table) if entry.isdigit() for name in _name(table, entry)]  # noqa: PTH208
    return None


def _name(table: str, entry: str) -> Any:
    try:
        with open(table + "/" + entry + "/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            name, _, state = file.read().partition("(")[2].rpartition(") ")  # proc(5): the name may hold both
            return [] if state.startswith("Z") else [name]  # that one has ended, and nobody took note
    except OSError:  # it has ended meanwhile
        return []


def _by_tasklist() -> Any:
    try:
        said = subprocess.check_output(["tasklist", "/FO", "CSV", "/NH"], stderr=subprocess.DEVNULL)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return None
    return [row[0] for row in csv.reader(said.decode(errors="replace").splitlines()) if row]


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a package prints is no answer
    for line in sys.stdin:
        answers.write(answer(line) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
