"""What brokers of the market "coins" quote around the clock: their names for it, and those of the simulator's catalogue."""

COINS = (
    {f"{coin}-USDT": f"{coin}USD" for coin in ("BTC", "ETH", "LTC", "BCH", "DASH")}
    | {"LINK-USDT": "LNKUSD"}
    | {
        f"{coin}-USDT": f"{coin}-USD_otc"
        for coin in ("ADA", "AVAX", "BNB", "DOGE", "DOT", "MATIC", "SOL", "TON", "TRX")
    }
)
