"""The page of what the doctor knows and how well that was tried, drawn from the catalogue, the rules and the staged failures."""

from collections.abc import Sequence
from itertools import groupby

from probe.catalogue import Entry, entries
from probe.diagnose.diagnose import ceiling
from tests.doctor.staged import ALL
from tests.doctor.staging import OnPaper, Staged

TEST = (
    "tests/doctor/test_staged.py::"
    "test_it_is_named_first_and_its_look_alikes_are_not_said_and_without_its_rule_it_is_not_named"
)

# As `test_what_is_staged_is_what_is_said` printed it last.
MEASURED = """\
491 staged failures of 196 kinds, 28 healthy sessions
  first verdict right               100.0%   aim: at least 95%
  wrong, and said to be certain          0   aim: none
  wrong, and said to be likely        0.0%   aim: at most 3%
  certain, of kinds that allow it    88.3%   aim: at least 80%
  undetermined, or nothing said       0.0%   aim: at most 10%
  the longest examination           58.0 s   of auth.false-success-the-live-account-is-not-served-either

  layer       staged   right       certain        likely      possible  undetermined
  healthy         28      28             0             0             0             0
  cfg             46      46            30             8             8             0
  auth            49      49            16             9            24             0
  session         64      64            41            10            13             0
  crypto          33      33            24             7             2             0
  host            16      16            13             3             0             0
  load            17      17            12             3             2             0
  data            26      26            12             8             6             0
  http           100     100            33            36            31             0
  dns             13      13             9             4             0             0
  tcp             17      17            13             3             1             0
  net              5       5             5             0             0             0
  geo              3       3             0             2             1             0
  tls             30      30            16            11             3             0
  eio             17      17            15             2             0             0
  sio             10      10             5             5             0             0
  mt5             45      45            25            14             6             0

  mistaken for something else: none
  never said with certainty, though the catalogue allows it:
    crypto.bingx-timestamp
    data.cached-as-fresh
    data.gap
    mt5.auth-failed
    mt5.bridge-type-error
    mt5.market-closed
    mt5.ping-high
    mt5.server-timezone
    mt5.terminal-not-found
    session.app-close-4xxx
    session.close-code-misleading
    session.heartbeat-without-data
    session.idle-timeout
    session.max-lifetime
    session.subscription-cap
    session.subscription-not-armed
    sio.binary-placeholder
    tcp.proxy-ignored
    tls.clock-skew
"""


def coverage_page() -> str:
    known = entries().values()
    lines = [
        "# What the doctor knows, and how well that was tried",
        "",
        "Drawn from `probe/catalogue/`, the rules and the staged failures in `tests/doctor/staged/` by `make docs`.",
        "",
        f"All {len(known)} failures that have a [name](failures.md) have a rule, and {sum(each.staged for each in known)} of them",
        "are staged for real: over sockets, by the simulator or in a network of their own. The others are judged on recorded facts: at least the deciding one was written down, and",
        "not met. Each must be named first, its look-alikes must not be named, and without its rule it must not be found.",
        "",
        "Last measured by `pytest -m long tests/doctor/test_matrix.py`, which draws it anew:",
        "",
        "```",
        *MEASURED.splitlines(),
        "```",
        "",
        f"A test below is one of `{TEST}`, by what stands in its brackets. *At best* is how sure a verdict",
        "of that name may ever be, with a ✓ where a test has seen it so.",
    ]
    for layer, rows in groupby(known, key=lambda each: each.layer):
        lines += [
            "",
            f"## {layer}",
            "",
            "| failure | at best | how it was tried | test |",
            "|---|---|---|---|",
        ]
        lines += [_row(each) for each in rows]
    return "\n".join([*lines, ""])


def _row(entry: Entry) -> str:
    of_it = [each for each in ALL if each.code == entry.code]
    real = [each for each in of_it if each.is_real]
    seen = " ✓" if any(each.certain for each in of_it) else ""
    return f"| [`{entry.code}`](failures.md) | {ceiling(entry).value}{seen} | {_how(of_it)} | {_tests(real or of_it)} |"


def _how(of_it: Sequence[Staged]) -> str:
    if any(each.is_real for each in of_it):
        return "staged"
    whys = [each.play.why for each in of_it if isinstance(each.play, OnPaper)]
    return f"judged on recorded facts: {whys[0]}"


def _tests(of_it: Sequence[Staged]) -> str:
    """The quickest to run, and how many more there are."""
    if not of_it:
        return ""
    first = min(of_it, key=lambda each: each.long)
    more = f" and {len(of_it) - 1} more" if len(of_it) > 1 else ""
    return f"`{first.id}`{more}"
