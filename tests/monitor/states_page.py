"""docs/monitor-states.md, drawn from the matrix."""

from collections.abc import Sequence

from probe.faults.catalogue import FAULTS
from tests.monitor import matrix_coins, matrix_mt5
from tests.monitor.matrix import BASELINE, BROKERS, NOT_MET, ROWS, Row, Then

STATES = """# States, causes, and what each fault looks like

Written from the matrix in `tests/monitor/matrix.py`, every row of which a test plays against the simulator.

## States

| state | transport | login | what it means |
|---|---|---|---|
| `idle` | down | not asked | nothing was begun; no second counts |
| `connecting` | connecting, up | not asked | from the first dial to the login |
| `authenticating` | up | pending, accepted | the login is sent, or accepted and the first price and answer are awaited |
| `streaming` | up | accepted | prices flow and requests are answered, or the market is closed and none are due |
| `degraded` | up, mute | accepted | prices flow, and something else is wrong |
| `stalled` | up, mute | accepted | no price of any symbol whose market is open |
| `backoff` | down | not asked | waiting before the next connection |
| `auth_rejected` | down | rejected | the credential was refused and is not tried again |
| `stopped` | down | not asked | left as asked, or trying again cannot help |

## Causes

Every observed second is good or bad, and a bad one has exactly one cause: `disconnected` (no session), `auth` (no session since a
login was refused or not answered), `stalled` (a session without prices, and the seconds in which it is replaced for that), `degraded`.
A stall is noticed within 5.5 seconds of the last price of a symbol that ticks often, and the seconds since that price are taken back.
It is the broker's fault only when something else came while prices did not: a WebSocket ping is sent at once to find out, and until it
is answered nobody is blamed. One that is not answered ends the session, and that is the network's.
Time in which this process did not run, the machine was suspended or its clock was set forward is *not observed*: neither good nor bad.
A stretch of bad time is one incident. It may get graver (degraded, stalled, disconnected, auth), and it ends when it was good for five
seconds; its end is when it became good. A stall counts as over for its alert when prices have come for 15 seconds.

## Two runs that were misread once

A public monitor was shown two broken sessions. What it said, and what is said here of the same:

| run | it said | here |
|---|---|---|
"""


def states_page() -> str:
    stall, never = (f"{score} / {word}" for score, word in BASELINE.values())
    lines = [
        f"| prices stop for 88 s, the connection stands | {stall} | stalled within 5.5 s, at most 50 / POOR, `stream_stalled` |",
        f"| a closed port, never connected | {never} | 0 / POOR, `all_endpoints_failing`, which explains `connection_lost` |",
        f"| a rejected login, never connected | {never} | 0 / POOR, `auth_rejected` |",
        "",
        "## Faults of PocketOption and Quotex",
        "",
        "`at=0s`: without the healthy seconds that this fault leaves by itself. *Session*: what becomes of it. *Alert*: when it is held",
        "long enough. `·`: none.",
        "",
        *_table(ROWS),
        "`tls-certificate` stops the monitor before the first session: `stopped`, `disconnected`, `connection_lost`. `tls-version`: nothing.",
        "",
        "## Faults of an MT5 gateway",
        "",
        *_table(matrix_mt5.ROWS),
        "## Faults of a crypto backend",
        "",
        *_table(matrix_coins.BACKEND),
        "## Faults of BingX's REST interface",
        "",
        *_table(matrix_coins.EXCHANGE),
        "## Faults of BingX's market stream",
        "",
        *_table(matrix_coins.STREAM),
        "## Not met by a monitor",
        "",
        "| fault | why |",
        "|---|---|",
        *(f"| `{name}` | {NOT_MET[name]} |" for name in FAULTS if name in NOT_MET),
        *(f"| `{name}` | {why} |" for name, why in matrix_coins.NOT_MET.items() if name not in NOT_MET),
        "",
    ]
    return STATES + "\n".join(lines)


def _table(rows: Sequence[Row]) -> list[str]:
    return [
        "| fault | states | cause | incident | alert | session | |",
        "|---|---|---|---|---|---|---|",
        *(_line(row) for row in rows),
        "",
    ]


def _line(row: Row) -> str:
    where = "" if row.brokers == BROKERS else f" ({', '.join(row.brokers)})"
    symbols = f", {len(row.symbols)} symbols" if row.symbols else ""
    cells = (
        f"`{row.fault}`{symbols}{where}",
        ", ".join(f"`{state.value}`" for state in row.states) or "·",
        f"`{row.cause.value}`" if row.cause else "·",
        f"`{row.code}`" if row.code else "·",
        f"`{row.alert}`" if row.alert else "·",
        {Then.STAYS: "stays", Then.RECONNECTS: "reconnects", Then.STOPS: "stops"}[row.then],
        row.looks,
    )
    return f"| {' | '.join(cells)} |"
