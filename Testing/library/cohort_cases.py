"""Tiny cohorts whose stage does as it is told, and what must hold after whatever happened to a run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from BraTSOSLib.case import MODALITIES
from BraTSOSLib.cohort.stage import StageJob
from BraTSOSLib.errors import Cancelled, InputError

ROOT = Path(__file__).resolve().parents[2]
STAGE = "cohort_cases:steered"
CONTROL, MEASURED = "COHORT_TEST_CONTROL", "COHORT_TEST_MEASURED"
LONGEST = 60.0
"""Seconds after which a test that waits gives up."""


def write_cases(folder: Path, *names: str) -> Path:
    """Write cases of four tiny files, which only the steered stage can read."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for kind in MODALITIES:
            (folder / name / f"{name}_{kind}.nii.gz").write_text(f"{kind} of {name}")
    return folder


def steered(job: StageJob) -> dict[str, Any]:
    """A stage that is steered by the case's name and the files in the folder that ``CONTROL`` names.

    ``wait…`` says that it began and waits for the file ``go``; ``hang…`` has a child and never ends; ``die…`` kills
    its worker; ``bad…`` and ``bug…`` raise; ``large…`` writes 3 MB. Everything else is quick.
    """
    control = Path(os.environ[CONTROL])
    with (control / "log").open("a") as log:
        log.write(f"{job.name}\n")
    if job.name.startswith("wait"):
        (control / f"{job.name}.pid").write_text(str(os.getpid()))
        while not (control / "go").exists():
            if job.cancel():
                raise Cancelled("Stopped.")
            time.sleep(0.01)
    if job.name.startswith("hang"):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        (control / f"{job.name}.pid").write_text(str(child.pid))
        child.wait()
    if job.name.startswith("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name.startswith("bad"):
        raise InputError(f"The scans of {job.name} are bad: use others.")
    if job.name.startswith("bug"):
        raise ZeroDivisionError("one of ours")
    if job.name.startswith("large"):
        with (job.folder / "large.bin").open("wb") as file:
            for _ in range(300):
                file.write(bytes(10_000))
    digest = hashlib.sha256(b"".join(Path(path).read_bytes() for path in job.scans.values())).hexdigest()
    (job.folder / "survival.json").write_text(json.dumps({"case": job.name, "digest": digest, **job.clinical}))
    (job.folder / "run.json").write_text(json.dumps({"finished": time.time(), "pid": os.getpid()}))
    if not os.environ.get(MEASURED):
        return {}
    size = int(digest[:6], 16) / 1000
    (job.folder / "features.csv").write_text(f"feature,value\nsize,{size}\nletters,{len(job.name)}\n")
    return {"volumes": {"NCR": 0.5, "ED": size, "ET": 1.0, "TC": 1.5, "WT": size + 1.5}}


class Bench:
    """A folder with a cohort, its control folder and its output; runs ``bratsos cohort`` in processes of their own.

    Only where ``measured`` do cases have features and volumes: without them there is little to collect, quickly.
    """

    def __init__(self, folder: Path, *names: str, measured: bool = False) -> None:
        self.folder, self.measured = folder, measured
        self.input, self.output, self.control = (folder / name for name in ("in", "out", "control"))
        self.control.mkdir(parents=True, exist_ok=True)
        write_cases(self.input, *names)
        self._started: list[subprocess.Popen[str]] = []

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        return {**os.environ, "PYTHONPATH": path, CONTROL: str(self.control), MEASURED: "1" * self.measured}

    def start(self, *options: str) -> subprocess.Popen[str]:
        code = "import sys; from BraTSOSLib.cli import main; sys.exit(main())"
        command = [sys.executable, "-c", code, "cohort", str(self.input), "-o", str(self.output), "--stage", STAGE]
        # A group of its own, so that a test's Ctrl-C reaches it alone
        process = subprocess.Popen(
            [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment(),
            start_new_session=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def run(self, *options: str) -> tuple[int, str]:
        return ended(self.start(*options))

    def wait_for(self, *names: str) -> list[int]:
        """Wait until cases say that they began; return the processes that work on them."""
        pids = []
        for name in names:
            marker = self.control / f"{name}.pid"
            until(lambda marker=marker: marker.exists() and marker.read_text())
            pids.append(int(marker.read_text()))
        return pids

    def go(self) -> None:
        (self.control / "go").touch()

    def begun(self) -> Counter[str]:
        """How often work on each case began."""
        log = self.control / "log"
        return Counter(log.read_text().split()) if log.exists() else Counter()

    def states(self) -> dict[str, str]:
        return {name: row["state"] for name, row in self.rows().items()}

    def rows(self) -> dict[str, sqlite3.Row]:
        database = sqlite3.connect(self.output / "manifest.sqlite")
        database.row_factory = sqlite3.Row
        with database:
            rows = {row["name"]: row for row in database.execute("SELECT * FROM cases WHERE listed")}
        database.close()
        return rows

    def check(self) -> None:
        """Check what must hold after every run, whatever happened to it."""
        database = sqlite3.connect(self.output / "manifest.sqlite")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM coordinators").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM locks").fetchone() == (0,)
        database.close()
        left = [path.name for path in self.output.rglob("*") if "bratsos-" in path.name or path.suffix == ".tmp"]
        assert left == []
        kept = {"manifest.sqlite", "cases", "features.csv", "features.parquet", "volumes.csv", "survival.csv"}
        kept |= {"index.html", "observed.csv", "evaluation.html"}
        assert {path.name for path in self.output.iterdir()} <= kept
        for name, row in self.rows().items():
            folder = self.output / "cases" / name
            if row["state"] == "done":
                recorded = json.loads(row["outputs"])
                assert {path.name for path in folder.iterdir()} == set(recorded)
                for file, (size, _, digest) in recorded.items():
                    content = (folder / file).read_bytes()
                    assert (len(content), hashlib.sha256(content).hexdigest()) == (size, digest)
            else:
                assert not folder.exists() or list(folder.iterdir()) == []
                assert row["state"] != "failed" or row["error"]

    def outputs(self) -> dict[str, bytes]:
        """Everything but what may hold times: the files' contents by their paths."""
        return {
            str(path.relative_to(self.output)): path.read_bytes()
            for path in sorted(self.output.rglob("*"))
            if path.is_file() and path.name not in ("run.json", "manifest.sqlite")
        }

    def close(self) -> None:
        for process in self._started:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process; return its exit code and what it said."""
    said, _ = process.communicate(timeout=LONGEST)
    return process.returncode, said


def until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
