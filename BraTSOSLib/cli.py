"""The command `bratsos`: a thin layer over the library's functions; the commands are in ``commands/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from . import __version__
from .commands import cases, features
from .commands.cohort import cohort
from .commands.evaluate import evaluate_app
from .commands.models import models_app
from .commands.train import train_app
from .console import run_app

app = typer.Typer(
    help="Brain-tumour segmentation, radiomics and overall survival for glioma MRI. For research only, not for "
    "clinical decisions.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 failed, 2 bad input, 130 interrupted."""
    return run_app(app, arguments)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version and stop.")] = False) -> None:
    if version:
        print(f"bratsos {__version__}")
        raise typer.Exit


cases.add_commands(app)
app.command()(cohort)
features.add_commands(app)
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(models_app, name="models")
