"""Times on a GPU: each stage's network in every precision and mode that might pay, and the whole case.

    python Testing/benchmarks/gpu.py [CASE] [--card model.json] [--repeats 20] [--skip-compile] [--output gpu.json]

Without CUDA it says so in one line. The network is timed on one window of random numbers with the time of the first
call (warm-up: graphs are captured, kernels compiled) beside the later ones, and the largest difference of its logits
from float32; a mode pays if what it saves in a case's windows is more than its first call costs. With CASE, a folder of
four scans, the whole case is timed as ``bratsos segment`` in fresh processes, and a second time in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Forward = Callable[[torch.Tensor], torch.Tensor]

PRECISIONS = ("float32", "tf32", "float16", "bfloat16")


def main() -> None:
    """Time everything, or say that there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path, nargs="?")
    parser.add_argument("--card", type=Path, default=None, help="the bundled model where not given")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3, help="fresh processes for the whole case")
    parser.add_argument("--skip-compile", action="store_true", help="torch.compile takes a minute for each variant")
    parser.add_argument("--device", default="cuda", help=argparse.SUPPRESS)  # cpu: to try this script without a GPU
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    import torch

    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here: nothing was timed.")
        return
    results: dict[str, Any] = {"device": describe(arguments.device), "torch": torch.__version__}
    print(f"{results['device']}, PyTorch {torch.__version__}")
    from BraTSOSLib.segmentation.model import load_stages
    from BraTSOSLib.segmentation.segmenter import find_card

    stages, _ = load_stages(find_card(arguments.card))
    for index, stage in enumerate(stages):
        print(f"Stage {index + 1}, window {' x '.join(map(str, stage.window))}")
        print(f"{'':<44}{'first, s':>10}{'median, ms':>12}{'memory, GB':>12}{'difference':>12}")
        example = torch.randn((1, len(stage.inputs), *stage.window), generator=torch.Generator().manual_seed(0))
        results[f"stage {index + 1}"] = time_network(stage.network, example, arguments)
    if arguments.case is not None:
        results["case"] = time_case(arguments)
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")


def describe(device: str) -> str:
    """Name and memory of the GPU."""
    import torch

    if device != "cuda":
        return device
    properties = torch.cuda.get_device_properties(0)
    return (
        f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, capability {properties.major}.{properties.minor}"
    )


def time_network(network: torch.nn.Module, example: torch.Tensor, arguments: argparse.Namespace) -> dict[str, Any]:
    """All variants of one network: seconds of the first call, milliseconds of the later ones, memory, difference."""
    import torch

    network = network.to(arguments.device)
    example = example.to(arguments.device)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with torch.inference_mode():
        reference = network(example).float()
    rows: dict[str, Any] = {}
    for name, prepare in variants(network, arguments):
        try:
            rows[name] = time_variant(prepare, example, reference, arguments)
        except Exception as error:  # a variant that this GPU or version lacks is a result too
            rows[name] = {"failed": (str(error).strip().splitlines() or [type(error).__name__])[0][:100]}
            print(f"{name:<44}  {rows[name]['failed']}", flush=True)
            continue
        row = rows[name]
        print(
            f"{name:<44}{row['first_s']:>10.2f}{row['median_ms']:>12.2f}{row['memory_gb']:>12.2f}"
            f"{row['difference']:>12.2g}",
            flush=True,
        )
    return rows


def variants(
    network: torch.nn.Module, arguments: argparse.Namespace
) -> Iterator[tuple[str, Callable[[torch.Tensor], Forward]]]:
    """Name of a variant, and what makes its forward function from an example input."""
    import torch

    layouts = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last_3d}
    modes = ["eager"]
    if arguments.device == "cuda":
        modes.append("CUDA graph")
    if not arguments.skip_compile:
        modes += ["compile", "compile, reduce-overhead"]
    for precision in PRECISIONS:
        for layout, memory_format in layouts.items():
            for mode in modes:

                def prepare(
                    example: torch.Tensor,
                    precision: str = precision,
                    memory_format: Any = memory_format,
                    mode: str = mode,
                ) -> Forward:
                    return variant(network, example, precision, memory_format, mode)

                yield f"{precision}, {layout}, {mode}", prepare


def variant(network: torch.nn.Module, example: torch.Tensor, precision: str, memory_format: Any, mode: str) -> Forward:
    """A function from a window on the device to its logits."""
    import torch

    network = network.to(memory_format=memory_format)  # type: ignore[call-overload]
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    half = getattr(torch, precision) if precision.endswith("16") else None
    kind = example.device.type
    runner: Any = network
    if mode.startswith("compile"):
        torch.compiler.reset()
        runner = torch.compile(network, mode="reduce-overhead" if "reduce" in mode else "default")

    def forward(part: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast(kind, dtype=half or torch.bfloat16, enabled=half is not None):
            return runner(part.contiguous(memory_format=memory_format))

    return captured(forward, example) if mode == "CUDA graph" else forward


def captured(forward: Forward, example: torch.Tensor) -> Forward:
    """The same function as one CUDA graph, for windows like ``example``."""
    import torch

    placeholder = example.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            forward(placeholder)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = forward(placeholder)

    def replay(part: torch.Tensor) -> torch.Tensor:
        placeholder.copy_(part)
        graph.replay()
        return logits.clone()

    return replay


def time_variant(
    prepare: Callable[[torch.Tensor], Forward],
    example: torch.Tensor,
    reference: torch.Tensor,
    arguments: argparse.Namespace,
) -> dict[str, float]:
    """Seconds of preparation and first call, median milliseconds of the later ones with the transfers of an engine."""
    import torch

    cuda = example.is_cuda
    if cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    host = example.cpu()
    start = time.perf_counter()
    forward = prepare(example)
    logits = forward(host.to(example.device)).float().cpu()
    first = time.perf_counter() - start
    times = []
    for _ in range(arguments.repeats):
        start = time.perf_counter()
        logits = forward(host.to(example.device)).float().cpu()  # the copy back waits for the device
        times.append(time.perf_counter() - start)
    return {
        "first_s": first,
        "median_ms": 1000 * statistics.median(times),
        "memory_gb": torch.cuda.max_memory_allocated() / 1e9 if cuda else 0.0,
        "difference": float((logits - reference.cpu()).abs().max()),
    }


def time_case(arguments: argparse.Namespace) -> dict[str, Any]:
    """The whole case: in fresh processes, and the second of two in one process, by step."""
    from BraTSOSLib.case import read_case
    from BraTSOSLib.segmentation import Segmenter

    program = "from BraTSOSLib.cli import main; import sys; sys.exit(main())"
    fresh = []
    with tempfile.TemporaryDirectory() as folder:
        command = ["segment", str(arguments.case), "--output", f"{folder}/x.nii.gz", "--device", arguments.device]
        if arguments.card is not None:
            command += ["--model", str(arguments.card)]
        for _ in range(arguments.runs):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", program, *command], check=True, stdout=subprocess.DEVNULL)
            fresh.append(time.perf_counter() - start)
    start = time.perf_counter()
    case = read_case(arguments.case)
    reading = time.perf_counter() - start
    segmenter = Segmenter(arguments.card, device=arguments.device, engine="torch")
    segmenter(case)
    start = time.perf_counter()
    segmenter(case)
    again = time.perf_counter() - start
    print(f"Whole case, fresh process: {', '.join(f'{seconds:.2f}' for seconds in fresh)} s")
    print(f"In one process: reading {reading:.2f} s, second segmentation {again:.2f} s")
    return {"fresh_s": fresh, "reading_s": reading, "second_segmentation_s": again}


if __name__ == "__main__":
    main()
