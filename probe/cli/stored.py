"""The store and the targets in it, as somebody names them who reads what was kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from probe.model.errors import ConfigError, near_miss

if TYPE_CHECKING:
    from probe.config.settings import Settings
    from probe.store.reader import StoreReader


def no_such_target(named: str, there: Sequence[str], *, where: str = "TARGET") -> ConfigError:
    from probe.cli.lines import safe
    from probe.targets import is_secret_itself

    shown = "a credential" if is_secret_itself(named) else "a URL" if "://" in named else repr(named)
    return ConfigError(
        f"{shown} is not the name of a target in this store",
        where=where,
        suggestion=near_miss(named, there) or "",
        next_step=f"It has: {safe(', '.join(there)) or 'none'}.",
    )


def named_targets(named: Sequence[str], store: "StoreReader") -> list[str]:
    """Each once.

    Raises:
        ConfigError: the store does not know one of them.
    """
    there = store.targets()
    for each in named:
        if each not in there:
            raise no_such_target(each, there)
    return list(dict.fromkeys(named))


def settings_with(store: str | None, config: str | None) -> "tuple[Settings, Path]":
    """The configuration, and where the store is.

    Raises:
        ConfigError: it cannot be read, or no history is kept.
    """
    from probe.config import load_settings
    from probe.store.place import default_path

    options: dict[str, tuple[str, object]] = {}
    if store is not None:
        options["store.enabled"] = ("--store", store != "none")
    if store not in (None, "none"):
        options["store.path"] = ("--store", store)
    settings = load_settings(config, options=options)
    if not settings.store.enabled:
        raise ConfigError("no history is kept", where="store", next_step="Name a file with --store.")
    return settings, settings.store.path or default_path()
