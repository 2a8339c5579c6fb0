"""numba where it is installed: functions compiled on their first call, the machine code kept between runs."""

from __future__ import annotations

import getpass
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile ``function`` for the processor, without the interpreter's lock; without numba it stays as it is."""
    try:
        import numba
    except Exception:  # an installation that does not fit numpy fails in many ways; all mean that it cannot be used
        return function
    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def find_cache_folder() -> None:
    """Make sure, before numba is imported, that it has a folder to keep machine code in.

    numba takes the folder of the source or, where that cannot be written to, the user's cache folder, unless
    ``NUMBA_CACHE_DIR`` names another. Where neither can be written to it refuses to work; a folder for temporary files
    of the user's own takes their place.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    beside = Path(__file__).parent / "__pycache__"
    home = Path.home()
    writable = (beside if beside.exists() else beside.parent, home / ".cache" if (home / ".cache").exists() else home)
    if not any(os.access(folder, os.W_OK) for folder in writable):
        os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"bratsos-numba-{getpass.getuser()}")
