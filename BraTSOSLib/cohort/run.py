"""``run_cohort``: everything from a folder or table of cases to the collected results."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BraTSOSError, InputError
from .coordinator import Coordinator, Notify
from .devices import share_machine
from .engine import Engine
from .finding import Findings, find_cases
from .leases import DEFAULT_LEASE, Membership
from .manifest import DONE, FAILED, Manifest
from .merging import merge_findings
from .publishing import clear_work, work_folder
from .settings import DEFAULT_STAGE, CohortSettings, weights_hash
from .stopping import Stop, stopping

_COLLECTING = "collecting"


@dataclass(frozen=True)
class CohortResult:
    """What became of a cohort.

    Attributes
    ----------
    output : Path
    total, done, failed : int
        Cases of the input; after a dry run ``done`` is 0 and ``failed`` counts those that cannot be worked on.
    seconds : float
    files : tuple of str
        The collected results in ``output``.
    """

    output: Path
    total: int
    done: int
    failed: int
    seconds: float
    files: tuple[str, ...] = ()


def run_cohort(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    workers: int | None = None,
    threads: int | None = None,
    per_gpu: int = 1,
    scheduler: str | None = None,
    device: str = "auto",
    fast: bool = False,
    model: str | os.PathLike[str] | None = None,
    engine: str = "auto",
    resample: bool = False,
    case_timeout: float | None = None,
    attempts: int = 3,
    lease: float = DEFAULT_LEASE,
    dry_run: bool = False,
    stage: str = DEFAULT_STAGE,
    options: Mapping[str, Any] | None = None,
    notify: Notify | None = None,
    cancel: Callable[[], bool] | None = None,
) -> CohortResult:
    """Do the main job on every case of a cohort, durably: started again, it continues where it was.

    Parameters
    ----------
    source : folder or CSV file
        See ``finding.find_cases``.
    output : folder
        Gets ``manifest.sqlite``, ``cases/<case>/`` and the collected results. Several runs, also on several machines,
        may work on the same folder at once.
    workers : int, optional
        Processes on this machine; one for each GPU, or one, unless given.
    threads : int, optional
        Of each worker; the cores shared out evenly unless given.
    per_gpu : int
        How many workers may use one GPU.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://host:8786``), whose workers are used instead. They must see the input
        and output folders under the same paths.
    device, fast, model, engine, resample
        As in ``pipeline.run_case`` and ``case.read_case``. Cases done with others are done again.
    case_timeout : float, optional
        Seconds after which a case is stopped and counts as failed.
    attempts : int
        How often a case is begun whose worker dies.
    lease : float
        Seconds without a sign of life after which another run's cases are taken over.
    dry_run : bool
        Only say what was found; nothing is written.
    stage : str
        ``"package.module:function"`` to do with each case instead (see ``stage.StageJob``), with ``options``.
    notify : callable, optional
        Told of events, dictionaries with ``event``: ``found``, ``problem``, ``case`` (dry run), ``counts``,
        ``started``, ``progress``, ``done``, ``failed``, ``returned``, ``collecting``, ``note``.
    cancel : callable, optional
        Asked several times a second; when it returns True, cases in hand are given back and ``Cancelled`` is raised.

    Returns
    -------
    CohortResult

    Raises
    ------
    InputError
        If the input holds no case, a setting is impossible, or the output folder cannot be used.
    Cancelled
        See ``cancel``. In the main thread, SIGINT and SIGTERM do the same and end in ``KeyboardInterrupt``.

    Examples
    --------
    >>> run_cohort("cohort.csv", "out", workers=4)  # doctest: +SKIP
    CohortResult(output=PosixPath('out'), total=200, done=198, failed=2, ...)
    """
    began = time.monotonic()
    tell = notify or _ignore
    output = Path(output).expanduser()
    settings = CohortSettings(
        device, fast, None if model is None else os.fspath(model), engine, resample, stage, options or {}
    )
    _check_numbers(case_timeout=case_timeout, attempts=attempts, lease=lease)
    with find_cases(source, output) as findings:
        _tell_findings(findings, tell, all_cases=dry_run)
        if dry_run:
            return CohortResult(output, findings.total, 0, findings.wrong, time.monotonic() - began)
        hashes = {"settings": settings.hash(), "weights": weights_hash(settings)}
        _make_output(output)
        with Manifest(output) as manifest:
            if manifest.journal_mode != "wal":
                tell({"event": "note", "text": f"{output} is on a network: the manifest is kept without WAL."})
            membership = Membership(manifest, lease=lease, **hashes)
            membership.join()
            try:
                merge_findings(manifest, findings, output, alone=not membership.others(), **hashes)
                tell({"event": "counts", **manifest.counts()})
                with stopping(cancel) as stop:
                    runner: Engine = _engine(scheduler, settings, workers, threads, per_gpu, device, case_timeout, tell)
                    coordinator = Coordinator(
                        manifest, membership, runner, output, hashes=hashes, attempts=attempts, notify=tell, stop=stop
                    )
                    if not coordinator.run():
                        raise stop.reason()
                    tell({"event": "counts", **manifest.counts()})
                    files = _collect(manifest, membership, output, tell, stop)
                    _flush()
            finally:
                with suppress(BraTSOSError):
                    membership.bury()  # nobody else may come to clear up after one that died just now
                with suppress(BraTSOSError):
                    membership.leave()
                clear_work(output, membership.living)
            counts = manifest.counts()
    total = sum(counts.values())
    return CohortResult(output, total, counts[DONE], counts[FAILED], time.monotonic() - began, files)


def _ignore(event: dict[str, Any]) -> None:
    """Nobody wants to know."""


def _flush() -> None:
    """Bring all that was written to the disk, so that what is reported as done outlives a power failure."""
    if hasattr(os, "sync"):
        os.sync()


def _check_numbers(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise InputError(f"The {name.replace('_', ' ')} is {value:g}: give a number above 0.")


def _make_output(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The output folder {output} cannot be made ({error.strerror}): give another one.") from error
    if not os.access(output, os.W_OK):
        raise InputError(f"The output folder {output} cannot be written to: give another one.")


def _tell_findings(findings: Findings, tell: Notify, *, all_cases: bool) -> None:
    tell({"event": "found", "total": findings.total, "wrong": findings.wrong, "source": str(findings.source)})
    if not (findings.wrong or all_cases):
        return
    for case in findings:
        if case.problem:
            tell({"event": "problem", "case": case.name, "where": case.where, "error": case.problem})
        elif all_cases:
            tell({"event": "case", "case": case.name, "where": case.where, "state": "can be worked on"})


def _engine(
    scheduler: str | None,
    settings: CohortSettings,
    workers: int | None,
    threads: int | None,
    per_gpu: int,
    device: str,
    case_timeout: float | None,
    tell: Notify,
) -> Engine:
    if scheduler is not None:
        from .dask_engine import DaskEngine

        if workers is not None:
            raise InputError("Give a number of workers or a scheduler: Dask's workers are started beforehand.")
        return DaskEngine(scheduler, settings.to_dict(), threads=threads, case_timeout=case_timeout, tell=tell)
    from .local import LocalEngine

    share = share_machine(workers, threads, device, per_gpu)
    if share.note:
        tell({"event": "note", "text": share.note})
    return LocalEngine(settings.to_dict(), share, case_timeout)


def _collect(manifest: Manifest, membership: Membership, output: Path, tell: Notify, stop: Stop) -> tuple[str, ...]:
    """Write the collected results; one run at a time, so that what is written last is the whole."""
    from .collecting import collect

    while not membership.try_lock(_COLLECTING):
        membership.bury()
        time.sleep(0.2)
        if stop.asked:
            raise stop.reason()
    try:
        tell({"event": "collecting"})
        work = work_folder(output, membership.id) / _COLLECTING
        return collect(manifest, output, work, tell=tell, check=stop.check)
    finally:
        with suppress(BraTSOSError):
            membership.unlock(_COLLECTING)
