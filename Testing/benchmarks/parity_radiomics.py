"""Compare every feature with pyradiomics' bit by bit: ``python Testing/benchmarks/parity_radiomics.py``.

Random small regions of every kind (single voxels, a slice thick, touching the border, in several parts, anisotropic
spacing) under random settings, the phantom, and the cases of ``--cases`` (folders with four scans and an expert label
map, all regions and modalities). Prints how many values are the same to the last bit and, of the others, each feature's
largest relative difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))

from radiomics_reference import Difference, Sample, compare, random_sample, random_settings

from BraTSOSLib.case import Case, read_case, read_label_map
from BraTSOSLib.labels import REGIONS, region_mask
from BraTSOSLib.phantom import make_phantom
from BraTSOSLib.radiomics import Settings
from BraTSOSLib.radiomics.kernels import kernel_name


def random_regions(count: int) -> Iterator[Difference | None]:
    for seed in range(count):
        yield from compare(random_sample(seed), random_settings(seed))


def whole_case(case: Case, labels: object, shape: bool) -> Iterator[Difference | None]:
    for region in REGIONS:
        mask = region_mask(labels, region)  # type: ignore[arg-type]
        if mask.any():
            for number, volume in enumerate(case.volumes.values()):
                sample = Sample(volume, mask, case.geometry.spacing[::-1])
                yield from compare(sample, Settings(), shape=shape and number == 0)


def report(what: str, found: Iterable[Difference | None]) -> None:
    started = time.perf_counter()
    count, unlike = 0, defaultdict(list)
    for one in found:
        count += 1
        if one is not None:
            unlike[one.feature_class, one.feature].append(one.relative)
    others = sum(map(len, unlike.values()))
    seconds = time.perf_counter() - started
    print(f"{what}: {count - others:,} of {count:,} values identical ({seconds:.0f} s)", flush=True)
    for (feature_class, feature), relative in sorted(unlike.items()):
        print(f"  {feature_class} {feature}: {len(relative)} differ, by {max(relative):.1e} at most")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=1000)
    parser.add_argument("--cases", type=Path, nargs="*", default=[])
    parser.add_argument("--shape", action="store_true", help="also the 3-D shape of cases (pyradiomics takes minutes)")
    arguments = parser.parse_args()

    print(f"kernels: {kernel_name()}")
    report(f"{arguments.regions} random regions", random_regions(arguments.regions))
    case, labels = make_phantom(seed=4)
    report("phantom", whole_case(case, labels, arguments.shape))
    for folder in arguments.cases:
        case = read_case(folder)
        labels = read_label_map(next(folder.glob("*_seg.nii*")), case.geometry)
        report(folder.name, whole_case(case, labels, arguments.shape))


if __name__ == "__main__":
    main()
