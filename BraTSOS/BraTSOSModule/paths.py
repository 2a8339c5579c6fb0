"""Where the module's own resources lie; the library's weights are found by ``BraTSOSLib.resources``."""

from __future__ import annotations

from pathlib import Path

_MODULE = Path(__file__).resolve().parent.parent


def resourcePath(*parts: str) -> str:
    """Return the path of a file in ``Resources``: beside BraTSOS.py if installed, one folder up in a source tree.

    Slicer's own ``resourcePath`` knows the first place only.
    """
    home = _MODULE if (_MODULE / "Resources").is_dir() else _MODULE.parent
    return str(home.joinpath("Resources", *parts))
