"""Whom a load test may be aimed at: this machine, and servers that are one's own. Never a public broker, whatever is configured.

Three things must agree about any other host than this machine: `probe.toml` declares it owned, the run repeats its name, and,
if it can be reached from the internet, the host itself serves a token that only who configured the run can know. What is
refused by name is refused before anybody is asked for its address.
"""

import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache

from probe.brokers import all_brokers
from probe.model.credentials import Secret

TOKEN_PATH = "/.well-known/tradeprobe-load"  # noqa: S105 - where it is, not what
THIS_MACHINE = "localhost"
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NOBODYS = tuple(  # no one server's, or where a cloud tells its machines who they are
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8",
         "169.254.169.254/32", "169.254.170.0/24", "100.100.100.200/32", "fd00:ec2::/32", "fd20:ce::254/128"),
    )
)  # fmt: skip
_NOT_ON_THE_INTERNET = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)  # fmt: skip
# Letters of other scripts that look like those of ours. What NFKC makes equal needs no entry.
_LOOK_ALIKES = str.maketrans(
    {
        alike: plain
        for plain, alikes in {
            "a": "аαɑᴀ", "b": "вьβƅʙ", "c": "сϲᴄ", "d": "ԁđɖᴅ", "e": "еєεᴇ", "f": "ƒꜰ", "g": "ɡցɢԍ", "h": "һнħհʜ",
            "i": "іıɩιǀ", "j": "јϳᴊ", "k": "кκᴋƙ", "l": "ӏłʟ", "m": "мᴍ", "n": "пηոɴ", "o": "оοσօøᴏ", "p": "рρᴘ",
            "q": "ԛզ", "r": "гʀɾᴦ", "s": "ѕꜱʂ", "t": "тτŧᴛ", "u": "иυսᴜμ", "v": "ѵνᴠ", "w": "ԝωшᴡ", "x": "хχ",
            "y": "уγʏү", "z": "ᴢʐƶ",
        }.items()
        for alike in alikes
    }
)  # fmt: skip
_DIGITS = str.maketrans("01i", "oll")
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_OTHER_DOTS = str.maketrans("。．｡", "...")
_LONGEST = 255  # a name with its last dot, an address with its zone
_NUMBER = re.compile(r"0x[0-9a-f]+|[0-9]+")
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    because: str
    next_step: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    loopback: bool
    needs_token: bool = False  # it must serve one, before anything else is sent to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most that one run does, with all its processes."""

    connections: int  # at a time
    rate: float  # messages a second
    seconds: float  # from its first connection

    def share(self, of: int, number: int = 0) -> "Caps":
        """One of so many, the first of which is number 0. Together they are the whole."""
        connections, rest = divmod(self.connections, of)
        return Caps(connections=connections + (number < rest), rate=self.rate / of, seconds=self.seconds)

    def least(self, other: "Caps") -> "Caps":
        return Caps(
            connections=min(self.connections, other.connections),
            rate=min(self.rate, other.rate),
            seconds=min(self.seconds, other.seconds),
        )

    def against(self, *, connections: int, rate: float | None, seconds: float) -> Refusal | None:
        """Whether a run that wants this much may begin."""
        for wanted, most, what in (
            (connections, self.connections, "connections"),
            (rate or 0.0, self.rate, "messages a second"),
            (seconds, self.seconds, "seconds"),
        ):
            if wanted > most:
                return Refusal(
                    because=f"the run wants {_amount(wanted)} {what}, and {_amount(most)} are the most there",
                    next_step="Ask for less, or raise the limit in [safety] of probe.toml.",
                )
        return None


def _amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What [safety] in probe.toml says. Another host than this machine may have more users than its owner thinks of."""

    here: Caps = field(default_factory=lambda: Caps(connections=10_000, rate=20_000.0, seconds=3600.0))
    owned: Caps = field(default_factory=lambda: Caps(connections=200, rate=200.0, seconds=600.0))
    shares: int = 4  # a process that was told nothing takes one of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as it is, however it was written."""

    name: str  # of an address: its usual spelling
    address: IpAddress | None = None

    @property
    def is_this_machine(self) -> bool:
        return self.name == THIS_MACHINE or (self.address is not None and is_loopback(self.address))


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What was said about hosts."""

    declared: frozenset[str] = frozenset()  # by probe.toml: these are owned
    repeated: frozenset[str] = frozenset()  # by this run: --i-own

    def before_looking_up(self, written: str) -> Refusal | None:
        """None: nothing is said against it as far as its name goes."""
        host = read_host(written)
        if owner := broker_behind(written):
            return _a_brokers(owner)
        if host is None:
            return Refusal(
                because="this is no name of a host, and no address",
                next_step="Write it in letters, digits and dots, as ws://127.0.0.1:8000 has it.",
            )
        is_declared = self._says(self.declared, host)
        if host.is_this_machine or (is_declared and self._says(self.repeated, host)):
            return None
        if not is_declared:
            return Refusal(
                because="only this machine, and servers that are yours, are put under load, and nothing says that this is one",
                next_step="Try sim:BROKER, which is on this machine. If the server is yours, name it in probe.toml as the endpoint "
                f"of a target with owned = true, and run with --i-own {host.name}.",
            )
        return Refusal(
            because="probe.toml says that it is yours, and this run has to say so, too",
            next_step=f"Run it with --i-own {host.name}.",
        )

    def of(self, written: str, names: Iterable[str], addresses: Sequence[IpAddress]) -> Allowed | Refusal:
        """What follows from where it leads: the other names that it stands for, and all its addresses."""
        if refusal := self.before_looking_up(written):
            return refusal
        for name in names:
            if owner := broker_behind(name):
                return _a_brokers(owner, via=name)
        really = [really_is(address) for address in addresses]
        loopback = all(map(is_loopback, really)) and bool(really)
        host = read_host(written)
        if host is not None and host.name == THIS_MACHINE and not loopback:
            return Refusal(
                because="on this machine that name leads somewhere else",
                next_step="Write 127.0.0.1, or see what /etc/hosts and your resolver say.",
            )
        for address in really:
            if any(address in network for network in _NOBODYS):
                return Refusal(
                    because=f"{address} is the address of no server of yours",
                    next_step="For this machine write 127.0.0.1.",
                )
        return Allowed(loopback=loopback, needs_token=any(map(is_on_the_internet, really)))

    def _says(self, hosts: Iterable[str], host: Host) -> bool:
        """Exactly this host, and none below it."""
        return any(host == read_host(each) for each in hosts)


def token_for(key: Secret, host: str) -> str:
    """What a host of that name has to serve. Who reads it there can use it for no other."""
    there = read_host(host)
    name = host if there is None else there.name
    return hmac.digest(key.reveal().encode(), f"tradeprobe-load\n{name}".encode(), "sha256").hex()


@lru_cache(maxsize=1024)  # every connect asks
def broker_behind(written: str) -> str | None:
    """Whose a host is, or whose it looks as if it were."""
    name = _flat(written)
    is_plain = name.isascii() and "xn--" not in name  # then it is what it is
    like = "" if is_plain else skeleton(name)
    for domain, owner in brokers_domains().items():
        if _is_below(name, domain) or (like and _looks_below(like, skeleton(domain))):
            return owner
    return None


@cache
def brokers_domains() -> Mapping[str, str]:
    """Every domain that a broker, or who makes its programs, is known to have, and whose it is."""
    return {domain: broker.title for broker in all_brokers() for domain in broker.domains}


@lru_cache(maxsize=1024)
def read_host(written: str) -> Host | None:
    """None: it cannot be one."""
    if len(written) > _LONGEST:
        return None
    text = _flat(written.removeprefix("[").removesuffix("]"))
    if address := read_address(text):
        return Host(name=str(address), address=address)
    try:
        name = text if text.isascii() else text.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return Host(name=name) if _NAME.fullmatch(name) and len(name) <= 253 else None


def read_address(text: str) -> IpAddress | None:
    """An address in any spelling that the system's own reader takes. None: it is a name."""
    if ":" in text:
        try:
            address = ipaddress.IPv6Address(text)
        except ValueError:
            return None
        bare = ipaddress.IPv6Address(int(address))  # without its zone
        return really_is(bare) if is_loopback(really_is(bare)) else really_is(address)
    numbers = [_number(part) for part in text.split(".")]
    *first, last = numbers
    if len(numbers) > 4 or last is None or any(each is None or each > 0xFF for each in first):
        return None
    if last >= 1 << 8 * (4 - len(first)):
        return None
    high = sum((each or 0) << 8 * (3 - index) for index, each in enumerate(first))
    return ipaddress.IPv4Address(high | last)


def really_is(address: IpAddress) -> IpAddress:
    """An IPv4 address may be written as one of IPv6, and is reached as itself."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def is_loopback(address: IpAddress) -> bool:
    return address.is_loopback


def is_on_the_internet(address: IpAddress) -> bool:
    """Also said of addresses that a gateway on the way turns into others."""
    return not is_loopback(address) and not any(address in network for network in _NOT_ON_THE_INTERNET)


def skeleton(name: str) -> str:
    """Names that look alike have the same."""
    labels = []
    for label in name.split("."):
        shown = label
        if label.startswith("xn--"):
            try:
                shown = label.removeprefix("xn--").encode("ascii").decode("punycode")
            except UnicodeError:
                shown = label
        apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", shown).casefold())
        letters = "".join(each for each in apart if unicodedata.category(each) not in ("Mn", "Cf"))
        letters = letters.translate(_LOOK_ALIKES).translate(_DIGITS)
        for pair, one in _PAIRS:
            letters = letters.replace(pair, one)
        labels.append(letters)
    return ".".join(labels)


def _flat(written: str) -> str:
    text = unicodedata.normalize("NFKC", written.translate(_OTHER_DOTS)).lower()
    return text.removesuffix(".")


def _is_below(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _looks_below(name: str, domain: str) -> bool:
    """Of both the skeletons. A letter that no table knows may look like any other, if not too many of them do."""
    labels, wanted = name.split("."), domain.split(".")
    return len(labels) >= len(wanted) and all(map(_resembles, labels[-len(wanted) :], wanted))


def _resembles(label: str, wanted: str) -> bool:
    same = sum(one == other for one, other in zip(label, wanted, strict=False))
    foreign = sum(not each.isascii() for each in label)
    return len(label) == len(wanted) == same + foreign and foreign <= same


def _number(part: str) -> int | None:
    if not _NUMBER.fullmatch(part):
        return None
    if part.startswith("0x"):
        return int(part, 16)
    is_octal = part.startswith("0") and len(part) > 1
    if is_octal and not set(part) <= set("01234567"):
        return None
    return int(part, 8 if is_octal else 10)


def _a_brokers(owner: str, via: str = "") -> Refusal:
    how = f"it leads to {via}, which is {owner}'s" if via else f"this is {owner}'s, or looks as if it were"
    return Refusal(
        because=f"{how}, and a public broker is never put under load, not with one session either",
        next_step="Load its simulator instead: sim:BROKER.",
    )
