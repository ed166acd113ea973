"""BingX's error codes, old and new: what each is about, who has to act, and when one may ask again.

Most of them come with HTTP 200. Futures changed their numbers on 2025-10-16; spot kept the older ones. Some numbers mean
two things, and then the words decide.
"""

import re
from dataclasses import dataclass
from enum import Enum

from probe.model.failures import Blame
from probe.model.meanings import Effect, Trouble


class Sort(Enum):
    KEY = "key"
    SIGNATURE = "signature"
    PERMISSION = "permission"
    ADDRESS = "address"
    CLOCK = "clock"
    THROTTLED = "throttled"
    BUSY = "busy"
    SYMBOL = "symbol"
    TOPICS = "topics"
    CONNECTIONS = "connections"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    slug: str
    says: str
    advice: str
    effect: Effect = Effect.DEGRADES
    blame: Blame = Blame.US


_ABOUT = {
    Sort.KEY: _About(
        slug="auth.bad-credentials",
        says="it does not know the API key",
        advice="Check that the key is complete, active and of this environment (live or simulated).",
        effect=Effect.SHUTS_OUT,
        blame=Blame.CREDENTIAL,
    ),
    Sort.SIGNATURE: _About(
        slug="crypto.bingx-signature",
        says="it does not accept the signature",
        advice="Sign exactly what is sent, in the same order, and look for stray white space in the secret.",
        effect=Effect.SHUTS_OUT,
        blame=Blame.CREDENTIAL,
    ),
    Sort.PERMISSION: _About(
        slug="crypto.bingx-permission",
        says="the API key may not do this",
        advice="Enable that right for that product at the exchange, or go on with reading only.",
        blame=Blame.CREDENTIAL,
    ),
    Sort.ADDRESS: _About(
        slug="crypto.bingx-ip-allow-list",
        says="this machine's public address is not on the key's list",
        advice="Add the public address this machine has now to the list of the key.",
        effect=Effect.SHUTS_OUT,
        blame=Blame.CREDENTIAL,
    ),
    Sort.CLOCK: _About(
        slug="crypto.bingx-timestamp",
        says="it finds the time stamp of the request wrong",
        advice="Synchronise this machine's clock, or use the exchange's time.",
    ),
    Sort.THROTTLED: _About(
        slug="http.429",
        says="it is asked too often",
        advice="Wait until the time it names, then ask less often.",
    ),
    Sort.BUSY: _About(
        slug="crypto.bingx-busy",
        says="it is busy",
        advice="Wait and ask less often; it recovers by itself.",
        blame=Blame.BROKER,
    ),
    Sort.SYMBOL: _About(
        slug="crypto.bingx-symbol-offline",
        says="the pair is not there, or not traded now",
        advice="Check the spelling; if it is right, drop the pair or wait: nothing is to be fixed on this side.",
        effect=Effect.STALLS,
        blame=Blame.BROKER,
    ),
    Sort.TOPICS: _About(
        slug="session.subscription-cap",
        says="one connection may not subscribe to more",
        advice="Spread the symbols over several connections.",
    ),
    Sort.CONNECTIONS: _About(
        slug="auth.connection-cap",
        says="this address may not have more connections",
        advice="Close connections that nobody needs, of other programs too, and put more symbols on each.",
    ),
    Sort.OTHER: _About(
        slug="crypto.bingx-200-with-error",
        says="it answers with an error",
        advice="Look the code and the words up in the exchange's list.",
        blame=Blame.UNKNOWN,
    ),
}
_CODES = {
    Sort.KEY: (100412, 100413, 100401),
    Sort.SIGNATURE: (100001,),
    Sort.PERMISSION: (100004, 100403, 100414, 100441),
    Sort.ADDRESS: (100419,),
    Sort.CLOCK: (100421, 80014, 109400),
    Sort.THROTTLED: (100410, 100409, 109429, 109403),
    Sort.BUSY: (100500, 109500, 110500, 100503, 80012, 101214, 101219, 109701),
    Sort.SYMBOL: (100204, 109425, 100490, 109418, 101415, 110280, 101413, 104424),
    Sort.TOPICS: (80403, 100416),
}
_SORT_OF = {code: sort for sort, codes in _CODES.items() for code in codes}
_OWN_LIMIT = re.compile(r"frequency|limit|too many|unblocked|retry after", re.IGNORECASE)
_INSTANT = re.compile(r"(?<!\d)(\d{13})\D*$")  # milliseconds, at the end of the words


def sort_of(code: int, words: str) -> Sort:
    sort = _SORT_OF.get(code, Sort.OTHER)
    said = words.lower()
    match sort:
        case Sort.CLOCK if "restricted" in said:  # 100421 on spot orders
            return Sort.SYMBOL
        case Sort.CLOCK if (
            code != 100421 and "timestamp" not in said
        ):  # the same numbers as any bad parameter
            return Sort.OTHER
        case Sort.THROTTLED if code == 100410 and "busy" in said and not _OWN_LIMIT.search(words):
            return Sort.BUSY
        case Sort.ADDRESS if "connection" in said:  # on spot streams
            return Sort.CONNECTIONS
        case Sort.OTHER if retry_at(words) is not None and _OWN_LIMIT.search(words):  # "over 20 error code…"
            return Sort.THROTTLED
        case _:
            return sort


def retry_at(words: str) -> float | None:
    """When one may ask again, in UTC seconds by the exchange's clock."""
    found = _INSTANT.search(words)
    return int(found[1]) / 1000 if found else None


def trouble_of(code: int, words: str, where: str) -> Trouble:
    about = _ABOUT[sort_of(code, words)]
    quoted = f": {words}" if words else ""
    return Trouble(
        code=about.slug,
        sentence=f"{where}: {about.says} (code {code}{quoted})",
        advice=about.advice,
        effect=about.effect,
        blame=about.blame,
        told=code,
    )
