"""Kills processes of a cohort at random moments, again and again, and compares what comes out with a quiet run.

    python Testing/benchmarks/soak_cohort.py [--minutes 5] [--cases 40] [--seed 0]

Each round is a cohort of its own: one or two coordinators with two workers each; now and then a worker or a coordinator
gets SIGKILL, a coordinator SIGINT, or SIGSTOP for a while, long enough to lose its lease; whenever none is left, one is
started. A round ends when a coordinator says that all is done; then every output must be that of the quiet run byte for
byte (run.json, which holds the times, aside), each recorded file have its recorded hash, nothing temporary be left and
the manifest be sound.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "library"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cohort_cases
from cohort_cases import Bench, ended

LEASE = "2"


def slow_stage(job: Any) -> dict[str, Any]:
    """Write several files with pauses in between, so that a kill finds a case half-written."""
    content = hashlib.sha256(b"".join(Path(path).read_bytes() for path in job.scans.values())).hexdigest()
    (job.folder / "features.csv").write_text(f"feature,value\nsize,{int(content[:6], 16)}\n")
    for number in range(4):
        time.sleep(0.03)
        (job.folder / f"part{number}.bin").write_bytes(bytes.fromhex(content) * 500 * (number + 1))
    (job.folder / "run.json").write_text(json.dumps({"finished": time.time()}))
    return {"volumes": {"WT": int(content[:4], 16) / 100}}


def children(pid: int) -> list[int]:
    """The processes whose parent is ``pid``."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    found.append(int(entry.name))
    return found


def main() -> None:
    """Run rounds until the time is over; stop at the first difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cohort_cases.STAGE = "soak_cohort:slow_stage"
    chance = random.Random(given.seed)
    names = [f"case{number:03}" for number in range(given.cases)]
    with tempfile.TemporaryDirectory() as folder:
        quiet = _bench(Path(folder) / "quiet", names)
        assert ended(quiet.start())[0] == 0
        expected = quiet.outputs()
        deadline = time.monotonic() + 60 * given.minutes
        rounds, happened = 0, Counter[str]()
        while time.monotonic() < deadline:
            bench = _bench(Path(folder) / f"round{rounds}", names)
            happened += _round(bench, chance)
            bench.check()
            assert bench.outputs() == expected, f"round {rounds} differs: {bench.output}"
            rounds += 1
            shown = ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
            print(f"{rounds} rounds of {given.cases} cases, all as in the quiet run; {shown}", flush=True)


def _bench(folder: Path, names: list[str]) -> Bench:
    bench = Bench(folder, *names)
    original = bench.environment

    def environment() -> dict[str, str]:
        variables = original()
        here = str(Path(__file__).resolve().parent)
        return variables | {"PYTHONPATH": os.pathsep.join([variables["PYTHONPATH"], here])}

    bench.environment = environment  # type: ignore[method-assign]
    return bench


def _round(bench: Bench, chance: random.Random) -> Counter[str]:
    happened = Counter[str]()
    running: list[Any] = []
    while True:
        codes = []
        for process in [process for process in running if process.poll() is not None]:
            running.remove(process)
            codes.append(_code(process))
        if 0 in codes:
            codes += [_code(process) for process in running]
            running.clear()
            if set(codes) == {0}:
                return happened
            # One was killed while the other said that all is done: whatever it left is cleared by the next
        while not running or (len(running) < 2 and chance.random() < 0.1):
            running.append(bench.start("--workers", "2", "--lease", LEASE, "--attempts", "1000"))
            happened["coordinators started"] += 1
        time.sleep(chance.uniform(0.3, 6.0))
        victim = chance.choice(running)
        dice = chance.random()
        if dice < 0.35:
            workers = children(victim.pid)
            if workers:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(workers), signal.SIGKILL)
                    happened["workers killed"] += 1
        elif dice < 0.65:
            victim.send_signal(signal.SIGKILL)
            happened["coordinators killed"] += 1
        elif dice < 0.75:
            victim.send_signal(signal.SIGINT)
            happened["coordinators interrupted"] += 1
        elif dice < 0.85 and len(running) > 1:
            victim.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.5, 2.5) * float(LEASE))
            victim.send_signal(signal.SIGCONT)
            happened["coordinators stopped for a while"] += 1


def _code(process: Any) -> int:
    """Wait for a coordinator; return its exit code, which only what was done to it may explain."""
    code, said = ended(process)
    # -SIGINT: interrupted before Python had loaded the program
    assert code in (0, -signal.SIGKILL, -signal.SIGINT, 130), f"exit code {code}: {said}"
    return code


if __name__ == "__main__":
    main()
