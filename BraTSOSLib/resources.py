"""Where the bundled files (weights, cards, templates' data) lie: beside the library, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path

from .errors import ModelError

_HERE = Path(__file__).resolve().parent


def resource(*parts: str) -> Path:
    """Return the path of a bundled file or folder, e.g. ``resource("Models", "survival-student.json")``.

    In a source tree and in a Slicer extension ``Resources/`` stands beside ``BraTSOSLib/``; in an installed wheel it
    lies inside the package as ``_resources``.
    """
    for root in (_HERE.parent / "Resources", _HERE / "_resources"):
        path = root.joinpath(*parts)
        if path.exists():
            return path
    raise ModelError(f"The bundled file {'/'.join(parts)} is missing from this installation: install BraTSOS again.")
