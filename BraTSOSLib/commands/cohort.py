"""The command `cohort`: many cases, durably."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..console import FAILED
from .cohort_console import duration, print_event, showing
from .options import Device, Engine, Fast, Model, Resample


def cohort(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Folder of cases at any depth, or a CSV table.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; started again, it goes on.")],
    workers: Annotated[int | None, typer.Option(help="Processes on this machine [one for each GPU, or one].")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of each worker [the cores shared out].")] = None,
    per_gpu: Annotated[int, typer.Option(help="How many workers may use one GPU.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="A Dask scheduler's address, e.g. tcp://host:8786.")] = None,
    device: Device = "auto",
    engine: Engine = "auto",
    model: Model = None,
    resample: Resample = False,
    fast: Fast = False,
    case_timeout: Annotated[float | None, typer.Option(help="Seconds after which a case is stopped.")] = None,
    attempts: Annotated[int, typer.Option(help="How often a case is begun whose worker dies.")] = 3,
    lease: Annotated[
        float, typer.Option(help="Seconds without a sign of life after which another run's cases are taken over.")
    ] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what was found and what is wrong.")] = False,
    stage: Annotated[str | None, typer.Option(help="package.module:function to do with each case instead.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line instead of text.")] = False,
) -> None:
    """Do the main job on a whole cohort: resumable, on several processes, GPUs or machines.

    The table has the columns case, t1, t1ce, t2, flair, age, resection, and optionally segmentation, mgmt, idh, kps,
    days and event (known survival). Exit code 1 if a case failed.
    """
    from ..cohort import run_cohort
    from ..cohort.settings import DEFAULT_STAGE

    with showing(as_json) as notify:
        result = run_cohort(
            source,
            output,
            workers=workers,
            threads=threads,
            per_gpu=per_gpu,
            scheduler=scheduler,
            device=device,
            fast=fast,
            model=model,
            engine=engine,
            resample=resample,
            case_timeout=case_timeout,
            attempts=attempts,
            lease=lease,
            dry_run=dry_run,
            stage=stage or DEFAULT_STAGE,
            notify=notify,
        )
    if as_json:
        print_event(
            {
                "event": "finished",
                "total": result.total,
                "done": result.done,
                "failed": result.failed,
                "seconds": round(result.seconds, 3),
                "output": str(result.output),
                "files": list(result.files),
            }
        )
    elif dry_run:
        print(f"{result.total - result.failed} of {result.total} cases can be worked on; nothing was done.")
    else:
        print(
            f"{result.done} of {result.total} cases done, {result.failed} failed, in {duration(result.seconds)}: "
            f"{result.output}"
        )
    if result.failed:
        raise typer.Exit(FAILED)
