import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.measure.blame import Blamed, Usual, blame
from probe.model.failures import Blame
from probe.model.findings import Certainty

FINE = {"app_rtt": 0.08, "ws_rtt": 0.05, "tcp_rtt": 0.04, "own_lag": 0.001, "uplink_rtt": 0.01}
USUAL = Usual(app_rtt=0.08, ws_rtt=0.05, tcp_rtt=0.04, uplink_rtt=0.01)
FIGURES = st.one_of(st.none(), st.floats(0, 10), st.just(math.inf))


def judged(usual: Usual | None = None, **figures: float | None) -> Blamed | None:
    return blame(**(FINE | figures), usual=usual)


def verdict(usual: Usual | None = None, **figures: float | None) -> tuple[Blame, Certainty, str]:
    found = judged(usual, **figures)
    assert found is not None
    return found.blame, found.certainty, found.deciding


def test_nothing_slow_is_nobodys_fault() -> None:
    assert judged() is None
    assert judged(USUAL) is None
    assert blame(None, None, None, None, None) is None


@pytest.mark.parametrize("usual", [None, USUAL])
def test_each_layer_is_blamed_for_the_time_that_arises_in_it(usual: Usual | None) -> None:
    assert verdict(usual, app_rtt=2.0) == (Blame.BROKER, Certainty.LIKELY, "app_rtt")
    assert verdict(usual, app_rtt=2.0, ws_rtt=1.9) == (Blame.EDGE, Certainty.LIKELY, "ws_rtt")
    assert verdict(usual, app_rtt=2.0, ws_rtt=1.9, tcp_rtt=1.8) == (
        Blame.NETWORK,
        Certainty.LIKELY,
        "tcp_rtt",
    )
    assert verdict(usual, app_rtt=2.0, ws_rtt=1.9, tcp_rtt=1.8, uplink_rtt=1.7) == (
        Blame.NETWORK,
        Certainty.LIKELY,
        "uplink_rtt",
    )
    assert verdict(usual, app_rtt=2.0, ws_rtt=1.9, own_lag=1.5) == (Blame.US, Certainty.CERTAIN, "own_lag")


def test_being_late_ourselves_is_told_also_when_nothing_else_is_slow() -> None:
    assert verdict(own_lag=0.06) == (Blame.US, Certainty.CERTAIN, "own_lag")


def test_a_little_lag_does_not_excuse_a_slow_broker() -> None:
    assert verdict(app_rtt=2.0, own_lag=0.06) == (Blame.BROKER, Certainty.LIKELY, "app_rtt")


def test_a_long_way_to_the_server_is_not_the_edges_fault() -> None:
    assert verdict(tcp_rtt=0.29, ws_rtt=0.41, app_rtt=0.45)[0] is Blame.NETWORK


def test_what_is_usual_for_a_target_is_not_slow() -> None:
    far = {"app_rtt": 1.2, "ws_rtt": 0.5, "tcp_rtt": 0.45, "uplink_rtt": 0.02}
    assert judged(None, **far) is not None
    assert judged(Usual(**far), **far) is None


def test_what_is_slow_for_a_target_may_be_quick_for_others() -> None:
    assert judged(ws_rtt=0.2) is None
    assert verdict(USUAL, ws_rtt=0.2, app_rtt=0.23) == (Blame.EDGE, Certainty.LIKELY, "ws_rtt")


def test_baselines_that_do_not_cover_every_figure_are_not_mixed_with_thresholds() -> None:
    assert judged(Usual(ws_rtt=0.05), ws_rtt=0.2) is None


def test_an_uplink_that_does_not_answer_is_near_us() -> None:
    found = judged(uplink_rtt=math.inf, tcp_rtt=1.0, ws_rtt=1.2, app_rtt=1.3)
    assert found is not None
    assert (found.blame, found.deciding) == (Blame.NETWORK, "uplink_rtt")
    assert (
        found.sentence == "The network near us is slow: the round trip to the control address does not come."
    )


def test_a_control_address_that_is_down_is_not_our_line() -> None:
    assert judged(uplink_rtt=math.inf) is None


def test_a_kernel_figure_larger_than_the_pong_over_it_is_not_believed() -> None:
    assert judged(tcp_rtt=0.9) is None


def test_missing_figures_make_it_less_certain_and_are_named() -> None:
    found = judged(app_rtt=2.0, ws_rtt=None, own_lag=None)
    assert found == Blamed(
        blame=Blame.BROKER,
        certainty=Certainty.UNDETERMINED,
        sentence="The broker's application is slow: the application's answer takes 2 s. "
        "Not measured, and would decide: our own lag and the answer to a ping or light question.",
        deciding="app_rtt",
    )
    assert verdict(app_rtt=2.0, own_lag=None)[1] is Certainty.POSSIBLE


def test_without_the_kernels_figure_network_and_edge_are_not_told_apart() -> None:
    found = judged(ws_rtt=1.0, app_rtt=1.1, tcp_rtt=None)
    assert found is not None
    assert (found.blame, found.certainty) == (Blame.NETWORK, Certainty.POSSIBLE)
    assert found.sentence.startswith("The network between or the broker's edge is slow")
    assert "the kernel's TCP round trip" in found.sentence


def test_the_usual_is_said_beside_the_figure() -> None:
    found = judged(USUAL, app_rtt=2.0)
    assert found is not None
    assert "takes 2 s (usually 0.08 s)" in found.sentence


@given(FIGURES, FIGURES, FIGURES, FIGURES, FIGURES)
def test_only_what_was_measured_is_blamed(
    app: float | None, ws: float | None, tcp: float | None, lag: float | None, uplink: float | None
) -> None:
    for usual in (None, USUAL):
        found = blame(app, ws, tcp, lag, uplink, usual=usual)
        figures = {"app_rtt": app, "ws_rtt": ws, "tcp_rtt": tcp, "own_lag": lag, "uplink_rtt": uplink}
        assert found is None or figures[found.deciding] is not None
