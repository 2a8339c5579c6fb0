"""From a worker's private folder to the case's own: outputs appear together, under the manifest's lock, recorded."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .manifest import DONE, FAILED, RUNNING, WAITING, Manifest, from_json
from .merging import CASES

WORK = ".bratsos-work"
"""The folder of unfinished work, in the output folder; in it each coordinator has one."""


def work_folder(output: Path, owner: str) -> Path:
    """Return the folder of a coordinator's unfinished work.

    In it a worker makes one for each case, whose name begins with the claim's token.
    """
    return output / WORK / owner


def publish(
    manifest: Manifest, output: Path, row: Mapping[str, Any], result: Mapping[str, Any], hashes: Mapping[str, str]
) -> bool:
    """Move a finished case's outputs into place and record them; return whether the claim was still ours.

    Parameters
    ----------
    manifest : Manifest
    output : Path
        The cohort's folder.
    row : mapping
        ``name``, ``token`` of the claim.
    result : mapping
        The worker's report: ``folder``, ``outputs`` (file to record, in the order in which they are to appear),
        ``inputs``, ``summary``, ``features``, ``seconds``, ``worker``.
    hashes : mapping
        ``settings`` and ``weights``.

    Notes
    -----
    Killed between the first move and the commit, the manifest still says that the case is being worked on, and it is
    done again.
    """
    target = os.path.join(output, CASES, row["name"])
    outputs: dict[str, Any] = result["outputs"]
    with manifest.transaction() as database:
        mine = database.execute(
            "SELECT outputs FROM cases WHERE name = ? AND token = ? AND state = ?", (row["name"], row["token"], RUNNING)
        ).fetchone()
        if mine is None:
            return False
        source = os.path.join(work_folder(output, row["owner"]), result["folder"])
        _move(source, target, list(outputs), list(from_json(mine["outputs"]) or {}))
        database.execute(
            "UPDATE cases SET state = ?, owner = NULL, token = NULL, worker = ?, finished = ?, seconds = ?, "
            "error = NULL, inputs = ?, settings = ?, weights = ?, outputs = ?, summary = ?, features = ? "
            "WHERE name = ?",
            (
                DONE,
                result.get("worker"),
                time.time(),
                result.get("seconds"),
                result["inputs"],
                hashes["settings"],
                hashes["weights"],
                json.dumps(outputs),
                json.dumps(result.get("summary") or {}),
                result.get("features"),
                row["name"],
            ),
        )
    return True


def _move(source: str, target: str, names: list[str], older: list[str]) -> None:
    """Move a result into its folder; other files that somebody may keep there stay.

    The file that comes last is removed first, so that a half-moved result does not look whole.
    """
    if not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.rename(source, target)
        return
    for name in [names[-1], *(name for name in older if name not in names)]:
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(target, name))
    for name in names:
        os.replace(os.path.join(source, name), os.path.join(target, name))
    with suppress(OSError):
        os.rmdir(source)


def keep(manifest: Manifest, row: Mapping[str, Any]) -> bool:
    """Record that the inputs of a case turned out to be the ones that its outputs were made from."""
    return _release(manifest, row, DONE, None)


def give_back(manifest: Manifest, row: Mapping[str, Any], *, crashed: bool = False) -> bool:
    """Let a claimed case wait again; ``crashed`` counts the death of its worker."""
    return _release(manifest, row, WAITING, None, crashes=int(crashed))


def fail(
    manifest: Manifest,
    row: Mapping[str, Any],
    error: str,
    *,
    hashes: Mapping[str, str],
    inputs: str | None = None,
    crashed: bool = False,
) -> bool:
    """Record that a claimed case failed and why; older outputs, where there are any, keep their own hashes."""
    tried = {"inputs": inputs, **hashes}
    return _release(manifest, row, FAILED, error, crashes=int(crashed), tried=tried)


def _release(
    manifest: Manifest,
    row: Mapping[str, Any],
    state: str,
    error: str | None,
    crashes: int = 0,
    tried: Mapping[str, str | None] | None = None,
) -> bool:
    values = {
        "state": state,
        "error": error,
        "crashes": crashes,
        "now": time.time(),
        "running": RUNNING,
        **(tried or {}),
    }
    columns = "".join(f", {key} = CASE WHEN outputs IS NULL THEN :{key} ELSE {key} END" for key in tried or {})
    with manifest.transaction() as database:
        changed = database.execute(
            "UPDATE cases SET state = :state, owner = NULL, token = NULL, finished = :now, error = :error, "
            f"crashes = crashes + :crashes{columns} WHERE name = :name AND token = :token AND state = :running",
            {**values, "name": row["name"], "token": row["token"]},
        )
        return bool(changed.rowcount)


def clear_work(output: Path, living: Callable[[], set[str]]) -> None:
    """Remove the unfinished work of coordinators that do not live any more, and the folder itself when empty."""
    work = output / WORK
    with suppress(OSError):
        folders = list(work.iterdir())
        kept = living()  # asked after listing: whoever has a folder has registered before
        for folder in folders:
            if folder.name not in kept:
                remove(folder)
        work.rmdir()


def clear_claim(output: Path, row: Mapping[str, Any]) -> None:
    """Remove what is left of a claim's unfinished work."""
    with suppress(OSError):
        for folder in work_folder(output, row["owner"]).glob(f"{row['token']}*"):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder in which a worker that was not told may still be writing."""
    with suppress(OSError):
        folder.rmdir()  # empty, as most are
        return
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)
