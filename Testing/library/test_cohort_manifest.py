"""The manifest: what makes a case stale, who may claim it, and where it lies."""

from __future__ import annotations

import os
import sqlite3
import threading
import time

import pytest
from cohort_cases import CONTROL, MEASURED, STAGE, Bench

from BraTSOSLib.cohort import case_states, run_cohort
from BraTSOSLib.cohort import manifest as manifest_module
from BraTSOSLib.cohort.devices import share_machine
from BraTSOSLib.cohort.filesystem import file_system, is_network
from BraTSOSLib.cohort.fingerprints import in_place
from BraTSOSLib.cohort.leases import Membership
from BraTSOSLib.cohort.manifest import SCHEMA_VERSION, Manifest
from BraTSOSLib.errors import BraTSOSError, Cancelled, InputError


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    bench = Bench(tmp_path, "a", "b")
    monkeypatch.setenv(CONTROL, str(bench.control))
    monkeypatch.setenv(MEASURED, "")
    yield bench
    bench.close()


def run(cohort, **settings):
    return run_cohort(cohort.input, cohort.output, **{"stage": STAGE, **settings})


def test_only_what_changed_is_done_again(cohort):
    result = run(cohort)
    assert (result.total, result.done, result.failed) == (2, 2, 0)
    run(cohort)
    assert cohort.begun() == {"a": 1, "b": 1}

    scan = cohort.input / "a" / "a_t1.nii.gz"
    before = os.stat(scan)
    scan.write_text("T1 of a")  # of the same length, and with the old time put back
    os.utime(scan, ns=(before.st_atime_ns, before.st_mtime_ns))
    run(cohort)
    assert cohort.begun() == {"a": 2, "b": 1}, "changed content"

    os.utime(cohort.input / "b" / "b_t1.nii.gz")
    run(cohort)
    assert cohort.begun() == {"a": 2, "b": 1}, "a touched file is read, and found to be the same"
    assert cohort.states() == {"a": "done", "b": "done"}

    run(cohort, fast=True)
    assert cohort.begun() == {"a": 3, "b": 2}, "other settings"
    run(cohort, fast=True, options={"depth": 2})
    assert cohort.begun() == {"a": 4, "b": 3}, "other options of the stage"
    cohort.check()


def test_other_weights_make_all_cases_stale(cohort, monkeypatch):
    import cohort_cases

    monkeypatch.setattr(cohort_cases, "weights", lambda settings: "first", raising=False)
    run(cohort)
    run(cohort)
    assert cohort.begun() == {"a": 1, "b": 1}
    monkeypatch.setattr(cohort_cases, "weights", lambda settings: "second")
    run(cohort)
    assert cohort.begun() == {"a": 2, "b": 2}
    assert {row["weights"] for row in cohort.rows().values()} == {"second"}


def test_outputs_that_were_lost_or_changed_are_made_again(cohort):
    run(cohort)
    (cohort.output / "cases" / "a" / "survival.json").unlink()
    (cohort.output / "cases" / "b" / "survival.json").write_text("mine")
    run(cohort)
    assert cohort.begun() == {"a": 2, "b": 2}
    cohort.check()


def test_files_of_others_beside_the_outputs_stay(cohort):
    run(cohort)
    (cohort.output / "cases" / "a" / "notes.txt").write_text("keep")
    run(cohort, fast=True)
    assert (cohort.output / "cases" / "a" / "notes.txt").read_text() == "keep"


def test_a_case_that_left_the_input_is_not_listed_any_more(cohort):
    run(cohort)
    (cohort.input / "a").rename(cohort.folder / "a")
    assert run(cohort).total == 1
    assert cohort.states() == {"b": "done"}
    (cohort.folder / "a").rename(cohort.input / "a")
    assert run(cohort).total == 2
    assert cohort.begun() == {"a": 1, "b": 1}, "it was done before, and is remembered"


def test_failed_cases_are_tried_again_by_the_next_run(cohort):
    from cohort_cases import write_cases

    write_cases(cohort.input, "bad")
    assert run(cohort).failed == 1
    assert run(cohort).failed == 1
    assert cohort.begun() == {"a": 1, "b": 1, "bad": 2}
    states = {row["name"]: row for row in case_states(cohort.output)}
    assert states["bad"]["error"] == "The scans of bad are bad: use others."
    assert states["a"]["state"] == "done"


def test_cancelling_gives_cases_back(cohort):
    from cohort_cases import write_cases

    write_cases(cohort.input, "wait")
    events = []
    with pytest.raises(Cancelled):
        run(cohort, notify=events.append, cancel=lambda: (cohort.control / "wait.pid").exists())
    assert cohort.states() == {"a": "done", "b": "done", "wait": "waiting"}
    assert {"event": "returned", "case": "wait"} in events
    cohort.check()


def test_a_stage_that_cannot_be_imported_is_refused_before_the_work(cohort):
    for stage in ("no_such_module:run", "cohort_cases:no_such_function", "cohort_cases"):
        with pytest.raises(InputError, match="cannot be imported"):
            run(cohort, stage=stage)
    assert not cohort.output.exists()


def test_hashes_of_the_real_stage_follow_the_models(tmp_path, monkeypatch):
    from BraTSOSLib.cohort.settings import CohortSettings, weights_hash
    from BraTSOSLib.resources import resource
    from BraTSOSLib.segmentation.segmenter import BUNDLED

    card = tmp_path / "card.json"
    card.write_bytes(resource("Models", f"{BUNDLED}.json").read_bytes())
    same = weights_hash(CohortSettings(model=str(card)))
    assert same == weights_hash(CohortSettings())
    card.write_bytes(card.read_bytes().replace(b'"sha256"', b'"sha255"', 1))
    assert weights_hash(CohortSettings(model=str(card))) != same
    with pytest.raises(InputError):
        weights_hash(CohortSettings(model="no-such-model"))


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:40 / {0}/net rw - nfs4 server:/export rw
23 22 0:41 / {0}/net/local\\040disk rw - ext4 /dev/sdb1 rw
24 21 0:42 / {0}/share rw - cifs //server/share rw
25 21 0:43 / {0}/ssh rw - fuse.sshfs me@server: rw
26 21 0:44 / {0}/twice rw - ext4 /dev/sdc1 rw
27 21 0:45 / {0}/twice rw - lustre mds:/work rw
"""


def test_network_file_systems_are_noticed(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.format(tmp_path))
    expected = {
        "net": "nfs4", "net/local disk": "ext4", "net/below": "nfs4", "share": "cifs", "ssh": "fuse.sshfs",
        "twice": "lustre", "network": "ext4", ".": "ext4",
    }  # fmt: skip
    for folder, kind in expected.items():
        assert file_system(tmp_path / folder, mounts) == kind, folder
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        assert is_network(tmp_path / folder, mounts) == (kind != "ext4")
    assert is_network(tmp_path / "share" / "not" / "made" / "yet", mounts)


def test_the_journal_suits_the_file_system(tmp_path, monkeypatch):
    with Manifest(tmp_path) as manifest:
        assert manifest.query("PRAGMA journal_mode")[0][0] == "wal"
    monkeypatch.setattr(manifest_module, "is_network", lambda folder: True)
    with Manifest(tmp_path) as manifest:
        assert manifest.query("PRAGMA journal_mode")[0][0] == "delete"
        assert manifest.query("PRAGMA synchronous")[0][0] == 2
        with manifest.transaction() as database:
            database.execute("INSERT INTO locks VALUES ('x', 'y')")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.sqlite"]


def test_what_is_no_manifest_or_a_newer_one_is_refused(tmp_path):
    path = tmp_path / "manifest.sqlite"
    path.write_text("not a database, but rather long " * 100)
    with pytest.raises(BraTSOSError, match="damaged"):
        Manifest(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    with pytest.raises(InputError, match="no manifest"):
        Manifest(tmp_path)
    path.unlink()
    with Manifest(tmp_path) as manifest:
        manifest.database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(InputError, match="update BraTSOS"):
        Manifest(tmp_path)
    with pytest.raises(InputError, match="no cohort's output"):
        case_states(tmp_path / "elsewhere")


def claim(manifest, membership, *names):
    with manifest.transaction() as database:
        for name in names:
            database.execute(
                "INSERT INTO cases (name, listed, position, state, owner, token, found_at, source, fingerprint) "
                "VALUES (?, 1, 1, 'running', ?, 't', 'row 2', '{}', '')",
                (name, membership.id),
            )


def states(manifest):
    return {row["name"]: row["state"] for row in manifest.query("SELECT name, state FROM cases")}


def test_leases_are_kept_by_a_heartbeat_and_end_without_it(tmp_path, monkeypatch):
    # As if the two were on different machines, where nobody can see whether a process is there
    hosts = iter("ABCDEFGH")
    monkeypatch.setattr("BraTSOSLib.cohort.leases._host", lambda: next(hosts))
    with Manifest(tmp_path) as manifest, Manifest(tmp_path) as other:
        first = Membership(manifest, settings="s", weights="w", lease=1.5)
        first.join()
        claim(manifest, first, "a")
        second = Membership(other, settings="s", weights="w", lease=1.5)
        monkeypatch.setattr("BraTSOSLib.cohort.leases._is_gone", lambda process: False)
        second.join()
        for _ in range(10):
            second.bury()
            time.sleep(0.2)
        assert states(other) == {"a": "running"}
        first._stop.set()  # its heart stops
        deadline = time.monotonic() + 10
        while states(other) == {"a": "running"} and time.monotonic() < deadline:
            second.bury()
            time.sleep(0.05)
        assert states(other) == {"a": "waiting"}
        assert second.others() == 0
        second.leave()


def test_a_process_of_this_machine_that_is_gone_needs_no_lease(tmp_path):
    with Manifest(tmp_path) as manifest:
        first = Membership(manifest, settings="s", weights="w", lease=1000)
        first.join()
        claim(manifest, first, "a")
        second = Membership(manifest, settings="s", weights="w", lease=1000)
        assert second.bury() == []
        with manifest.transaction() as database:
            database.execute('UPDATE coordinators SET process = replace(process, \'"started": "\', \'"started": "9\')')
        assert second.bury() == [first.id]
        assert states(manifest) == {"a": "waiting"}
        first.leave()


def test_locks_are_held_by_one(tmp_path):
    with Manifest(tmp_path) as manifest:
        first, second = (Membership(manifest, settings="s", weights="w") for _ in range(2))
        first.join()
        second.join()
        assert first.try_lock("x")
        assert first.try_lock("x")
        assert not second.try_lock("x")
        first.leave()
        assert second.try_lock("x")
        second.unlock("x")
        second.leave()


def test_outputs_are_known_again_cheaply(tmp_path):
    from BraTSOSLib.cohort.fingerprints import record_files

    (tmp_path / "a").write_text("content")
    outputs = record_files(tmp_path, ["a"])
    assert in_place(tmp_path, outputs)
    os.utime(tmp_path / "a", (1, 1))
    assert in_place(tmp_path, outputs)
    (tmp_path / "a").write_text("CONTENT")
    assert not in_place(tmp_path, outputs)
    (tmp_path / "a").unlink()
    assert not in_place(tmp_path, outputs)
    assert not in_place(tmp_path, {})


def test_cores_and_gpus_are_shared_out(monkeypatch):
    from BraTSOSLib.cohort import devices

    monkeypatch.setattr(devices, "cores", lambda: 8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    share = share_machine(None, None, "auto")
    assert (share.workers, share.threads, share.gpus) == (2, 4, ("2", "5"))
    assert share.environment(1)["CUDA_VISIBLE_DEVICES"] == "5"
    assert share.environment(0)["OMP_NUM_THREADS"] == "4"
    share = share_machine(6, None, "cuda")
    assert share.workers == 2
    assert "--per-gpu" in (share.note or "")
    assert share_machine(6, None, "cuda", per_gpu=2).workers == 4
    on_cpu = share_machine(3, None, "cpu")
    assert (on_cpu.workers, on_cpu.threads, on_cpu.gpus) == (3, 2, ())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert share_machine(None, None, "auto").workers == 1
    with pytest.raises(InputError, match="0 workers"):
        share_machine(0, None, "cpu")


def test_runs_from_another_thread_leave_signals_alone(cohort):
    results = []
    thread = threading.Thread(target=lambda: results.append(run(cohort)))
    thread.start()
    thread.join()
    assert results[0].done == 2
