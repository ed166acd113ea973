"""Feeds mutated inputs to a fuzz target: python tests/fuzz/run.py TARGET [--inputs N] [--seed S].

TARGET names `tests/fuzz/TARGET_target.py`, which has `run(data: bytes) -> None` (raises when a promise is broken),
`SEEDS` and `DICTIONARY` (lists of bytes). Exit code 1 and the failing input in hex when one was found.
"""

import argparse
import importlib
import random
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
SLOWEST_ALLOWED = (
    2.0  # seconds of CPU for one input: far above a linear reader's, far below a runaway pattern's
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    number: int  # of the input, from 1
    data: bytes
    trace: str


def load_target(name: str) -> ModuleType:
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(f"tests.fuzz.{name}_target")


def hunt(target: ModuleType, *, inputs: int, seed: int) -> Failed | None:
    """Every seed as it is, then mutations, up to the first that breaks a promise."""
    from tests.fuzz.mutate import mutate

    rng = random.Random(seed)
    for number in range(1, inputs + 1):
        first = number <= len(target.SEEDS)
        data = target.SEEDS[number - 1] if first else mutate(rng, target.SEEDS, target.DICTIONARY)
        started = time.thread_time()
        try:
            target.run(data)
        except Exception:  # noqa: BLE001 - whatever it is, it is the find
            return Failed(number=number, data=data, trace=traceback.format_exc())
        if (took := time.thread_time() - started) > SLOWEST_ALLOWED:
            return Failed(number=number, data=data, trace=f"it took {took:.1f} s of CPU\n")
    return None


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    failed = hunt(load_target(options.target), inputs=options.inputs, seed=options.seed)
    done = failed.number if failed else options.inputs
    rate = done / (time.perf_counter() - started)
    print(f"{options.target}: {done} inputs, {rate:.0f}/s, seed {options.seed}")
    if failed is None:
        return 0
    print(f"{failed.trace}input {failed.number} of seed {options.seed} failed; in hex:\n{failed.data.hex()}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
