"""Writes CMake/BraTSOSLibFiles.cmake: every file of the library and of Resources that the extension installs.

A file that is not listed works from the source tree and is missing from the installed extension. Run it after adding or
removing a file::

    python Testing/cmake/list_files.py
"""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
LISTING = REPOSITORY / "CMake" / "BraTSOSLibFiles.cmake"


def installed_files(folder: str) -> list[str]:
    """Return the files under ``folder`` that belong into the package, relative to the repository, sorted."""
    paths = (path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*") if path.is_file())
    return sorted(
        path.as_posix() for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)
    )


def listing() -> str:
    """Return what the listing must contain."""
    library = installed_files("BraTSOSLib")
    scripts = [name for name in library if name.endswith(".py")]
    resources = [name for name in library if not name.endswith(".py")] + installed_files("Resources")
    lines = ["# Written by Testing/cmake/list_files.py: run it after adding or removing a file."]
    for variable, names in (("BraTSOSLib_SCRIPTS", scripts), ("BraTSOSLib_RESOURCES", resources)):
        lines += [f"set({variable}", *(f"  {name}" for name in names), "  )"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LISTING.write_text(listing(), encoding="utf-8", newline="\n")
    print(f"{LISTING.relative_to(REPOSITORY)}: {listing().count(chr(10))} lines")
