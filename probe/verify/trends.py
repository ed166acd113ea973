"""Technical indicators over candles, computed by TA-Lib and held against what must be so of them."""

import csv
import tempfile
from collections.abc import Sequence
from math import isclose, sqrt
from pathlib import Path

from probe.model.meanings import Candle
from probe.verify.model import Evidence, Skip, expect

NEEDED = 120  # candles: the slowest indicator needs some hundred to forget how it began
AVERAGED = 20
DIGITS = 1e-9


def right_trends(candles: Sequence[Candle]) -> Evidence:
    """
    Raises:
        Failed: an indicator cannot be that of these candles.
        Skip: the library is not installed.
    """
    try:
        import numpy as np  # noqa: PLC0415 - comes with the library
        import talib  # noqa: PLC0415 - optional
    except ImportError:
        raise Skip("it needs TA-Lib: pip install 'tradeprobe[indicators]'") from None
    with tempfile.TemporaryDirectory() as folder:
        table = export_candles(candles, Path(folder) / "candles.csv")
        high, low, close = (
            np.array([float(row[name]) for row in read(table)]) for name in ("high", "low", "close")
        )
    upper, middle, lower = talib.BBANDS(close, timeperiod=AVERAGED)
    line, signal, histogram = talib.MACD(close)
    slow_k, slow_d = talib.STOCH(high, low, close)
    told = {
        "sma": talib.SMA(close, AVERAGED)[-1],
        "ema": talib.EMA(close, AVERAGED)[-1],
        "rsi": talib.RSI(close)[-1],
        "macd": line[-1],
        "macd_signal": signal[-1],
        "macd_histogram": histogram[-1],
        "upper_band": upper[-1],
        "lower_band": lower[-1],
        "stochastic_k": slow_k[-1],
        "stochastic_d": slow_d[-1],
        "atr": talib.ATR(high, low, close)[-1],
        "adx": talib.ADX(high, low, close)[-1],
    }
    figures = {name: float(value) for name, value in told.items()}
    last = [float(each) for each in close[-AVERAGED:]]
    mean = sum(last) / AVERAGED
    deviation = sqrt(sum((each - mean) ** 2 for each in last) / AVERAGED)
    expect(
        isclose(figures["sma"], mean, rel_tol=DIGITS),
        "the moving average is not the mean",
        mean=mean,
        **figures,
    )
    band = mean + 2 * deviation
    expect(
        isclose(figures["upper_band"], band, rel_tol=1e-6),
        "the band is not two deviations off",
        band=band,
        **figures,
    )
    expect(isclose(float(middle[-1]), mean, rel_tol=DIGITS), "the bands have another middle", mean=mean)
    expect(
        min(last) <= figures["ema"] <= max(last) or len(set(last)) == 1,
        "the exponential average left its prices",
        **figures,
    )
    within = all(0 <= figures[name] <= 100 for name in ("rsi", "stochastic_k", "stochastic_d", "adx"))
    expect(within, "an indicator from 0 to 100 is not", **figures)
    adds_up = isclose(figures["macd"] - figures["macd_signal"], figures["macd_histogram"], abs_tol=DIGITS)
    expect(adds_up and figures["atr"] > 0, "MACD or the true range cannot be right", **figures)
    words = f"{len(figures)} indicators over {len(candles)} exported candles: RSI {figures['rsi']:.1f}, ADX {figures['adx']:.1f}"
    return Evidence(words=words, figures=figures)


def export_candles(candles: Sequence[Candle], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(Candle._fields)
        table.writerows(candles)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
