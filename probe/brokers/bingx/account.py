"""What an account's stream tells: snapshots of what it holds, and that the key it was opened with has expired."""

from typing import Any

from probe.model.failures import Blame
from probe.model.meanings import Balance, Effect, Meaning, Notice, Refused, Trouble, Troubles
from probe.session.reading import number, text

UPDATE, CONFIG, EXPIRED = "ACCOUNT_UPDATE", "ACCOUNT_CONFIG_UPDATE", "listenKeyExpired"
LISTEN_KEY = "crypto.bingx-listen-key"
VIRTUAL = "VST"  # the money of simulated accounts

_ENDED = Troubles(
    about="account",
    rows=(
        Trouble(
            code=LISTEN_KEY,
            sentence="the listen key has expired",
            advice="Make a new one with the API key (or renew yours every half hour, it lives for one), and give that.",
            effect=Effect.SHUTS_OUT,
            blame=Blame.CREDENTIAL,
            certain=True,
        ),
    ),
)


def read_event(name: str, said: Any) -> list[Meaning]:
    if name == EXPIRED:
        return [_ENDED, Refused(reason="the listen key has expired", slug=LISTEN_KEY)]
    rows = said["a"]["B"] if name == UPDATE else []
    for row in rows:
        is_virtual = text(row["a"]) == VIRTUAL
        return [Balance(amount=number(row["wb"]), is_demo=True if is_virtual else None)]
    return [Notice(name=name)]


def write_balance(balance: Balance, at: float) -> list[object]:
    """A snapshot, of what the account holds and of how it is set up."""
    held = {
        "a": VIRTUAL if balance.is_demo else "USDT",
        "bc": "0",
        **dict.fromkeys(("wb", "cw"), str(balance.amount)),
    }
    head = {"E": round(at * 1000)}
    setting = {"s": "BTC-USDT", "l": 1, "S": 1, "mt": "cross"}
    return [
        {"e": UPDATE, **head, "a": {"m": "INIT", "B": [held], "P": []}},
        {"e": CONFIG, **head, "ac": setting},
    ]


def write_expired(key: str, at: float) -> object:
    return {"e": EXPIRED, "E": round(at * 1000), "listenKey": key}
