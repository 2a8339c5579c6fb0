"""Times the concordance of every feature of a table, and compares each with lifelines.

    python Testing/benchmarks/bench_concordance.py TABLE.csv.gz

CPU time of one thread, the best of five; lifelines computes one feature at a time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from lifelines.utils import concordance_index

from BraTSOSLib.survival.metrics import concordance_of_features
from BraTSOSLib.survival.papers import read_patient_features


def main(path: str) -> None:
    table = read_patient_features(path, on_bad_value="skip")
    times = []
    for _ in range(5):
        started = time.process_time()
        found, counts = concordance_of_features(table.days, table.features, table.events)
        times.append(time.process_time() - started)
    started = time.process_time()
    expected = np.full(len(found), np.nan)
    for column, values in enumerate(table.features.T):
        known = ~np.isnan(values)
        if not np.isnan(found[column]):
            expected[column] = concordance_index(table.days[known], values[known], table.events[known])
    other = time.process_time() - started
    gap = np.nanmax(np.abs(found - expected))
    censored, gaps = int((~table.events).sum()), int((counts < len(table)).sum())
    print(
        f"{len(found)} features ({gaps} with missing values) x {len(table)} patients ({censored} censored): "
        f"{min(times):.2f} s; lifelines {other:.1f} s; largest difference {gap:.1e}"
    )


if __name__ == "__main__":
    main(sys.argv[1])
