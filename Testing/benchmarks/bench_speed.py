"""Time of a whole case in a fresh process, of the network alone, and peak memory; beside MONAI's SegResNet.

    python Testing/benchmarks/bench_speed.py CASE [--runs 5] [--threads 2] [--peer-runs 1] [--output speed.json]

CASE is a folder with the four scans. Every run is a process of its own that does what ``bratsos segment`` does, from
starting Python to the written label map; the engine's cache is made warm by a first run that is not counted (its time
is shown as the first run). The peer is MONAI's SegResNet of the size of its BraTS bundle (init_filters 16, blocks_down
1, 2, 2, 4) with random weights, which reads, normalises and writes the same case through the same functions: in
windows of 240 x 240 x 160 over the whole volume as the bundle has it, and in one window on the brain's box.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIGURATIONS = {
    "openvino": ["--engine", "openvino"],
    "torch": ["--engine", "torch"],
    "openvino --fast": ["--engine", "openvino", "--fast"],
    "torch --fast": ["--engine", "torch", "--fast"],
}
PEERS = {"SegResNet, 240 x 240 x 160": "volume", "SegResNet, brain box": "box"}
BUNDLE_WINDOW = (240, 240, 160)
"""(x, y, z), as the bundle's inference has it."""


def main() -> None:
    """Time all configurations and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--peer-runs", type=int, default=1, help="0 leaves the peer out")
    parser.add_argument("--threads", type=int, default=min(os.cpu_count() or 1, 2))
    parser.add_argument("--only", default=None, help="configurations whose name contains this")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--child", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.case, arguments.child)
        return
    results: dict[str, dict[str, Any]] = {}
    print(f"{'':<28}{'case, s: min/median/max':>26}{'first run':>11}{'network, s':>12}{'peak, GB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in [*CONFIGURATIONS, *PEERS]:
            if arguments.only and arguments.only not in name:
                continue
            runs = arguments.peer_runs if name in PEERS else arguments.runs
            label_map = Path(folder) / f"{len(results)}.nii.gz"
            how = [PEERS[name]] if name in PEERS else ["segment", *CONFIGURATIONS[name]]
            if not runs:
                continue
            first = None if name in PEERS else timed(arguments, how, label_map)
            rows = [timed(arguments, how, label_map) for _ in range(runs)]
            results[name] = summary(rows, first)
            print_row(name, results[name])
        paths = [
            Path(folder) / f"{index}.nii.gz" for index, name in enumerate(results) if name in ("openvino", "torch")
        ]
        if len(paths) == 2:
            results["openvino"]["voxels_unlike_torch"] = unlike(*paths)
            print(
                f"Voxels whose label differs between openvino and torch: {results['openvino']['voxels_unlike_torch']}"
            )
    if arguments.output is not None:
        arguments.output.write_text(json.dumps({"threads": arguments.threads, "results": results}, indent=2) + "\n")


def timed(arguments: argparse.Namespace, how: list[str], label_map: Path) -> dict[str, float]:
    """Run one case in a process of its own: seconds in all and in the network, peak memory in GB."""
    threads = str(arguments.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, __file__, str(arguments.case), "--child", str(label_map), *how]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return {"seconds": seconds, **json.loads(done.stdout.strip().splitlines()[-1])}


def summary(rows: list[dict[str, float]], first: dict[str, float] | None) -> dict[str, Any]:
    """Least, median and largest time of several runs, and what else there is to say."""
    seconds = [row["seconds"] for row in rows]
    return {
        "seconds": {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)},
        "first_run_seconds": first["seconds"] if first else None,
        "network_seconds": statistics.median(row["network_seconds"] for row in rows),
        "peak_gb": max(row["peak_gb"] for row in rows),
        "windows": rows[0]["windows"],
        "runs": len(rows),
    }


def print_row(name: str, row: dict[str, Any]) -> None:
    """One line of the table."""
    seconds = row["seconds"]
    case = f"{seconds['min']:.2f} / {seconds['median']:.2f} / {seconds['max']:.2f}"
    first = "" if row["first_run_seconds"] is None else f"{row['first_run_seconds']:.1f}"
    print(f"{name:<28}{case:>26}{first:>11}{row['network_seconds']:>12.2f}{row['peak_gb']:>10.2f}", flush=True)


def unlike(first: Path, second: Path) -> int:
    """Number of voxels in which two label maps differ."""
    from BraTSOSLib.images import read_labels

    return int((read_labels(first).array != read_labels(second).array).sum())


def child(case: Path, how: list[str]) -> None:
    """What the processes do that are timed; the last line they print is JSON."""
    label_map, kind, *options = how
    network = NetworkClock()
    if kind == "segment":
        segment(case, Path(label_map), options, network)
    else:
        segment_with_segresnet(case, Path(label_map), kind, network)
    print(json.dumps({"network_seconds": network.seconds, "windows": network.windows, "peak_gb": peak_gb()}))


class NetworkClock:
    """Adds up the time that calls of a network take."""

    def __init__(self) -> None:
        self.seconds, self.windows = 0.0, 0

    def around(self, network: Callable[..., Any]) -> Callable[..., Any]:
        """``network`` with its calls timed."""

        def call(*args: Any) -> Any:
            start = time.perf_counter()
            result = network(*args)
            self.seconds += time.perf_counter() - start
            self.windows += 1
            return result

        return call


def segment(case: Path, label_map: Path, options: list[str], network: NetworkClock) -> None:
    """``bratsos segment``, with the engine's calls timed."""
    from BraTSOSLib.cli import main as bratsos

    # Only the engine that runs is imported, since importing PyTorch is part of what is compared
    if "torch" in options:
        from BraTSOSLib.segmentation.torch_engine import TorchEngine as Engine
    else:
        from BraTSOSLib.segmentation.openvino_engine import OpenVINOEngine as Engine
    Engine.__call__ = network.around(Engine.__call__)  # type: ignore[method-assign]
    code = bratsos(["segment", str(case), "--output", str(label_map), "--device", "cpu", *options])
    if code:
        raise SystemExit(code)


def segment_with_segresnet(source: Path, label_map: Path, kind: str, network: NetworkClock) -> None:
    """The peer: the same steps around MONAI's SegResNet and MONAI's sliding window."""
    import numpy as np
    import torch
    from monai.inferers import sliding_window_inference
    from monai.networks.nets import SegResNet

    from BraTSOSLib.case import MODALITIES, read_case
    from BraTSOSLib.images import write_image
    from BraTSOSLib.segmentation.preprocessing import bounding_box, normalise_nonzero, pad_to_multiple

    case = read_case(source)
    image = normalise_nonzero(np.stack([case.volumes[name] for name in MODALITIES]))
    labels = np.zeros(image.shape[1:], dtype=np.uint8)
    box = bounding_box(case.brain if kind == "box" else np.ones(image.shape[1:], dtype=bool))
    inside = image[(slice(None), *box.slices)]
    torch.manual_seed(0)
    segresnet = SegResNet(
        in_channels=4, out_channels=3, init_filters=16, blocks_down=(1, 2, 2, 4), blocks_up=(1, 1, 1), dropout_prob=0.2
    ).eval()
    forward = network.around(segresnet)
    with torch.inference_mode():
        if kind == "box":
            logits = forward(torch.from_numpy(pad_to_multiple(inside, 8))[None])
        else:
            window = BUNDLE_WINDOW[::-1]
            logits = sliding_window_inference(torch.from_numpy(inside)[None], window, 1, forward, overlap=0.5)
    z, y, x = box.shape
    core, whole, enhancing = (logits[0, :, :z, :y, :x].sigmoid() > 0.5).numpy()
    found = labels[box.slices]
    found[whole], found[core], found[enhancing] = 2, 1, 4
    write_image(labels, case.geometry, label_map)


def peak_gb() -> float:
    """Largest resident memory of this process so far; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


if __name__ == "__main__":
    main()
