"""Every network once forward at its own window on the CPU: time, parameters, multiply-accumulates, peak memory.

    python Testing/benchmarks/bench_networks.py [--networks NAME,NAME] [--threads 2] [--output networks.json]

Each network runs in a process of its own, one after the other, so that its peak memory is its own; the time is that
of a second pass, in float32 and channels-last, in plain PyTorch. Weights are random: the figures do not depend on
them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from BraTSOSLib.segmentation.networks.cost import COSTS
from BraTSOSLib.segmentation.networks.presets import PRESETS

REPOSITORY = Path(__file__).resolve().parents[2]


def run_one(name: str, threads: int) -> dict[str, Any]:
    """Time two forward passes of a preset in this process."""
    import torch

    from BraTSOSLib.segmentation.networks import create

    torch.set_num_threads(threads)
    network = create(name).eval().to(memory_format=torch.channels_last_3d)
    window = PRESETS[name].window
    x = torch.randn(1, network.in_channels, *window).contiguous(memory_format=torch.channels_last_3d)
    before = _peak_mb()
    seconds = []
    with torch.inference_mode():
        for _ in range(2):
            start = time.perf_counter()
            logits = network(x)
            seconds.append(round(time.perf_counter() - start, 2))
    return {
        "seconds_first": seconds[0],
        "seconds": seconds[1],
        "output": list(logits.shape[1:]),
        "peak_mb": round(_peak_mb()),
        "peak_mb_of_passes": round(_peak_mb() - before),
    }


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(PRESETS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(run_one(arguments.one, arguments.threads)))
        return
    rows: dict[str, dict[str, Any]] = {}
    print("| network | window | parameters | GMAC | seconds | GMAC/s | peak MB | of which passes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in arguments.networks.split(","):
        command = [sys.executable, __file__, "--one", name, "--threads", str(arguments.threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
        cost, row = COSTS[name], json.loads(done.stdout.splitlines()[-1])
        rows[name] = {"parameters": cost.parameters, "gmac": cost.gmac, **row}
        window = "×".join(map(str, PRESETS[name].window))
        figures = [name, window, f"{cost.parameters:,}", f"{cost.gmac:.1f}", f"{row['seconds']:.2f}"]
        figures += [f"{cost.gmac / row['seconds']:.0f}", f"{row['peak_mb']:,}", f"{row['peak_mb_of_passes']:,}"]
        print(f"| {' | '.join(figures)} |", flush=True)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
