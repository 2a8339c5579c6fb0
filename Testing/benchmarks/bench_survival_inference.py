"""How long the survival estimate of one patient takes, without torch.

Prints the median and the largest CPU time of the student alone and of `predict_survival` with all its explanations::

    python Testing/benchmarks/bench_survival_inference.py [--repeats 200]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np

for forbidden in ("torch", "scipy", "pandas", "sklearn", "lifelines"):
    sys.modules[forbidden] = None  # type: ignore[assignment]  # importing any of them is an error from here on

from BraTSOSLib.survival import load_student, predict_survival  # noqa: E402

VOLUMES = {
    "NCR_original_shape_VoxelVolume": 9315.0,
    "ED_original_shape_VoxelVolume": 53448.0,
    "ET_original_shape_VoxelVolume": 6659.0,
}


def milliseconds(call: Callable[[], object], repeats: int) -> np.ndarray:
    """Return the CPU time of each repeat in ms; the first call, which fills caches, is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000.0 * (time.process_time() - start))
    return np.array(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    student = load_student()
    row = student.cohort.inputs[:1]
    rows = {
        f"student, probabilities and days ({len(student.names)} inputs)": lambda: student.predict(row),
        "student, with interval and risk": lambda: (student.predict(row), student.interval(row), student.risk(row)),
        "predict_survival, everything given": lambda: predict_survival(
            VOLUMES, 60.7, "GTR", mgmt="methylated", idh="wildtype", kps=90
        ),
        "predict_survival, age alone": lambda: predict_survival({}, 60.7),
    }
    print(f"numpy {np.__version__}, {len(student.cohort.days)} training patients, {repeats} repeats, CPU time in ms")
    for name, call in rows.items():
        times = milliseconds(call, repeats)
        print(f"{name:<50} median {np.median(times):7.2f}   largest {times.max():7.2f}")


if __name__ == "__main__":
    main()
