"""Does the range of plausible volumes hold the expert's? And what does it cost?

    python Testing/benchmarks/bench_spread.py FOLDER

FOLDER holds BraTS-style case folders with label maps; the eight are used that the bundled weights never saw.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from BraTSOSLib import read_case
from BraTSOSLib.case import find_label_map, read_label_map
from BraTSOSLib.labels import region_mask
from BraTSOSLib.segmentation import Segmenter
from BraTSOSLib.segmentation.plausible import plausible_volumes
from BraTSOSLib.segmentation.training.split import VALIDATION
from BraTSOSLib.segmentation.volume import BrainVolume


def main() -> None:
    """Print one line a case and the share of volumes inside the range for several steps of the threshold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    segmenter = Segmenter(device="cpu")
    inside: dict[tuple[float, str], list[bool]] = {}
    for name in VALIDATION:
        case = read_case(folder / name)
        truth = read_label_map(find_label_map(folder / name), case.geometry)
        volume = BrainVolume.of(case)
        passes = segmenter.passes(volume)
        for step in (0.1, 0.2, 0.3):
            start = time.process_time()
            found = plausible_volumes(passes, volume, segmenter.settings, (-step, 0.0, step))
            seconds = time.process_time() - start
            cells = []
            for region in ("WT", "TC", "ET"):
                expert = np.count_nonzero(region_mask(truth, region)) * case.geometry.voxel_volume
                low, high = (pick(each[region] for each in found) for pick in (min, max))
                inside.setdefault((step, region), []).append(low <= expert <= high)
                cells.append(f"{region} {low / 1000:.1f} to {high / 1000:.1f} mL, expert {expert / 1000:.1f}")
            print(f"{name} +-{step}: {'; '.join(cells)}; {seconds:.2f} CPU s", flush=True)
    for (step, region), hits in inside.items():
        print(f"+-{step} {region}: {sum(hits)} of {len(hits)} inside")


if __name__ == "__main__":
    main()
