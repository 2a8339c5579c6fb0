"""Time and compare the two radiomics engines on a case: ``python Testing/benchmarks/bench_radiomics.py CASE_FOLDER``.

The folder holds the four scans and an expert label map (``*_seg.nii.gz``). Prints seconds for each engine in turns and
the largest relative difference per feature class. Use ``OMP_NUM_THREADS=1`` for one core.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from BraTSOSLib.case import read_case, read_label_map
from BraTSOSLib.radiomics import FeatureName, extract_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    case = read_case(arguments.folder)
    labels = read_label_map(next(arguments.folder.glob("*_seg.nii*")), case.geometry)
    tables = {}
    for turn in range(arguments.rounds):
        for engine in ("bratsos", "pyradiomics"):
            wall, cpu = time.perf_counter(), time.process_time()
            tables[engine] = extract_features(case, labels, engine=engine)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            print(
                f"round {turn + 1}  {engine:12s} {wall:6.2f} s wall  {cpu:6.2f} s CPU  {len(tables[engine])} features"
            )

    own, reference = (tables[engine]["value"].to_numpy() for engine in ("bratsos", "pyradiomics"))
    classes = np.array([FeatureName.parse(name).feature_class for name in tables["bratsos"]["feature"]])
    same = (own == reference) | (np.isnan(own) & np.isnan(reference))
    with np.errstate(all="ignore"):
        relative = np.where(same, 0.0, np.abs(own - reference) / np.abs(reference))
    for name in dict.fromkeys(classes):
        chosen = classes == name
        print(
            f"{name}: {same[chosen].sum()} of {chosen.sum()} identical, largest difference {relative[chosen].max():.1e}"
        )


if __name__ == "__main__":
    main()
