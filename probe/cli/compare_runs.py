"""`probe compare` of two load runs: whether one was slower than another, or whether that is the noise of measuring."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import click

from probe.model.errors import ConfigError

if TYPE_CHECKING:
    from probe.load.compare import Comparison, Distance, Shift
    from probe.load.record import RunRecord

LARGEST = 128 << 20  # bytes of a record, which has 600 moments at most, however long the run was
SEED = 1  # the same files give the same answer
NAME_CELLS, CELLS = 28, 12
CANNOT_JUDGE = 4
TOO_LITTLE = (
    "the runs are too short or too noisy: a percentile needs ten values beyond it, eight seconds with any, and noise that does not "
    "hide what it is to show. Let them go for a minute or more, with nothing else on the machine"
)
NOTABLE = 0.2  # of the values: where the histograms lie further apart, that is told


def compare_runs(before: str, after: str, baselines: Sequence[str], *, as_json: bool) -> int:
    from probe.load.compare import FEWEST_BASELINES, obstacles
    from probe.load.compare import compare as compared

    if 0 < len(baselines) < FEWEST_BASELINES:
        raise ConfigError(
            "one more run says nothing about how far runs lie apart",
            where="--baseline",
            next_step="Give two or more of them, or none.",
        )
    runs = {"A": _read(before), "B": _read(after)}
    runs |= {f"baseline {place}": _read(file) for place, file in enumerate(baselines, 1)}
    found = obstacles(runs)
    one, other, *more = runs.values()
    comparison = None if found else compared(one, other, baselines=more, rng=Random(SEED))
    code = CANNOT_JUDGE if comparison is None else _code(comparison)
    if comparison is not None and code == CANNOT_JUDGE:
        found = [TOO_LITTLE]
    if as_json:
        click.echo(_as_json(comparison, found, code))
    else:
        click.echo("\n".join(_as_text(comparison, found)))
    return code


def _code(comparison: "Comparison") -> int:
    if comparison.worse:
        return 1
    return 0 if comparison.is_judged else CANNOT_JUDGE


def _read(file: str) -> "RunRecord":
    from probe.load.record import RunRecord

    try:
        with Path(file).open("rb") as there:
            written = there.read(LARGEST + 1)
        if len(written) > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
        return RunRecord.from_json(json.loads(written))
    except FileNotFoundError:
        raise ConfigError(
            "there is no such file",
            where=file,
            next_step="Give files of `probe load --json`.",
        ) from None
    except OSError as problem:
        raise ConfigError(f"it cannot be read: {problem.strerror}", where=file) from None
    except json.JSONDecodeError as problem:
        raise ConfigError(
            f"it is empty, cut short or no JSON (line {problem.lineno}, column {problem.colno})",
            where=file,
            next_step="Run it again with: probe load TARGET --json FILE.",
        ) from None
    except ValueError as problem:
        raise ConfigError(
            f"it is not what `probe load --json` writes: {problem}",
            where=file,
            next_step="Run it again with: probe load TARGET --json FILE.",
        ) from None


def _as_json(comparison: "Comparison | None", found: Sequence[str], code: int) -> str:
    from probe.load.compare import SCHEMA_VERSION
    from probe.load.plain import to_plain

    told = {"shifts": [], "distances": [], "baselines": 0} if comparison is None else to_plain(comparison)
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    first = {"schema_version": SCHEMA_VERSION, "kind": "comparison", "at": at, "verdict": _VERDICTS[code]}
    return json.dumps(first | {"obstacles": list(found)} | told)


_VERDICTS = {0: "not slower", 1: "slower", CANNOT_JUDGE: "could not judge"}


def _as_text(comparison: "Comparison | None", found: Sequence[str]) -> Iterator[str]:
    from probe.cli.lines import safe

    if comparison is None or found:
        yield click.style("COULD NOT JUDGE", fg="yellow", bold=True)
        yield from (f"  {safe(each)}" for each in found)
        if comparison is None:
            return
    else:
        yield _headline(comparison)
    yield ""
    yield f"{'':{NAME_CELLS}}{'A':>{CELLS}}{'B':>{CELLS}}{'shift':>{CELLS}}{'noise':>{CELLS}}"
    for name, shifts in groupby(comparison.shifts, key=lambda each: each.name):
        yield click.style(safe(name), bold=True)
        yield from map(_line, shifts)
    yield ""
    for each in comparison.distances:
        if abs(each.share_before - each.share_after) >= NOTABLE:
            yield _apart(each)
    yield (
        f"Noise: from within the runs, and from how far {comparison.baselines + 1} runs of A's kind lie apart."
        if comparison.baselines
        else "Noise: from within the two runs. What differs from run to run is not in it; --baseline FILE, twice or more, adds it."
    )


def _headline(comparison: "Comparison") -> str:
    from probe.load.compare import Change

    judged = sum(each.noise is not None for each in comparison.shifts)
    noisy = sum(each.change is Change.NOISY for each in comparison.shifts)
    besides = f"; {noisy} are too noisy to tell" if noisy else ""
    if worse := comparison.worse:
        return (
            click.style("SLOWER", fg="red", bold=True)
            + f": {len(worse)} of {judged} figures lie beyond the noise{besides}"
        )
    better = sum(each.is_better for each in comparison.shifts)
    if better:
        return (
            click.style("FASTER", fg="green", bold=True)
            + f": {better} of {judged} figures lie beyond the noise{besides}"
        )
    return (
        click.style("SAME", fg="green", bold=True)
        + f": {judged - noisy} figures lie within the noise{besides}"
    )


def _line(shift: "Shift") -> str:
    from probe.cli.output import duration

    name = "  share" if shift.quantile is None else f"  p{shift.quantile * 100:g}"
    if shift.before is None or shift.after is None or shift.noise is None:
        return (
            f"{name:{NAME_CELLS}}{shift.change.value} ({shift.samples[0]:,} and {shift.samples[1]:,} values)"
        )
    words = _percent if shift.quantile is None else duration
    signed = ("+" if shift.after >= shift.before else "-") + words(abs(shift.after - shift.before))
    cells = (words(shift.before), words(shift.after), signed, f"±{words(shift.noise)}")
    change = shift.change.value
    if shift.is_worse:
        change = click.style(change, fg="red", bold=True)
    elif shift.is_better:
        change = click.style(change, fg="green", bold=True)
    return f"{name:{NAME_CELLS}}{''.join(f'{each:>{CELLS}}' for each in cells)}  {change}"


def _apart(distance: "Distance") -> str:
    from probe.cli.lines import safe
    from probe.cli.output import duration

    return (
        f"{safe(distance.name)}: {_percent(distance.share_before)} of A's values are no longer than {duration(distance.seconds)}, "
        f"and {_percent(distance.share_after)} of B's."
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
