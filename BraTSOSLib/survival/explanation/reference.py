"""What the model's card keeps of the training patients, to notice those who are unlike them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..covariates import VOLUME_REGIONS

if TYPE_CHECKING:
    from ..patient_table import SurvivalTable

SHARE_QUANTILE = 0.01
"""Of training patients enhance less, or have a larger core without enhancement, than what is warned of."""
DISTANCE_QUANTILE = 0.99
MINIMUM_PATIENTS = 30


def reference_statistics(table: SurvivalTable) -> dict[str, Any]:
    """Return the constants that `suitability.warnings_for` compares a patient with, as plain numbers for JSON.

    Parameters
    ----------
    table : SurvivalTable
        The training patients. Those without volumes of all regions do not count.

    Returns
    -------
    dict
        ``patients``: how many counted; ``enhancing_share_of_core_low``, ``enhancing_share_low``: 1st percentile of ET
        / (NCR + ET) and of ET / (NCR + ED + ET); ``plain_core_share_high``: 99th percentile of NCR / (NCR + ED + ET);
        ``distance``: ``inputs`` (``age`` and the logarithms of the regions' mm3), their ``mean`` and ``covariance``
        among the patients in whom no region is empty, and ``thresholds``: the 99th percentile of the Mahalanobis
        distance for every subset of regions, under its names joined with ``+``. Empty where fewer than 30 patients
        count.
    """
    ages = np.asarray(table.ages, dtype=np.float64)
    volumes = np.column_stack([np.asarray(table.volumes[region], dtype=np.float64) for region in VOLUME_REGIONS])
    measured = np.isfinite(volumes).all(axis=1) & np.isfinite(ages) & (volumes.sum(axis=1) > 0)
    ages, volumes = ages[measured], volumes[measured]
    whole = (volumes > 0).all(axis=1)
    if whole.sum() < MINIMUM_PATIENTS:
        return {}
    ncr, _, et = volumes.T
    total, core = volumes.sum(axis=1), ncr + et
    points = np.column_stack([ages, np.log(np.where(volumes > 0, volumes, 1.0))])
    mean, covariance = points[whole].mean(axis=0), np.cov(points[whole].T)
    thresholds = {}
    for size in range(1, len(VOLUME_REGIONS) + 1):
        for regions in combinations(VOLUME_REGIONS, size):
            columns = _columns(regions)
            distances = mahalanobis(points[whole][:, columns], mean[columns], covariance[np.ix_(columns, columns)])
            thresholds["+".join(regions)] = float(np.quantile(distances, DISTANCE_QUANTILE))
    return {
        "patients": int(measured.sum()),
        "enhancing_share_of_core_low": float(np.quantile((et[core > 0] / core[core > 0]), SHARE_QUANTILE)),
        "enhancing_share_low": float(np.quantile(et / total, SHARE_QUANTILE)),
        "plain_core_share_high": float(np.quantile(ncr / total, 1.0 - SHARE_QUANTILE)),
        "distance": {
            "inputs": ["age", *(f"log_{region}" for region in VOLUME_REGIONS)],
            "quantile": DISTANCE_QUANTILE,
            "mean": [float(value) for value in mean],
            "covariance": [[float(value) for value in line] for line in covariance],
            "thresholds": thresholds,
        },
    }


def _columns(regions: tuple[str, ...]) -> list[int]:
    """Return the columns of age and of ``regions``."""
    return [0, *(1 + VOLUME_REGIONS.index(region) for region in regions)]


def mahalanobis(points: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the distance of each point, shape (n, p), from ``mean`` in standard deviations along ``covariance``."""
    offsets = points - mean
    return np.sqrt(np.einsum("ij,ij->i", offsets, np.linalg.solve(covariance, offsets.T).T))


def training_distance(reference: Mapping[str, Any], age: float, volumes: Mapping[str, float]) -> tuple[float, float]:
    """Return a patient's distance from the training patients and the threshold for the regions that are there.

    Parameters
    ----------
    reference : dict
        As `reference_statistics` gives it, with ``distance``.
    age : float
        Years.
    volumes : dict
        mm3 by region; empty regions and those not given are left out of the distance.
    """
    regions = tuple(region for region in VOLUME_REGIONS if volumes.get(region, 0.0) > 0)
    kept = reference["distance"]
    threshold = float(kept["thresholds"].get("+".join(regions), np.inf))
    columns = _columns(regions)
    point = np.array([[age, *(np.log(volumes[region]) for region in regions)]])
    mean = np.asarray(kept["mean"], dtype=np.float64)[columns]
    covariance = np.asarray(kept["covariance"], dtype=np.float64)[np.ix_(columns, columns)]
    return float(mahalanobis(point, mean, covariance)[0]), threshold
