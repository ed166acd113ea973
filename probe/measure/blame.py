"""Whose the slowness is: five figures that lie inside one another, so the one where the time arises can be named.

    own lag      our event loop reads late                             this machine
    uplink       to a control address of the user's choice             the network near us
    TCP          the kernel's, to the server's machine                 the network between
    light        a ping, or where there is none the lightest question  the broker's edge
    application  a request answered by the broker itself               the broker

An inner figure cannot take longer than one around it: if it reads so, only that figure is disturbed. Of the slow ones the
outermost counts, and the innermost figure that makes up half of it is where the time arises.
"""

import math
from dataclasses import dataclass

from probe.model.failures import Blame
from probe.model.findings import Certainty


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """The target's own baselines in seconds. They are used if they cover every round trip that was measured."""

    app_rtt: float | None = None
    ws_rtt: float | None = None
    tcp_rtt: float | None = None
    uplink_rtt: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blamed:
    blame: Blame
    certainty: Certainty
    sentence: str  # names the missing figure that would decide, if one would
    deciding: str  # the figure that decided, by its argument's name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    name: str
    words: str
    slow_from: float  # seconds, while the usual is not known
    slack: float  # seconds above the usual that are never slow; twice the usual is, from there on
    blame: Blame
    says: str
    excludes: tuple[
        str, ...
    ]  # figures that would show another culprit; without one of them the verdict is less certain


_LAG = _Layer(
    name="own_lag",
    words="our own lag",
    slow_from=0.05,
    slack=0.05,
    blame=Blame.US,
    says="this machine is late itself",
    excludes=(),
)
# From the inside out.
_LAYERS = (
    _Layer(
        name="uplink_rtt",
        words="the round trip to the control address",
        slow_from=0.2,
        slack=0.05,
        blame=Blame.NETWORK,
        says="the network near us is slow",
        excludes=("own_lag", "tcp_rtt"),
    ),
    _Layer(
        name="tcp_rtt",
        words="the kernel's TCP round trip",
        slow_from=0.3,
        slack=0.05,
        blame=Blame.NETWORK,
        says="the network between is slow",
        excludes=("uplink_rtt",),
    ),
    _Layer(
        name="ws_rtt",
        words="the answer to a ping or light question",
        slow_from=0.4,
        slack=0.05,
        blame=Blame.EDGE,
        says="the broker's edge is slow",
        excludes=("own_lag", "tcp_rtt"),
    ),
    _Layer(
        name="app_rtt",
        words="the application's answer",
        slow_from=1.0,
        slack=0.1,
        blame=Blame.BROKER,
        says="the broker's application is slow",
        excludes=("own_lag", "ws_rtt"),
    ),
)
_WORDS = {each.name: each.words for each in (_LAG, *_LAYERS)}
_CERTAINTIES = (Certainty.LIKELY, Certainty.POSSIBLE, Certainty.UNDETERMINED)  # by missing figures


def blame(
    app_rtt: float | None,
    ws_rtt: float | None,
    tcp_rtt: float | None,
    own_lag: float | None,
    uplink_rtt: float | None,
    *,
    usual: Usual | None = None,
) -> Blamed | None:
    """From medians or quantiles of recent untainted samples; None: not measured, inf: no answer comes.

    Returns:
        None if nothing that was measured is slow.
    """
    measured = {"uplink_rtt": uplink_rtt, "tcp_rtt": tcp_rtt, "ws_rtt": ws_rtt, "app_rtt": app_rtt}
    figures = {name: value for name, value in measured.items() if value is not None}
    missing = {name for name, value in (measured | {"own_lag": own_lag}).items() if value is None}
    known = {} if usual is None else {name: getattr(usual, name) for name in figures}
    base: dict[str, float] = {} if None in known.values() else known
    costs: dict[str, float] = {}
    for name, value in reversed(figures.items()):
        costs[name] = min([max(value - base.get(name, 0.0), 0.0), *costs.values()])
    slow = [
        layer
        for layer in _LAYERS
        if layer.name in figures
        and costs[layer.name] >= (max(base[layer.name], layer.slack) if base else layer.slow_from)
    ]
    late = own_lag is not None and own_lag >= _LAG.slow_from
    if not slow:
        return _blamed(_LAG, own_lag or 0.0, None, missing) if late else None
    cost = costs[slow[-1].name]
    if own_lag is not None and late and own_lag >= cost / 2:
        return _blamed(_LAG, own_lag, None, missing)
    arises = next(each for each in _LAYERS if each.name in figures and costs[each.name] >= cost / 2)
    return _blamed(arises, figures[arises.name], base.get(arises.name), missing)


def _blamed(layer: _Layer, seconds: float, usual: float | None, missing: set[str]) -> Blamed:
    lacking = [each for each in layer.excludes if each in missing]
    blame, says = layer.blame, layer.says
    if layer.name == "ws_rtt" and "tcp_rtt" in missing:
        blame, says = Blame.NETWORK, "the network between or the broker's edge is slow"
    took = "does not come" if math.isinf(seconds) else f"takes {seconds:.3g} s"
    if usual is not None:
        took += f" (usually {usual:.3g} s)"
    sentence = f"{says[0].upper()}{says[1:]}: {layer.words} {took}."
    if lacking:
        sentence += f" Not measured, and would decide: {' and '.join(_WORDS[each] for each in lacking)}."
    return Blamed(
        blame=blame,
        certainty=Certainty.CERTAIN if layer is _LAG else _CERTAINTIES[len(lacking)],
        sentence=sentence,
        deciding=layer.name,
    )
