"""The cohort's tables, one row per case in the order of the names, written row by row."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..labels import REGIONS
from .feature_rows import FEATURES, read_row
from .manifest import DONE, Manifest, from_json
from .merging import CASES

SURVIVAL_COLUMNS = (
    "case", "category", "p_short", "p_medium", "p_long", "days", "days_low", "days_high", "risk", "missing", "flags",
    "warnings", "reason",
)  # fmt: skip
"""As ``bratsos predict --table`` writes them and ``bratsos evaluate survival`` reads them."""

_SEPARATOR = "; "
_CELLS_AT_ONCE = 500_000
"""Values of one row group of the Parquet file: what is held in memory."""

Check = Callable[[], None]


def feature_names(manifest: Manifest) -> list[str]:
    """Return the names of all features that a finished case has, in the order in which cases have them."""
    rows = manifest.query(
        "SELECT names FROM (SELECT features, min(name) AS first FROM cases WHERE listed AND state = ? "
        "AND features IS NOT NULL GROUP BY features) JOIN feature_names ON hash = features ORDER BY first",
        (DONE,),
    )
    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(json.loads(row["names"])))
    return list(names)


def write_features(manifest: Manifest, output: Path, folder: Path, check: Check) -> list[str]:
    """Write ``features.csv`` and, where pyarrow is installed, ``features.parquet``; return the files' names.

    Without a case that has features there are none.

    Parameters
    ----------
    manifest : Manifest
    output : Path
        The cohort's folder.
    folder : Path
        Where to write.
    check : callable
        Raises if the work is to stop.
    """
    names = feature_names(manifest)
    if not names:
        return []
    with ExitStack() as stack:
        file = stack.enter_context((folder / "features.csv").open("w", encoding="utf-8", newline=""))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", *names])
        parquet = _ParquetRows(folder / "features.parquet", names) if _has_pyarrow() else None
        if parquet is not None:
            stack.callback(parquet.close)
        for case, values in _feature_rows(manifest, output, names):
            check()
            writer.writerow([case, *("" if math.isnan(value) else repr(value) for value in values)])
            if parquet is not None:
                parquet.add(case, values)
    return ["features.csv"] + ([] if parquet is None else ["features.parquet"])


def _feature_rows(manifest: Manifest, output: Path, names: list[str]) -> Iterator[tuple[str, list[float]]]:
    for row in manifest.rows((DONE,), "name, features"):
        if row["features"] is None:
            continue
        own, values = read_row(output / CASES / row["name"] / FEATURES)
        if own != names:
            known = dict(zip(own, values, strict=True))
            values = [known.get(name, math.nan) for name in names]
        yield row["name"], values


def _has_pyarrow() -> bool:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


class _ParquetRows:
    """A Parquet file of a text column ``case`` and a column of doubles for each feature; a missing value is null."""

    def __init__(self, path: Path, names: list[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._arrow = pa
        self._schema = pa.schema([("case", pa.string()), *((name, pa.float64()) for name in names)])
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._at_once = max(_CELLS_AT_ONCE // (len(names) + 1), 1)
        self._cases: list[str] = []
        self._values: list[list[float]] = []

    def add(self, case: str, values: list[float]) -> None:
        self._cases.append(case)
        self._values.append(values)
        if len(self._cases) >= self._at_once:
            self._write()

    def _write(self) -> None:
        import numpy as np

        if not self._cases:
            return
        table = np.array(self._values, dtype=np.float64).reshape(len(self._cases), -1)
        columns = [self._arrow.array(self._cases, self._arrow.string())]
        columns += [self._arrow.array(column, mask=np.isnan(column)) for column in table.T]
        self._writer.write_table(self._arrow.Table.from_arrays(columns, schema=self._schema))
        self._cases, self._values = [], []

    def close(self) -> None:
        self._write()
        self._writer.close()


def write_volumes(manifest: Manifest, folder: Path, check: Check) -> list[str]:
    """Write ``volumes.csv``: the regions' volumes in mL."""

    def rows() -> Iterator[Sequence[Any]]:
        for row in manifest.rows((DONE,), "name, summary"):
            check()
            volumes = (from_json(row["summary"]) or {}).get("volumes")
            if volumes:
                yield [row["name"], *(_text(volumes.get(region)) for region in REGIONS)]

    return [_write(folder / "volumes.csv", ["case", *(f"{region}_ml" for region in REGIONS)], rows())]


def write_survival(manifest: Manifest, folder: Path, check: Check) -> list[str]:
    """Write ``survival.csv``, the predictions, and ``observed.csv``, the known survival, where there is any."""

    def predictions() -> Iterator[Sequence[Any]]:
        for row in manifest.rows((DONE,), "name, summary"):
            check()
            prediction = (from_json(row["summary"]) or {}).get("prediction")
            if prediction:
                yield survival_row(row["name"], prediction)

    def observed() -> Iterator[Sequence[Any]]:
        for row in manifest.rows(columns="name, days, event"):
            if row["days"] is not None:
                yield row["name"], _text(row["days"]), int(row["event"] is None or row["event"])

    files = [_write(folder / "survival.csv", SURVIVAL_COLUMNS, predictions())]
    if manifest.query("SELECT 1 FROM cases WHERE listed AND days IS NOT NULL LIMIT 1"):
        files.append(_write(folder / "observed.csv", ("case", "days", "event"), observed()))
    return files


def survival_row(case: str, prediction: dict[str, Any]) -> list[str]:
    """Return a row of ``survival.csv``."""
    chances = prediction.get("probabilities") or {}
    values: dict[str, Any] = {
        **{f"p_{category}": value for category, value in chances.items()},
        **{key: value for key, value in prediction.items() if key != "probabilities"},
        "case": case,
    }
    return [_text(values.get(column)) for column in SURVIVAL_COLUMNS]


def _write(path: Path, columns: Sequence[str], rows: Iterator[Sequence[Any]]) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path.name


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, list | tuple):
        return _SEPARATOR.join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)
