"""The cohort's collected results: tables, and a page to look through them; all at once, or the older ones stay."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, InputError
from .manifest import DONE, Manifest
from .page import write_cohort_page
from .publishing import remove
from .tables import write_features, write_survival, write_volumes

COLLECTED = (
    "features.csv", "features.parquet", "volumes.csv", "survival.csv", "observed.csv", "evaluation.html", "index.html",
)  # fmt: skip

_FEWEST = 3
"""Cases with known survival from which on predictions are judged."""


def collect(
    manifest: Manifest,
    output: Path,
    work: Path,
    *,
    tell: Callable[[dict[str, Any]], None],
    check: Callable[[], None],
) -> tuple[str, ...]:
    """Write the collected results of all finished cases into ``output``; return the names of the files.

    Parameters
    ----------
    manifest : Manifest
    output : Path
        The cohort's folder.
    work : Path
        A folder in ``output`` for what is unfinished; made, and removed at the end.
    tell : callable
        Told of ``note`` events.
    check : callable
        Raises if the work is to stop.

    Raises
    ------
    BraTSOSError
        If a file cannot be written. The cases' own outputs and the manifest stay as they are.
    """
    try:
        work.mkdir(parents=True, exist_ok=True)
        files = write_features(manifest, output, work, check)
        if files and "features.parquet" not in files:
            tell(
                {
                    "event": "note",
                    "text": "features.parquet needs pyarrow, which is not installed (features.csv does not).",
                }
            )
        files += write_volumes(manifest, work, check)
        files += write_survival(manifest, work, check)
        evaluation = _evaluate(manifest, work, tell) if "observed.csv" in files else None
        if evaluation is not None:
            from ..survival.table_evaluation.page import write_page

            write_page(work / "evaluation.html", evaluation)
            files.append("evaluation.html")
        check()
        files.append(write_cohort_page(manifest, work, evaluation, files, check))
        for name in files:
            os.replace(work / name, output / name)
        for name in set(COLLECTED) - set(files):
            (output / name).unlink(missing_ok=True)
    except OSError as error:
        raise BraTSOSError(
            f"The collected results cannot be written to {output} ({error.strerror or error}): free space, or check "
            "its permissions, and start the cohort again; its cases are kept."
        ) from error
    finally:
        with suppress(OSError):
            remove(work)
    return tuple(name for name in COLLECTED if name in files)


def _evaluate(manifest: Manifest, work: Path, tell: Callable[[dict[str, Any]], None]) -> Any:
    """Judge the predictions of the cases whose survival is known; None, with a note, where that cannot be done."""
    import pandas as pd

    from ..survival.table_evaluation import evaluate_table

    known = {
        row["name"]: (row["days"], 1 if row["event"] is None else row["event"])
        for row in manifest.rows((DONE,), "name, days, event")
        if row["days"] is not None
    }
    if len(known) < _FEWEST:
        tell({"event": "note", "text": f"The survival of {len(known)} cases is known: too few to judge predictions."})
        return None
    predictions = pd.read_csv(work / "survival.csv", dtype={"case": str}, keep_default_na=False, na_values=[""])
    predictions = predictions[predictions["case"].isin(list(known))].dropna(axis="columns", how="all")
    truth = pd.DataFrame([(name, *values) for name, values in known.items()], columns=["case", "days", "event"])
    try:
        return evaluate_table(predictions, truth)
    except InputError as error:
        tell({"event": "note", "text": f"The predictions cannot be judged: {error}"})
        return None
