"""A run that no command looks after: what Locust's own options say of it, and what is said at its end."""

import json
import logging
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from loadtests.settings import RunSettings, by_hand
from probe.disk import write_result
from probe.load.plan import Stage
from probe.load.record import RunRecord
from probe.load.wishes import Wishes
from probe.logs import redact
from probe.model.errors import ConfigError
from probe.simulator.apart import SimulatorApart, simulator_apart

UNTIL_STOPPED = 86_400.0  # seconds, of a run whose end Locust decides
BROKEN_CODE, REFUSED_CODE, INVALID_CODE = 1, 2, 4
_LOG = logging.getLogger(__name__)


def add_options(parser: Any, **_: object) -> None:
    # Whoever comes in says what is loaded.
    parser.set_defaults(web_host="127.0.0.1", master_bind_host="127.0.0.1")
    add = partial(parser.add_argument, include_in_web_ui=False)
    add("--target", metavar="TARGET", help="what to load: sim:BROKER, a URL, or a name from probe.toml")
    add("--ssid", metavar="REF", help="its credential: env:NAME, file:PATH, keyring:NAME or -")
    add(
        "--scenario", metavar="NAME", help="its name, or a file; without it Locust says how many and how long"
    )
    add(
        "--rate",
        metavar="R/s",
        help="messages a second, over all sessions; without it each user asks on its own",
    )
    add(
        "--i-own",
        metavar="HOST",
        action="append",
        help="this host, which probe.toml declares owned, is yours",
    )
    add("--ca", metavar="FILE", help="authorities to trust for TLS, instead of the usual ones")
    add("--load-json", metavar="FILE", help="where to write the record of the run")


def learn(environment: Any, stack: ExitStack, *, is_alone: bool) -> tuple[RunSettings, SimulatorApart | None]:
    """What to load, from Locust's own options; and the simulator that was started for it, which ends with the stack.

    Raises:
        ProbeError: in words for who started it.
    """
    options = environment.parsed_options
    named = (getattr(each, "broker", "") for each in environment.user_classes)
    broker = next(filter(None, named), None)
    target, host, simulator = options.target, options.host, None
    if (target is None and host is None) or (target or "").startswith("sim:"):
        broker = (target or f"sim:{broker}").partition(":")[2]
        if not is_alone:
            raise ConfigError(
                "nobody says what to load",
                where="--target",
                next_step=f"Start `probe sim {broker}`, and give its URL and its credential to the master and to each worker.",
            )
        simulator = stack.enter_context(simulator_apart(broker))
        target = simulator.url
    learnt = by_hand(
        target=target,
        host=host,
        ssid=options.ssid,
        broker=broker,
        owned=options.i_own or (),
        ca=options.ca,
        wishes=Wishes(users=options.num_users, rate=options.rate, scenario=options.scenario or "steady"),
    )
    if simulator is not None:
        learnt = replace(learnt, credential=simulator.credential, simulator_key=simulator.key, simulated=True)
    if is_told_by_locust(environment):
        stages = (Stage(name="All", seconds=UNTIL_STOPPED),)
        scenario = replace(learnt.plan.scenario, name="by hand", title="As Locust was told.", stages=stages)
        learnt = replace(learnt, plan=replace(learnt.plan, scenario=scenario))
    return learnt, simulator


def is_told_by_locust(environment: Any) -> bool:
    """How many users there are, and when it ends."""
    return environment.parsed_options.scenario is None


def conclude(record: RunRecord, path: str | None) -> int:
    """Say what came of it, and write it there; the exit code."""
    verdict, code = record.verdict, 0
    if verdict.is_valid:
        _LOG.info("%s", verdict.headline)
    else:
        _LOG.warning("%s", redact(verdict.headline))
        code = INVALID_CODE
    for broken in (each for each in record.thresholds if each.holds is False):
        _LOG.error("%s", broken)
        code = code or BROKEN_CODE
    if path:
        try:
            write_result(Path(path), json.dumps(record.to_json()).encode())
        except OSError as problem:
            _LOG.error("the record of the run could not be written to %s: %s", path, problem.strerror)
            code = code or REFUSED_CODE
    return code
