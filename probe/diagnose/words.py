"""Figures as sentences name them."""


def span(seconds: float) -> str:
    """Two figures are enough: 0.34 ms, 3.4 ms, 340 ms, 3.4 s."""
    value = seconds * 1000
    if value >= 999.5:
        return f"{seconds:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms" if value >= 1 else f"{value:.2f} ms"
