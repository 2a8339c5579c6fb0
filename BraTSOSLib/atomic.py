"""Writing whole or not at all: files appear under their final name only when they are complete."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import InputError

_STAGING_PREFIX = ".bratsos-unfinished-"


def _make_folder(folder: Path) -> list[Path]:
    """Create ``folder`` with its parents; return those created, deepest first."""
    missing: list[Path] = []
    current = folder
    while not current.exists() and current != current.parent:
        missing.append(current)
        current = current.parent
    made: list[Path] = []
    try:
        for path in reversed(missing):
            path.mkdir(exist_ok=True)
            made.insert(0, path)
        if not folder.is_dir():
            raise NotADirectoryError(20, "a file of that name is in its place")
    except OSError as error:
        _remove_if_empty(made)
        raise InputError(
            f"The output folder {folder} cannot be made ({error.strerror or error}): give another one."
        ) from error
    return made


def _remove_if_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def staged_folder(output: str | os.PathLike[str], names: Sequence[str]) -> Iterator[Path]:
    """Give a temporary folder inside ``output`` whose files move into ``output`` when the block ends well.

    Parameters
    ----------
    output : path
        Made if it is not there. Whether it can be written to is known before the block starts.
    names : sequence of str
        The files that the block will write, in the order in which they are moved. The last one is the sign that a
        result is whole: an older one is removed before the first file moves, the new one comes last.

    Raises
    ------
    InputError
        If the folder cannot be made or written to. If the block raises anything, nothing of it is left behind, not
        even folders that were made for it.
    """
    output = Path(output)
    made = _make_folder(output)
    try:
        staging = Path(tempfile.mkdtemp(prefix=_STAGING_PREFIX, dir=output))
    except OSError as error:
        _remove_if_empty(made)
        raise InputError(
            f"The output folder {output} cannot be written to ({error.strerror or error}): give another one."
        ) from error
    finished = False
    try:
        for name in names:
            if (output / name).is_dir():
                raise InputError(f"{output / name} is a folder where a file is to be written: give another output.")
        yield staging
        (output / names[-1]).unlink(missing_ok=True)
        for name in names:
            os.replace(staging / name, output / name)
        finished = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not finished:
            _remove_if_empty(made)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` (same file name, so same format) that becomes ``path`` at the end.

    Raises
    ------
    InputError
        If the folder cannot be made or written to, or ``path`` is a folder.
    """
    path = Path(path)
    with staged_folder(path.parent, [path.name]) as staging:
        yield staging / path.name
