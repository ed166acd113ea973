"""The kinds of values that say where something is: a secret, a server, a file."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from probe.config.kinds import Kind, Schema, expanded, read_text
from probe.config.settings import Given
from probe.model.credentials import Secret
from probe.model.endpoint import read_url
from probe.model.errors import ConfigError
from probe.model.proxy import read_proxy_url
from probe.vault import is_reference

REFERENCES = "env:NAME, file:PATH or keyring:NAME"
_REFERENCE_PATTERN = "^(env|file|keyring):."


@dataclass(frozen=True, slots=True)
class Reference(Kind):
    """Where a secret is; never the secret itself."""

    what = "a reference to a secret"

    def read(self, value: object, folder: Path) -> str:
        text = read_text(value, "a reference to a secret")
        if text == "-":
            raise ConfigError("a file cannot ask for standard input", next_step=f"Write {REFERENCES}.")
        if not _is_whole_reference(text):
            raise ConfigError(
                "a secret stands here in the clear, or something that is no reference to one",
                next_step=f"Put the secret elsewhere and write where it is: {REFERENCES}.",
            )
        return _anchored(text, folder)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": _REFERENCE_PATTERN}

    @property
    def words(self) -> str:
        return "where the secret is: `env:NAME`, `file:PATH` or `keyring:NAME`"


def _is_whole_reference(text: str) -> bool:
    return text != "-" and is_reference(text) and text.isprintable() and bool(text.partition(":")[2])


def _anchored(reference: str, folder: Path) -> str:
    """The file is found from wherever the program is started."""
    kind, _, name = reference.partition(":")
    return f"file:{folder / expanded(name)}" if kind == "file" else reference


@dataclass(frozen=True, slots=True)
class SecretUrl(Kind):
    """A URL that opens something by itself: better a reference to it."""

    what = "a URL"
    schemes: tuple[str, ...] = ()  # any without

    def read(self, value: object, folder: Path) -> Given:
        text = read_text(value, "a URL or a reference to one")
        if _is_whole_reference(text):
            reference = _anchored(text, folder)
            return Given(value=Secret(reference), is_reference=True, shown=reference)
        scheme, separator, rest = text.partition("://")
        usable = (
            bool(separator and rest)
            and re.fullmatch(r"[a-zA-Z][\w+.-]*", scheme)
            and not re.search(r"\s", text)
        )
        if not usable or (self.schemes and scheme.lower() not in self.schemes):
            kinds = " or ".join(f"{each}://…" for each in self.schemes) or "scheme://…"
            raise ConfigError(
                "this is no URL that can be used here", next_step=f"Write {kinds}, or {REFERENCES}."
            )
        return Given(value=Secret(text), is_reference=False, shown=f"{scheme}://***")

    def schema(self) -> Schema:
        kinds = "|".join(self.schemes) or r"[a-zA-Z][a-zA-Z0-9_+.\-]*"
        return {"type": "string", "pattern": rf"^((env|file|keyring):.|({kinds})://[^\s]+$)"}

    @property
    def words(self) -> str:
        kinds = " or ".join(f"`{each}://…`" for each in self.schemes) or "a URL"
        return f"{kinds}, or where it is: `env:NAME`, `file:PATH` or `keyring:NAME`"


@dataclass(frozen=True, slots=True)
class ProxyUrl(Kind):
    what = "a proxy's URL"

    def read(self, value: object, folder: Path) -> Given:
        text = read_text(value, "the URL of a proxy")
        if _is_whole_reference(text):
            reference = _anchored(text, folder)
            return Given(value=Secret(reference), is_reference=True, shown=reference)
        if "@" in text:
            raise ConfigError(
                "the proxy's login stands here in the clear",
                next_step=f"Put its URL elsewhere and write {REFERENCES}.",
            )
        shown = text if text in ("none", "direct") else str(read_proxy_url(text, where=""))
        return Given(value=Secret(text), is_reference=False, shown=shown)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "pattern": r"^[^@\s]+$"}

    @property
    def words(self) -> str:
        return "`none`, `http://HOST:PORT`, `socks5://HOST:PORT`, or where the URL is: `env:NAME`, `file:PATH` or `keyring:NAME`"


@dataclass(frozen=True, slots=True)
class EndpointUrl(Kind):
    what = "an endpoint's URL"

    def read(self, value: object, folder: Path) -> str:
        text = read_text(value, "a URL")
        read_url(text)
        return text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^(wss?|https?|bridge|terminal|tcp)://[^\s@/?]+([/?]\S*)?$"}

    @property
    def words(self) -> str:
        return "`wss://…`, `https://…`, or what else the broker's endpoints are"


@dataclass(frozen=True, slots=True)
class NamedPlace(Kind):
    what = "NAME=HOST:PORT"

    def read(self, value: object, folder: Path) -> str:
        name, equals, place = read_text(value, self.what).partition("=")
        if not equals or not re.fullmatch(r"[\w.-]{1,32}", name, re.ASCII):
            raise ConfigError("this is no NAME=HOST:PORT", next_step='Write it like "eu-1=192.0.2.1:443".')
        return f"{name}={HostPort().read(place, folder)}"

    def schema(self) -> Schema:
        host_port = str(HostPort().schema()["pattern"]).removeprefix("^")
        return {"type": "string", "pattern": rf"^[a-zA-Z0-9_.\-]{{1,32}}={host_port}"}

    @property
    def words(self) -> str:
        return "`NAME=HOST:PORT`"


@dataclass(frozen=True, slots=True)
class HostPort(Kind):
    what = "HOST:PORT"
    lowest: int = 1  # 0, where one may listen: any port that is free

    def read(self, value: object, folder: Path) -> str:
        text = read_text(value, "HOST:PORT")
        host, _, port = text.rpartition(":")
        name = host.removeprefix("[").removesuffix("]")
        fits = re.fullmatch(r"[\w.-]{1,253}", name, re.ASCII) or (
            host.startswith("[") and re.fullmatch(r"[0-9a-fA-F:.]+(%\w+)?", name)
        )
        if not fits or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not self.lowest <= int(port) < 65536:
            raise ConfigError(
                "this is no HOST:PORT", next_step='Write it like "192.0.2.1:443" or "[2001:db8::1]:443".'
            )
        return text

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^([a-zA-Z0-9_.\-]{1,253}|\[[0-9a-fA-F:.%a-z]+\]):[0-9]{1,5}$"}

    @property
    def words(self) -> str:
        return "`HOST:PORT`"


@dataclass(frozen=True, slots=True)
class IpAddress(Kind):
    what = "an IP address"

    def read(self, value: object, folder: Path) -> str:
        try:
            return str(ipaddress.ip_address(read_text(value, self.what)))
        except ValueError:
            raise ConfigError(
                "this is no IP address", next_step='Write it like "192.0.2.53" or "2001:db8::53".'
            ) from None

    def schema(self) -> Schema:
        return {"type": "string", "pattern": r"^[0-9a-fA-F:.]+(%[a-zA-Z0-9_.\-]+)?$"}


@dataclass(frozen=True, slots=True)
class FilePath(Kind):
    what = "a path"

    def read(self, value: object, folder: Path) -> Path:
        text = read_text(value, "a path")
        if not text.strip() or not text.isprintable():
            raise ConfigError("this is no path", next_step='Write it like "store/probe.db".')
        return folder / expanded(text)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1, "pattern": r"\S"}

    @property
    def words(self) -> str:
        return "a path, relative to this file's folder"
