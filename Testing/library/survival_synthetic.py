"""Synthetic patients for the survival tests: survival falls with age, rises with resection and with one feature."""

from __future__ import annotations

import numpy as np
import pandas as pd

from BraTSOSLib.survival.settings import FitSettings, SurvivalSettings

QUICK = SurvivalSettings(
    privileged_count=4,
    inner_folds=3,
    seeds=1,
    teacher=FitSettings((6,), 40, 0.02, 0.1, 0.1, 1.0, 0.0, 0.5),
    student=FitSettings((5,), 60, 0.02, 0.05, 0.0, 0.5, 0.5, 0.5),
)
"""Small and short, to test that it works, not how well."""


def synthetic_table(patients: int = 120, seed: int = 0, features: int = 12) -> pd.DataFrame:
    """Return a table in the library's own layout; ``feature_0`` carries signal, the others are noise."""
    random = np.random.default_rng(seed)
    age = random.uniform(25, 85, patients)
    resection = random.choice(["GTR", "STR", "unknown"], patients, p=[0.5, 0.4, 0.1])
    signal = random.normal(size=patients)
    log_days = 5.9 - 0.03 * (age - 60) + 0.4 * (resection == "GTR") + 0.3 * signal + random.normal(0, 0.5, patients)
    columns: dict[str, np.ndarray | list[str]] = {
        "case": [f"Synthetic_{index:04d}" for index in range(patients)],
        "age": age.round(2),
        "days": np.exp(log_days).round().clip(5, 4000),
        "resection": resection,
    }
    for region, typical in {"NCR": 9000.0, "ED": 50000.0, "ET": 15000.0}.items():
        columns[f"{region}_original_shape_VoxelVolume"] = (typical * random.lognormal(0, 0.5, patients)).round()
    columns["feature_0"] = np.exp(signal)
    for index in range(1, features):
        columns[f"feature_{index}"] = random.normal(size=patients)
    return pd.DataFrame(columns)
