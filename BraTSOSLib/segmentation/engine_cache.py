"""A per-user folder for networks as an engine compiled them: whatever lies there can be made again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from pathlib import Path

from ..atomic import atomic_file

_KEPT = 16
"""Compiled networks that stay; those that were not used for longest go when another one is added."""


def cache_folder() -> Path:
    """The user's folder for files that can be made again; it need not exist yet.

    ``BRATSOS_CACHE`` in the environment names another one.
    """
    override = os.environ.get("BRATSOS_CACHE")
    if override:
        return Path(override)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "BraTSOS" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "BraTSOS"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bratsos"


def read_compiled(key: str) -> bytes | None:
    """What ``write_compiled`` kept under ``key``; None where there is nothing or it is damaged."""
    path = _path(key)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, compiled = content[:32], content[32:]
    if hashlib.sha256(compiled).digest() != digest:
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # used now: see _KEPT
    return compiled


def write_compiled(key: str, compiled: bytes) -> None:
    """Keep ``compiled`` under ``key``, whole or not at all.

    Raises
    ------
    InputError, OSError
        If the folder cannot be written to.
    """
    path = _path(key)
    with atomic_file(path) as unfinished:
        unfinished.write_bytes(hashlib.sha256(compiled).digest() + compiled)
    with contextlib.suppress(OSError):  # another process may be tidying up at the same time
        kept = sorted(path.parent.glob("*.compiled"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in kept[_KEPT:]:
            old.unlink()


def forget_compiled(key: str) -> None:
    """Remove what is kept under ``key``, which turned out to be of no use."""
    with contextlib.suppress(OSError):
        _path(key).unlink()


def _path(key: str) -> Path:
    return cache_folder() / "engines" / f"{key}.compiled"
