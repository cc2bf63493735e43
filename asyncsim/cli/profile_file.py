"""Changes of the file of profiles: atomic, private, and with the comments of its author kept."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from asyncsim.cli.exits import CommandError
from asyncsim.profiles import Profile, profiles_path, read_profiles

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

_LOCK_TIMEOUT = 10.0  # seconds; a change takes milliseconds


def store(profile: Profile) -> None:
    """Write a profile, and make it the current one."""
    import tomlkit

    def change(document: TOMLDocument) -> None:
        profiles = document.setdefault("profiles", tomlkit.table(is_super_table=True))
        table = profiles.setdefault(profile.name, tomlkit.table())
        wanted = {"vendor": profile.vendor, **profile.values}
        for name in [name for name in table if name not in wanted]:
            del table[name]
        for name, value in wanted.items():
            table[name] = list(map(str, value)) if isinstance(value, list) else str(value)
        document["current"] = profile.name

    _edit(change)


def switch(name: str) -> None:
    """Make a profile the current one."""

    def change(document: TOMLDocument) -> None:
        document["current"] = name

    _edit(change)


def remove(name: str) -> None:
    """Remove a profile; afterwards none is current if it was."""

    def change(document: TOMLDocument) -> None:
        del document["profiles"][name]
        if document.get("current") == name:
            del document["current"]

    _edit(change)


def _edit(change: Callable[[TOMLDocument], None]) -> None:
    import tomlkit
    from filelock import FileLock, Timeout

    path = profiles_path().resolve()  # a link, as managers of dotfiles make them, stays one
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(f"{path}.lock", timeout=_LOCK_TIMEOUT):
            read_profiles()  # rejects what cannot be edited safely
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            document = tomlkit.parse(text)
            change(document)
            _replace(path, tomlkit.dumps(document))
    except Timeout:
        raise CommandError(f"another process is changing {path}: try again") from None


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner may read, and that is whole at every moment."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(number, "w", encoding="utf-8") as file:  # noqa: PTH123  # a descriptor
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # after a power cut it could be empty otherwise
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
