"""A case's feature table as one row: names and values apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ..feature_table import read_feature_table

FEATURES = "features.csv"
"""The output that holds a case's features."""


def read_row(path: Path) -> tuple[list[str], list[float]]:
    """Return the names and values of a ``features.csv``, in its order; an empty value is NaN."""
    table = read_feature_table(path)
    return list(table), list(table.values())


def names_hash(names: Sequence[str]) -> str:
    """Return the hash by which the manifest knows a list of feature names."""
    return hashlib.sha256(json.dumps(list(names)).encode()).hexdigest()
