"""Finding the cases of a cohort: a folder of any nesting, or a table; listed before any work begins."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..case import MODALITIES, find_scans
from ..errors import InputError
from .found import FoundCase, clinical_values, name_problem, scans_problem
from .table import read_table
from .texts import printable

_SUBJECT = re.compile(r"sub-[^/]+")
_CONTRAST = re.compile(r"_ce-[a-z0-9]+", re.IGNORECASE)
_SCAN = re.compile(r".*\.(?:nii\.gz|nii|nrrd|mha)", re.IGNORECASE)
_SCHEMA = "CREATE TABLE found (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, long TEXT, spec TEXT, wrong INTEGER)"


class Findings:
    """The cases that were found, in the order of the table or of the folders' names.

    They lie in a private temporary database on the disk, so that a hundred thousand of them take no memory. Iterate
    over them as often as you like; ``close`` (or a ``with`` block) removes it.

    Attributes
    ----------
    source : Path
    total, wrong : int
        How many cases, and how many of them cannot be worked on.
    """

    def __init__(self, source: Path, cases: Iterator[tuple[str, FoundCase]]) -> None:
        self.source = source
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(_SCHEMA)
        try:
            self._fill(cases)
        except BaseException:
            self.close()
            raise
        self.total, self.wrong = self._database.execute("SELECT count(*), total(wrong) FROM found").fetchone()
        self.wrong = int(self.wrong)

    def _fill(self, cases: Iterator[tuple[str, FoundCase]]) -> None:
        database = self._database
        database.execute("BEGIN")
        for long, case in cases:
            row = (case.name, long, json.dumps(vars(case)), case.problem is not None)
            database.execute("INSERT INTO found (name, long, spec, wrong) VALUES (?, ?, ?, ?)", row)
        database.execute("CREATE INDEX found_name ON found (name)")
        # Folders of the same name are told apart by the folders above them
        database.execute(
            "UPDATE found SET name = long WHERE long <> '' AND name IN "
            "(SELECT name FROM found GROUP BY name HAVING count(*) > 1)"
        )
        for name, first in database.execute(
            "SELECT name, min(id) FROM found GROUP BY name HAVING count(*) > 1"
        ).fetchall():
            self._join_namesakes(name, first)
        database.execute("COMMIT")

    def _join_namesakes(self, name: str, first: int) -> None:
        """Make one wrong case of several of one name, since nobody knows which is meant."""
        rows = self._database.execute("SELECT spec FROM found WHERE name = ? ORDER BY id LIMIT 5", (name,)).fetchall()
        specs = [json.loads(spec) for (spec,) in rows]
        places = " and ".join(spec["where"] for spec in specs[:3]) + (" and more" if len(specs) > 3 else "")
        problem = f"The case {name} is there more than once ({places}): give each case a name of its own."
        case = vars(FoundCase(name, specs[0]["where"], problem=problem))
        self._database.execute("DELETE FROM found WHERE name = ? AND id > ?", (name, first))
        self._database.execute("UPDATE found SET spec = ?, wrong = 1 WHERE id = ?", (json.dumps(case), first))

    def __iter__(self) -> Iterator[FoundCase]:
        last = 0
        while True:
            rows = self._database.execute(
                "SELECT id, name, spec FROM found WHERE id > ? ORDER BY id LIMIT 500", (last,)
            ).fetchall()
            if not rows:
                return
            for _, name, spec in rows:
                yield replace(FoundCase(**json.loads(spec)), name=name)
            last = rows[-1][0]

    def __len__(self) -> int:
        return int(self.total)

    def close(self) -> None:
        """Remove the temporary database."""
        self._database.close()

    def __enter__(self) -> Findings:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def find_cases(source: str | os.PathLike[str], output: str | os.PathLike[str] | None = None) -> Findings:
    """Find the cases of a cohort and check them as far as it goes without reading scans.

    Parameters
    ----------
    source : folder or CSV file
        A folder is searched at any depth; each folder that directly holds scans named as in BraTS, BraTS 2023,
        UPENN-GBM or BIDS (``_ce-…_T1w`` is T1ce) is a case. For a table see ``table.read_table``.
    output : folder, optional
        The cohort's results, which are not searched.

    Raises
    ------
    InputError
        If there is no such folder or table, or no case in it.
    """
    source = Path(source).expanduser()
    if source.is_dir():
        skipped = None if output is None else _identity(Path(output))
        findings = Findings(source, _search(source.resolve(), skipped))
        advice = "each case is a folder with files named _t1, _t1ce, _t2 and _flair"
    elif source.exists():
        findings = Findings(source, (("", case) for case in read_table(source)))
        advice = "each row below the header is a case"
    else:
        raise InputError(f"{source} does not exist: give a folder of cases, or a CSV table.")
    if not findings.total:
        findings.close()
        raise InputError(f"{source} holds no case: {advice}.")
    return findings


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return by what a folder is known, however it is spelled; None where it does not exist."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _search(top: Path, skipped: tuple[int, int] | None) -> Iterator[tuple[str, FoundCase]]:
    skipped = None if skipped == _identity(top) else skipped
    for folder in _folders(top, skipped, frozenset()):
        if isinstance(folder, FoundCase):
            yield "", folder
            continue
        parts = folder.relative_to(top).parts or (top.name,)
        # What is no valid UTF-8 gets a backslash, which ``name_problem`` refuses
        name, long = map(printable, _case_names(parts))
        case = _read_folder(folder, name)
        if case is not None:
            yield long, case


def _folders(
    folder: Path, skipped: tuple[int, int] | None, above: frozenset[tuple[int, int]]
) -> Iterator[Path | FoundCase]:
    """Walk through folders that hold image files, in the order of their names; links to folders are followed once."""
    try:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above or here == skipped:
            return
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        where = printable(str(folder))
        problem = f"The folder {where} cannot be read ({error.strerror}): check its permissions."
        yield FoundCase(printable(folder.name), where, problem=problem)
        return
    if any(not is_folder and _SCAN.fullmatch(name) for name, is_folder in names):
        yield folder
    for name, is_folder in names:
        if is_folder:
            yield from _folders(folder / name, skipped, above | {here})


def _case_names(parts: tuple[str, ...]) -> tuple[str, str]:
    """Return a case's name and the longer one for when others have it too.

    BIDS: subject and session, wherever they stand; else the folder's own name, or its whole way.
    """
    kept = [part for part in parts if part != "anat"] or list(parts)
    subject = next((index for index, part in enumerate(kept) if _SUBJECT.fullmatch(part)), None)
    long = "_".join(kept)
    return ("_".join(kept[subject:]) if subject is not None else kept[-1]), long


def _read_folder(folder: Path, name: str) -> FoundCase | None:
    """Return the case in ``folder``; None where nothing in it is named like a scan."""
    where = printable(str(folder))
    scans: dict[str, Path] = {}
    problem = name_problem(name)
    try:
        scans = _bids_scans(folder) or find_scans(folder)
        if not scans:
            return None
    except InputError as error:
        problem = problem or str(error)
    paths = {kind: str(scans[kind]) for kind in MODALITIES if kind in scans}
    problem = problem or scans_problem(paths, None)
    problem = None if problem is None else printable(problem)
    return FoundCase(name, where, paths, clinical=clinical_values({}), problem=problem)


def _bids_scans(folder: Path) -> dict[str, Path] | None:
    """Find the scans where contrast agent is an entity of the name, as BIDS has it; None where it is not so."""
    files = [path for path in sorted(folder.iterdir()) if _SCAN.fullmatch(path.name)]
    enhanced = [path for path in files if _CONTRAST.search(path.name) and _suffix(path) == "t1w"]
    plain = [path for path in files if not _CONTRAST.search(path.name)]
    if not enhanced:
        return None
    chosen = {
        "t1": [path for path in plain if _suffix(path) == "t1w"],
        "t1ce": enhanced,
        "t2": [path for path in plain if _suffix(path) == "t2w"],
        "flair": [path for path in plain if _suffix(path) == "flair"],
    }
    for kind, paths in chosen.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths[:2])
            raise InputError(f"{folder} holds {len(paths)} files for {kind} ({names}): keep one.")
    return {kind: paths[0] for kind, paths in chosen.items() if paths}


def _suffix(path: Path) -> str:
    return path.name.split(".")[0].rpartition("_")[2].lower()
