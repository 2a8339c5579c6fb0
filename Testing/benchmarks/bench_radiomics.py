"""Time the library's radiomics against pyradiomics: ``python Testing/benchmarks/bench_radiomics.py CASE_FOLDER``.

The folder holds the four scans and an expert label map (``*_seg.nii.gz``). Both run in turns, each time in a process of
its own that may use so many processors: pyradiomics by its default call (``RadiomicsFeatureExtractor(...).execute`` for
every modality and region), the library by ``extract_features``. Everything is imported, and the library's compiled code
loaded, before the clock starts. Printed are CPU seconds, which other work on the machine disturbs least, wall seconds,
peak memory, and whether the numbers are the same; then what a first call takes that has to import and compile, and the
time for tumours of 10³ to 4 x 10⁵ voxels.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PRESETS = ("brats-core", "full")
SIZES = (1_000, 10_000, 50_000, 100_000, 200_000, 400_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--processors", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--without-curve", action="store_true")
    parser.add_argument("--without-pyradiomics", action="store_true")
    parser.add_argument("--worker", nargs=3, metavar=("ENGINE", "PRESET", "PROCESSORS"), help=argparse.SUPPRESS)
    parser.add_argument("--cold", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--voxels", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--values", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        engine, preset, processors = arguments.worker
        measure(
            arguments.folder,
            engine,
            preset,
            int(processors),
            warm=not arguments.cold,
            voxels=arguments.voxels,
            values=arguments.values,
        )
        return
    for preset in arguments.presets:
        compare(arguments, preset)
    first_call(arguments.folder)
    if not arguments.without_curve:
        curve(arguments.folder)


def compare(arguments: argparse.Namespace, preset: str) -> None:
    """Run both engines in turns and print what they took and whether they agree."""
    engines = ["bratsos"] if arguments.without_pyradiomics else ["bratsos", "pyradiomics"]
    for processors in arguments.processors:
        taken: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                for engine in engines:
                    values = Path(folder) / f"{engine}.json"
                    found = run(arguments.folder, engine, preset, processors, values=values)
                    taken[engine].append(found)
                    print(f"{preset}, {processors} processor(s), {engine:<12}{shown(found)}", flush=True)
            if len(engines) == 2:
                print(f"{preset}: {agreement(Path(folder))}")
        if len(engines) == 2:
            for what in ("cpu", "wall"):
                own, other = (min(found[what] for found in taken[engine]) for engine in engines)
                print(f"{preset}, {processors} processor(s): {other / own:.1f} x less {what} time", flush=True)


def first_call(case: Path) -> None:
    """Print what the first call on a machine takes, when nothing is compiled yet, and in a later process."""
    with tempfile.TemporaryDirectory() as cache:
        for call in ("first call (compiles)", "first call of another process (compiled code from disk)"):
            found = run(case, "bratsos", "full", 1, environment={"NUMBA_CACHE_DIR": cache}, voxels=1_000, cold=True)
            print(f"full, 1,000 voxels, {call}: {shown(found)}", flush=True)


def curve(case: Path) -> None:
    """Print time against tumour size."""
    for preset in PRESETS:
        for voxels in SIZES:
            found = run(case, "bratsos", preset, 1, voxels=voxels)
            print(f"{preset}, {voxels:>7,} voxels: {shown(found)}", flush=True)


def shown(found: dict[str, Any]) -> str:
    return (
        f"{found['cpu']:8.2f} s CPU {found['wall']:8.2f} s wall {found['memory']:6.0f} MB peak, "
        f"{found['features']:,} features"
    )


def agreement(folder: Path) -> str:
    own, reference = (json.loads((folder / f"{engine}.json").read_text()) for engine in ("bratsos", "pyradiomics"))
    identical, largest, where = 0, 0.0, ""
    for name, value in own.items():
        other = reference[name]
        if value == other or (np.isnan(value) and np.isnan(other)):
            identical += 1
        elif not abs(value - other) <= largest * abs(other):
            largest, where = abs(value - other) / abs(other), name
    rest = f", largest relative difference {largest:.1e} ({where})" if where else ""
    return f"{identical:,} of {len(own):,} values identical{rest}"


def run(
    case: Path,
    engine: str,
    preset: str,
    processors: int,
    *,
    environment: dict[str, str] | None = None,
    voxels: int = 0,
    values: Path | None = None,
    cold: bool = False,
) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, str(case), "--worker", engine, preset, str(processors)]
    command += ["--voxels", str(voxels)] + ([] if values is None else ["--values", str(values)])
    command += ["--cold"] if cold else []
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(processors))
    result = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **threads, **(environment or {})}
    )
    return json.loads(result.stdout.splitlines()[-1])


def measure(
    folder: Path, engine: str, preset: str, processors: int, *, warm: bool, voxels: int, values: Path | None
) -> None:
    """Do the work of :func:`run` in this process and print what it took as JSON."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:processors])
    import SimpleITK as sitk  # noqa: N813

    from BraTSOSLib.case import read_case, read_label_map

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(processors)
    case = read_case(folder)
    labels = read_label_map(next(folder.glob("*_seg.nii*")), case.geometry)
    if voxels:
        labels = grown(labels, case.brain, voxels)
    work = own_features if engine == "bratsos" else pyradiomics_features
    if warm:
        warm_up(engine, preset)
    wall, cpu = time.perf_counter(), time.process_time()
    found = work(case, labels, preset, processors)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if values is not None:
        values.write_text(json.dumps(found))
    print(json.dumps({"cpu": cpu, "wall": wall, "memory": memory, "features": len(found)}))


def warm_up(engine: str, preset: str) -> None:
    """Import what an engine needs and load compiled code, on a few voxels."""
    if engine == "pyradiomics":
        from radiomics import featureextractor  # noqa: F401

        return
    from BraTSOSLib.case import MODALITIES, Case
    from BraTSOSLib.geometry import Geometry
    from BraTSOSLib.radiomics import extract_features

    random = np.random.default_rng(0)
    volumes = {name: random.integers(0, 300, (12, 12, 12)).astype(np.float32) for name in MODALITIES}
    grid = Geometry((12, 12, 12), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    extract_features(
        Case("warm-up", volumes, grid), random.choice([0, 1, 2, 4], (12, 12, 12)), preset=preset, workers=1
    )


def own_features(case: Any, labels: np.ndarray, preset: str, processors: int) -> dict[str, float]:
    from BraTSOSLib.radiomics import extract_features

    table = extract_features(case, labels, preset=preset, workers=processors)
    return dict(zip(table["feature"], table["value"].tolist(), strict=True))


def pyradiomics_features(case: Any, labels: np.ndarray, preset: str, processors: int) -> dict[str, float]:
    """Call pyradiomics as its users do, once for every modality and region."""
    import logging

    import SimpleITK as sitk  # noqa: N813
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    from BraTSOSLib.labels import region_mask
    from BraTSOSLib.radiomics import PRESETS as KNOWN

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    chosen = KNOWN[preset]
    extractor = RadiomicsFeatureExtractor()
    extractor.disableAllImageTypes()
    for image_type in chosen.settings.image_types:
        changes = {name: list(value) for name, value in image_type.changes.items()}
        extractor.enableImageTypeByName(image_type.name, customArgs=changes)
    found: dict[str, float] = {}
    for modality in chosen.layout.modalities:
        image = sitk.ReadImage(str(case.paths[modality]))
        for region in chosen.layout.regions:
            mask = sitk.GetImageFromArray(region_mask(labels, region).astype(np.uint8))
            mask.CopyInformation(image)
            for name, value in extractor.execute(image, mask).items():
                if not name.startswith("diagnostics"):
                    prefix = region if "_shape_" in name else f"{modality}_{region}"
                    found[f"{prefix}_{name}"] = float(value)
    return found


def grown(labels: np.ndarray, brain: np.ndarray, voxels: int) -> np.ndarray:
    """Return a label map of a ball of ``voxels`` brain voxels around the tumour's middle, NCR inside ET inside ED."""
    centre = np.argwhere(labels > 0).mean(axis=0)
    positions = np.argwhere(brain)
    nearest = positions[np.argsort(np.sum((positions - centre) ** 2, axis=1))[:voxels]]
    result = np.zeros_like(labels)
    for label, share in ((2, 1.0), (4, 0.3), (1, 0.1)):
        result[tuple(nearest[: int(voxels * share)].T)] = label
    return result


if __name__ == "__main__":
    main()
