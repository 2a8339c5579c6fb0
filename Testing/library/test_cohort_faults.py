"""Whatever is killed, fills up, hangs or is broken: each case is done exactly once or failed with its reason."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import suppress

import pytest
from cohort_cases import Bench, alive, ended, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and process groups are POSIX's")


@pytest.fixture
def bench(tmp_path):
    benches = []

    def make(*names, folder=tmp_path, measured=False):
        benches.append(Bench(folder, *names, measured=measured))
        return benches[-1]

    yield make
    for each in benches:
        each.close()


def undisturbed(bench, tmp_path, *names):
    """The outputs of a run of the same cases to which nothing happens."""
    other = bench(*names, folder=tmp_path / "undisturbed", measured=True)
    other.go()
    assert other.run()[0] == 0
    other.check()
    return other.outputs()


def test_a_worker_killed_in_the_middle_of_a_case(bench):
    cohort = bench("a", "b", "wait")
    process = cohort.start()
    (worker,) = cohort.wait_for("wait")
    (cohort.control / "wait.pid").unlink()
    os.kill(worker, signal.SIGKILL)
    cohort.wait_for("wait")
    cohort.go()
    code, said = ended(process)
    assert code == 0, said
    assert "again: wait: its worker was killed by SIGKILL" in said
    assert cohort.begun() == Counter({"a": 1, "b": 1, "wait": 2})
    assert (cohort.rows()["wait"]["attempts"], cohort.rows()["a"]["attempts"]) == (2, 1)
    cohort.check()


def test_a_case_that_always_kills_its_worker_fails_after_its_attempts(bench):
    cohort = bench("a", "die", "z")
    code, _ = cohort.run("--attempts", "2")
    assert code == 1
    assert cohort.states() == {"a": "done", "die": "failed", "z": "done"}
    assert cohort.begun()["die"] == 2
    assert "2 times and its worker was killed by SIGKILL" in cohort.rows()["die"]["error"]
    assert "die" in (cohort.output / "index.html").read_text()
    cohort.check()


def test_the_coordinator_killed_and_started_again(bench, tmp_path):
    names = ("a", "b", "wait1", "wait2", "z")
    cohort = bench(*names, measured=True)
    process = cohort.start("--workers", "2")
    workers = cohort.wait_for("wait1", "wait2")
    until(lambda: list(cohort.states().values()).count("done") == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(alive(pid) for pid in workers))
    assert set(cohort.states().values()) == {"done", "running", "waiting"}
    cohort.go()
    code, said = cohort.run("--workers", "2")
    assert code == 0, said
    assert cohort.begun() == Counter({"a": 1, "b": 1, "wait1": 2, "wait2": 2, "z": 1})
    cohort.check()
    assert cohort.outputs() == undisturbed(bench, tmp_path, *names)


def test_interrupting_gives_the_cases_back(bench):
    cohort = bench("a", "wait", "z")
    process = cohort.start()
    cohort.wait_for("wait")
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert cohort.states() == {"a": "done", "wait": "waiting", "z": "waiting"}
    cohort.check()
    cohort.go()
    code, said = cohort.run()
    assert code == 0, said
    assert cohort.begun() == Counter({"a": 1, "wait": 2, "z": 1})
    cohort.check()


def test_a_hanging_case_is_killed_with_all_that_it_started(bench):
    cohort = bench("a", "hang", "z")
    code, said = cohort.run("--case-timeout", "0.5")
    assert code == 1, said
    assert cohort.states() == {"a": "done", "hang": "failed", "z": "done"}
    assert "time limit of 0.5 s" in cohort.rows()["hang"]["error"]
    (child,) = cohort.wait_for("hang")
    until(lambda: not alive(child))
    assert cohort.begun()["hang"] == 1
    cohort.check()


def test_a_third_of_the_cases_broken_in_different_ways(bench, tmp_path):
    good = tuple(f"good{number}" for number in range(8))
    cohort = bench(*good, "bad", "bug", "die", "empty", measured=True)
    (cohort.input / "empty" / "empty_t2.nii.gz").write_bytes(b"")
    code, said = cohort.run("--workers", "2")
    assert code == 1, said
    errors = {name: row["error"] for name, row in cohort.rows().items() if row["state"] == "failed"}
    assert set(errors) == {"bad", "bug", "die", "empty"}
    assert errors["bad"] == "The scans of bad are bad: use others."
    assert errors["bug"] == "Unexpected ZeroDivisionError: one of ours"
    assert "empty file" in errors["empty"]
    assert "empty" in said.split("good")[0], "what is wrong is said before any work"
    assert cohort.begun()["empty"] == 0
    cohort.check()
    expected = undisturbed(bench, tmp_path, *good)
    found = cohort.outputs()
    for name in expected:
        if name != "index.html":
            assert found[name] == expected[name], name


def test_a_full_disk_while_outputs_are_written(bench, tmp_path):
    cohort = bench("a", "large", "z")
    cohort.output.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "bratsos-test", str(cohort.output)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs is not allowed here")
    try:
        code, said = cohort.run()
        assert code == 1, said
        assert cohort.states() == {"a": "done", "large": "failed", "z": "done"}
        assert "disk of the output folder is full" in cohort.rows()["large"]["error"]
        cohort.check()
        subprocess.run(["mount", "-o", "remount,size=16m", str(cohort.output)], check=True)
        code, said = cohort.run()
        assert code == 0, said
        assert cohort.begun() == Counter({"a": 1, "large": 2, "z": 1})
        cohort.check()
    finally:
        subprocess.run(["umount", str(cohort.output)], check=True)


def test_two_coordinators_share_a_folder(bench):
    names = (*(f"case{number:02}" for number in range(40)), "wait1", "wait2")
    cohort = bench(*names)
    first, second = cohort.start(), cohort.start()
    cohort.wait_for("wait1", "wait2")  # one worker each
    cohort.go()
    (code, said), (other_code, other_said) = ended(first), ended(second)
    assert (code, other_code) == (0, 0), said + other_said
    assert "42 of 42 cases done" in said
    assert "42 of 42 cases done" in other_said
    assert set(cohort.begun().values()) == {1}
    cohort.check()


def test_a_second_coordinator_takes_over_from_a_killed_one(bench):
    cohort = bench("wait1", "wait2")
    first = cohort.start()
    cohort.wait_for("wait1")
    second = cohort.start()
    cohort.wait_for("wait2")
    first.send_signal(signal.SIGKILL)
    cohort.go()
    code, said = ended(second)
    assert code == 0, said
    assert cohort.begun() == Counter({"wait1": 2, "wait2": 1})
    cohort.check()


def test_a_stopped_coordinator_loses_its_lease_and_not_the_order(bench):
    cohort = bench("a", "wait")
    first = cohort.start("--lease", "1")
    (worker,) = cohort.wait_for("wait")
    (cohort.control / "wait.pid").unlink()
    first.send_signal(signal.SIGSTOP)
    os.kill(worker, signal.SIGSTOP)
    second = cohort.start("--lease", "1")
    cohort.wait_for("wait")
    cohort.go()
    assert ended(second)[0] == 0
    done = cohort.rows()["wait"]["outputs"]
    os.kill(worker, signal.SIGCONT)
    first.send_signal(signal.SIGCONT)
    code, said = ended(first)
    assert code == 0, said
    assert cohort.rows()["wait"]["outputs"] == done, "what comes too late must not replace what was recorded"
    cohort.check()


def test_other_settings_wait_for_a_run_at_work(bench):
    cohort = bench("wait")
    first = cohort.start("--lease", "1")
    cohort.wait_for("wait")
    code, said = cohort.run("--fast", "--lease", "1")
    assert code == 2
    assert "Another run with other settings" in said
    cohort.go()
    assert ended(first)[0] == 0
    cohort.check()


@pytest.fixture
def dask(bench, tmp_path):
    """Start and kill a Dask scheduler and its worker by hand."""
    distributed = pytest.importorskip("distributed")
    del distributed
    started = []

    def start(cohort, what, *options):
        module = f"distributed.cli.dask_{what}"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, "--no-dashboard"],
            env=cohort.environment() | {"DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"},
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port():
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def test_the_dask_scheduler_lost_and_back(bench, dask, tmp_path):
    names = ("a", "b", "bad", "wait1", "wait2")
    cohort = bench(*names)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    worker = (address, "--nthreads", "2", "--no-nanny", "--local-directory", str(tmp_path / "dask"))
    scheduler = dask(cohort, "scheduler", "--host", "127.0.0.1", "--port", port)
    dask(cohort, "worker", *worker)
    process = cohort.start("--scheduler", address)
    workers = cohort.wait_for("wait1", "wait2")
    until(lambda: list(cohort.states().values()).count("done") == 2)
    for name in ("wait1", "wait2"):
        (cohort.control / f"{name}.pid").unlink()
    scheduler.send_signal(signal.SIGKILL)
    scheduler.wait()
    until(lambda: not any(alive(pid) for pid in workers))
    dask(cohort, "scheduler", "--host", "127.0.0.1", "--port", port)
    dask(cohort, "worker", *worker)
    cohort.wait_for("wait1", "wait2")
    cohort.go()
    code, said = ended(process)
    assert code == 1, said
    assert "lost: waiting for it" in said
    assert "is back" in said
    assert cohort.begun() == Counter({"a": 1, "b": 1, "bad": 1, "wait1": 2, "wait2": 2})
    assert Counter(cohort.states().values()) == Counter(done=4, failed=1)
    cohort.check()
