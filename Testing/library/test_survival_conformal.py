"""Prediction intervals: quantiles of censored errors, coverage on exchangeable patients, width by what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from BraTSOSLib.survival import load_student
from BraTSOSLib.survival.conformal import missing_pattern, nested_intervals, optional_groups, residual_quantiles


def test_quantiles_of_censored_errors_are_those_of_kaplan_meier() -> None:
    lifelines = pytest.importorskip("lifelines")
    random = np.random.default_rng(0)
    errors, left = random.normal(size=5000), random.normal(1.0, 1.0, 5000)
    seen, died = np.minimum(errors, left), errors <= left
    low, high = residual_quantiles(seen, died)
    curve = lifelines.KaplanMeierFitter().fit(seen - seen.min(), died)
    assert low == pytest.approx(curve.percentile(0.9) + seen.min(), abs=0.02)
    assert high == pytest.approx(curve.percentile(0.1) + seen.min(), abs=0.05)
    assert high > np.quantile(seen, 0.9) + 0.1, "censored errors were taken as whole ones"


def test_coverage_holds_in_small_samples() -> None:
    random = np.random.default_rng(1)
    inside = []
    for _ in range(2000):
        errors = random.standard_t(3, size=40)
        low, high = residual_quantiles(errors[:-1], np.ones(39, dtype=bool))
        inside.append(low <= errors[-1] <= high)
    assert 0.8 - 0.02 < np.mean(inside) < 0.87


def test_missing_inputs_are_recognised_and_widen_the_interval() -> None:
    names = ("age", "gross_total_resection", "biopsy", "mgmt_methylated")
    groups = optional_groups(names)
    assert groups == [[1, 2], [3]]
    rows = np.array([[60, 1, 0, 1], [60, np.nan, np.nan, 1], [60, -1, np.nan, np.nan], [60, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(missing_pattern(rows, groups), [0, 1, 2, 3])
    bounds = nested_intervals(np.array([[-1.0, 1.0], [-0.9, 1.2], [-1.3, 0.8], [-1.1, 1.1]]))
    np.testing.assert_array_equal(bounds, [[-1.0, 1.0], [-1.0, 1.2], [-1.3, 1.0], [-1.3, 1.2]])


def test_bundled_student_is_less_sure_the_less_it_is_told() -> None:
    student = load_student()
    groups = optional_groups(student.names)
    full = np.array([[60.0] + [1.0] * (len(student.names) - 1)])
    widths = []
    for pattern in range(2 ** len(groups)):
        row = full.copy()
        for position, columns in enumerate(groups):
            if pattern >> position & 1:
                row[:, columns] = np.nan
        low, high = student.interval(row)
        widths.append(float(np.log(high / low)[0]))
    assert min(widths[1:]) > widths[0]
    assert widths[-1] > 1.05 * widths[0]
