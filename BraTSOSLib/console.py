"""What the command line shows: progress, results, and errors as one line with the right exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from .errors import BraTSOSError, Cancelled, InputError, ModelError
from .labels import REGION_TITLES

if TYPE_CHECKING:
    from .pipeline import CaseResult
    from .survival import Prediction
    from .survival.prediction import SegmentationSpread

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

# Typer carries its own copy of click since 0.20 and imports the package before that; its public exceptions lead to
# the base class of either.
_USAGE_ERROR: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")


def run_app(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted.

    Every error is one line on standard error. ``BRATSOS_TRACEBACK=1`` shows where an unexpected one came from.
    """
    warnings.simplefilter("ignore")  # a user of the command can do nothing about a library's deprecations
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _interrupt)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = typer.main.get_command(app).main(args=given or ["--help"], prog_name="bratsos", standalone_mode=False)
        if code == INTERRUPTED:  # newer versions of Typer turn Ctrl-C into this code themselves
            raise KeyboardInterrupt
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, typer.Abort, Cancelled):
        return _fail("stopped; nothing half-written is left", INTERRUPTED)
    except _USAGE_ERROR as error:
        return _fail(f"{error.format_message()} (bratsos --help lists the commands)", BAD_INPUT)  # type: ignore[attr-defined]
    except (InputError, ModelError) as error:
        return _fail(str(error), BAD_INPUT)
    except BraTSOSError as error:
        return _fail(str(error), FAILED)
    except BrokenPipeError:  # the reader of our output, `head` for example, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except MemoryError:
        return _fail("there is not enough memory for this; close other programs, or try --fast", FAILED)
    except OSError as error:
        return _fail(str(error), FAILED)
    except Exception as error:
        if os.environ.get("BRATSOS_TRACEBACK"):
            raise
        return _fail(f"unexpected {type(error).__name__}: {error} (BRATSOS_TRACEBACK=1 shows where)", FAILED)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _fail(message: str, code: int) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return code


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Callable[[str, float], None] | None]:
    """Give a progress callback that draws a bar on standard error; None where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Reading", total=1.0)
        yield lambda message, fraction: bar.update(task, description=message, completed=fraction)


def print_json(content: Any) -> None:
    """Print one JSON document on standard output."""
    from .pipeline import strict_json

    print(json.dumps(strict_json(content), indent=2, ensure_ascii=False, allow_nan=False))


def print_result(result: CaseResult) -> None:
    """Print what a case gave, for reading."""
    label = "  (SYNTHETIC phantom, not a patient)" if result.case.synthetic else ""
    print(f"{result.case.name}{label}")
    for note in result.case.notes:
        print(f"  note: {note}")
    segmentation = result.run["segmentation"]
    for warning in segmentation.get("warnings", ()):
        print(f"  WARNING: {warning}")
    print("\nVolumes")
    for region, values in result.volumes.items():
        print(f"  {REGION_TITLES[region]:<44}{values['ml']:>9.2f} mL{values['brain_percent']:>8.2f} % of the brain")
    for region, values in (segmentation.get("quality") or {}).items():
        interval = f"{values['dice']:.2f} ({values['low']:.2f} to {values['high']:.2f})"
        print(f"  expected agreement of {region} with an expert's outline (Dice): {interval}")
    print_prediction(result.prediction)
    print(f"\nReport: {result.report}")


def print_prediction(prediction: Prediction) -> None:
    """Print a survival prediction, for reading."""
    print("\nOverall survival (for research only, not for clinical decisions)")
    for warning in prediction.warnings:
        print(f"  WARNING: {warning}")
    if prediction.category is None:
        print(f"  category: none. {prediction.reason}")
    else:
        print(f"  category: {prediction.category} (short < 300 days, medium 300 to 450, long > 450)")
    if prediction.probabilities is not None:
        shown = ", ".join(f"{name} {value:.2f}" for name, value in prediction.probabilities.items())
        print(f"  probabilities: {shown}")
    if prediction.days is not None:
        interval = ""
        if prediction.days_low is not None and prediction.days_high is not None:
            interval = f"; 8 of 10 such patients: {prediction.days_low:.0f} to {prediction.days_high:.0f} days"
        print(f"  predicted: {prediction.days:.0f} days{interval}")
    if prediction.spread is not None:
        print(f"  over {prediction.spread.segmentations} plausible segmentations: {_spread(prediction.spread)}")
    if prediction.missing:
        without = "" if prediction.category is None else " (the estimate is less certain without)"
        print(f"  not given: {', '.join(prediction.missing)}{without}")
    for flag in prediction.flags:
        print(f"  flag: {flag.message}")


def _spread(spread: SegmentationSpread) -> str:
    parts = []
    if "WT" in spread.volumes:
        low, high = (spread.volumes["WT"][edge] / 1000 for edge in ("low", "high"))
        parts.append(f"whole tumour {low:.1f} to {high:.1f} mL")
    if spread.days is not None:
        parts.append(f"predicted {spread.days['low']:.0f} to {spread.days['high']:.0f} days")
    return ", ".join(parts)
