"""What the cohort machinery costs per case and in memory, and how two workers compare with two single processes.

    python Testing/benchmarks/bench_cohort.py [--cases 10000] [--workers 1 2] [--real FOLDER] [--real-cases 6]

Overhead: cases of four files of a few bytes with a stage that writes two small files, so that nearly everything that
is measured is finding, claiming, telling, hashing, renaming and recording. Each run is a process of its own; `ms per
case` is from the first case begun to the last one recorded, `CPU` the coordinator's part of it. Memory is given at a
tenth of the cases and at the end: it must not grow. With --real, a folder of real cases: the same number of cases in
one worker, in two workers, and shared out to two single `bratsos cohort` processes side by side, one thread each;
before that, what the parts of one case cost in CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODALITIES = ("t1", "t1ce", "t2", "flair")


def stub(job: Any) -> dict[str, Any]:
    """A stage that costs next to nothing; notes the memory of its worker."""
    (job.folder / "features.csv").write_text("feature,value\nfirst,1.5\nsecond,2.5\n")
    (job.folder / "run.json").write_text(json.dumps({"memory_mb": memory_mb()}))
    return {"volumes": {"WT": 1.0}}


def memory_mb() -> float:
    """Memory that this process holds (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def overhead(folder: Path, cases: int, workers: int) -> dict[str, Any]:
    """Run a cohort of tiny cases in this process and return its figures."""
    from BraTSOSLib.cohort import run_cohort

    marks: dict[str, tuple[float, float]] = {}
    memory: list[float] = []
    finished = 0

    def notify(event: dict[str, Any]) -> None:
        nonlocal finished
        if event["event"] in ("found", "started", "collecting") and event["event"] not in marks:
            marks[event["event"]] = time.perf_counter(), time.process_time()
        finished += event["event"] == "done"
        if event["event"] == "done" and finished in (cases // 10, cases):
            memory.append(memory_mb())

    output = folder / "out"
    began = time.perf_counter()
    result = run_cohort(folder / "in", output, workers=workers, threads=1, stage="bench_cohort:stub", notify=notify)
    ended = time.perf_counter()
    assert result.done == cases
    notes = [json.loads((output / "cases" / f"case{n:06}" / "run.json").read_text()) for n in (cases // 10, cases - 1)]
    (first, first_cpu), (last, last_cpu) = marks["started"], marks["collecting"]
    return {
        "cases": cases,
        "workers": workers,
        "ms_per_case": 1000 * (last - first) / cases,
        "coordinator_cpu_ms_per_case": 1000 * (last_cpu - first_cpu) / cases,
        "finding_ms_per_case": 1000 * (marks["found"][0] - began) / cases,
        "collecting_ms_per_case": 1000 * (ended - last) / cases,
        "coordinator_mb_at_a_tenth_and_at_the_end": memory,
        "worker_mb_at_a_tenth_and_at_the_end": [note["memory_mb"] for note in notes],
        "manifest_bytes_per_case": (output / "manifest.sqlite").stat().st_size / cases,
    }


def write_tiny_cases(folder: Path, cases: int) -> None:
    """Write cases that a stub can work on."""
    for number in range(cases):
        case = folder / "in" / f"case{number:06}"
        case.mkdir(parents=True)
        for kind in MODALITIES:
            (case / f"{case.name}_{kind}.nii.gz").write_text(f"{kind} {number}")


def real(folder: Path, source: Path, cases: int) -> dict[str, float]:
    """Time real cases in one worker, in two, and in two single processes; seconds of wall and of CPU time."""
    from BraTSOSLib.cohort import find_cases

    with find_cases(source) as found:
        chosen = [case for case in found if case.problem is None][:cases]
    tables = {"all": chosen, "first": chosen[::2], "second": chosen[1::2]}
    for name, members in tables.items():
        lines = [",".join([case.name, *(case.scans[kind] for kind in MODALITIES), "60", "GTR"]) for case in members]
        header = "case,t1,t1ce,t2,flair,age,resection"
        (folder / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    _timed(folder, [("first", 1)])  # fills the engine's cache
    one = _timed(folder, [("all", 1)])
    two = _timed(folder, [("all", 2)])
    apart = _timed(folder, [("first", 1), ("second", 1)])
    return {
        "cases": len(chosen),
        "one_worker_s": one[0],
        "two_workers_s": two[0],
        "two_single_processes_s": apart[0],
        "one_worker_cpu_s": one[1],
        "two_workers_cpu_s": two[1],
        "two_single_processes_cpu_s": apart[1],
        "speed_up": one[0] / two[0],
        "efficiency": apart[0] / two[0],
    }


def parts(source: Path) -> dict[str, float]:
    """CPU seconds of each part of one real case, with everything loaded by a first round."""
    from BraTSOSLib.case import read_case
    from BraTSOSLib.cohort import find_cases
    from BraTSOSLib.cohort.fingerprints import inputs_hash
    from BraTSOSLib.cohort.thumbnail import draw_thumbnail
    from BraTSOSLib.pipeline import run_case
    from BraTSOSLib.segmentation import segment_case

    with find_cases(source) as found:
        chosen = next(case for case in found if case.problem is None)
    seconds: dict[str, float] = {}

    def timed(name: str, work: Any, *arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        result = work(*arguments, **options)
        seconds[name] = time.process_time() - began
        return result

    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            timed("hash the inputs", inputs_hash, chosen.source())
            case = timed("read", read_case, **chosen.scans)
            labels = timed("segment", segment_case, case, device="cpu").labels
            timed("features, prediction, report, writing", run_case, case, output=folder, labels=labels)
            timed("thumbnail", draw_thumbnail, case, labels, Path(folder) / "thumbnail.png")
    return seconds


def _timed(folder: Path, runs: list[tuple[str, int]]) -> tuple[float, float]:
    before = os.times()
    began = time.perf_counter()
    code = "import sys; from BraTSOSLib.cli import main; sys.exit(main())"
    processes = []
    for name, workers in runs:
        output = folder / f"out-{name}"
        shutil.rmtree(output, ignore_errors=True)
        options = [str(folder / f"{name}.csv"), "-o", str(output), "--workers", str(workers), "--threads", "1"]
        command = [sys.executable, "-c", code, "cohort", *options, "--device", "cpu", "--json"]
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environment()))
    for process in processes:
        assert process.wait() == 0
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, cpu


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).resolve().parent)])
    return {**os.environ, "PYTHONPATH": path}


def main() -> None:
    """Measure and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--real", type=Path)
    parser.add_argument("--real-cases", type=int, default=6)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        folder, workers = given.one.split("|")
        print(json.dumps(overhead(Path(folder), given.cases, int(workers))), flush=True)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if given.workers:
            write_tiny_cases(folder, given.cases)
        for workers in given.workers:
            shutil.rmtree(folder / "out", ignore_errors=True)
            options = ["--cases", str(given.cases), "--one", f"{folder}|{workers}"]
            subprocess.run([sys.executable, __file__, *options], check=True, env=_environment())
        if given.real is not None:
            print(json.dumps(parts(given.real)), flush=True)
            print(json.dumps(real(folder, given.real, given.real_cases)), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
