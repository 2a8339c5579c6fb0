"""``bratsos train segmentation``: from labelled cases to weights with a card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import InputError
from ..engines import choose_device
from ..weights import save_network
from .cache import TrainingCase, load_cases
from .cases import find_cases, refuse_bad
from .checkpoint import NAME, starting_weights
from .export import model_card, read_fields
from .loop import Trainer
from .processes import Processes, join_processes
from .recipe import Recipe
from .split import VALIDATION, Split

__all__ = ["VALIDATION", "train"]

Progress = Callable[[str, float], None]


def train(
    data: Path,
    output: Path,
    recipe: Recipe | None = None,
    *,
    split: Split | None = None,
    resume: bool = False,
    start_from: str | None = None,
    overwrite: bool = False,
    device: str = "auto",
    on_bad_case: str = "stop",
    name: str = "segmenter",
    card_fields: Path | None = None,
    cache: Path | None = None,
    tensorboard: bool = False,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Train a network and write its averaged weights with a model card.

    Parameters
    ----------
    data : folder of case folders, each with four scans and a label map, or a dataset list (see ``decathlon``)
    output : folder for the checkpoint, the log, ``<name>.safetensors`` and ``<name>.json``
    recipe : how to train; the bundled model's where None
    split : what to hold out; the cases of ``VALIDATION`` that are there, or what the list holds out, where None
    resume : continue from the checkpoint in ``output``, where there is one
    start_from : weights to begin with: a checkpoint, a model card, or a bundled model's name
    overwrite : begin anew in a folder that holds the checkpoint of another run
    on_bad_case : ``stop``, or ``skip`` to leave out cases that cannot be used
    card_fields : JSON file whose fields go into the model card (training data and their terms, limits, ...)
    cache : folder for the preprocessed cases, ``output/cache`` where None
    warn : told about each case that is left out

    Returns
    -------
    Path of the model card.

    Raises
    ------
    InputError
        If a case cannot be used, nothing is left to train on, or a value is out of range.
    ModelError
        If weights or the checkpoint to begin with are damaged or of another network or run.
    KeyboardInterrupt
        After Ctrl-C or a request to terminate; the checkpoint is up to date.
    """
    data, output = Path(data), Path(output)
    recipe = (recipe or Recipe()).resolved()
    fields = read_fields(card_fields)
    checkpoint = output / NAME
    if checkpoint.exists() and not (resume or overwrite):
        raise InputError(
            f"{output} holds the checkpoint of an earlier run: give --resume, --overwrite or another folder."
        )
    chosen = choose_device(device)
    with join_processes(chosen) as processes:
        training, validation, bad = _prepare(
            data, cache or output / "cache", recipe, split or Split(), on_bad_case, processes, progress
        )
        if processes.first and warn is not None:
            for case, reason in bad.items():
                warn(f"{case} is left out: {reason}")
        trainer = Trainer(
            recipe,
            training,
            validation,
            output,
            device=processes.device(chosen),
            processes=processes,
            tensorboard=tensorboard,
        )
        if resume and checkpoint.exists():
            trainer.resume(checkpoint)
        elif start_from is not None:
            state = starting_weights(start_from, trainer.architecture, trainer.arguments, recipe.field)
            trainer.start_from(state, start_from)
        metrics = trainer.run(progress if processes.first else None)
        card = output / f"{name}.json"
        if processes.first:
            card = save_network(trainer.kept, {**model_card(trainer, name, metrics, list(bad)), **fields}, output)
        processes.wait()
    return card


def _prepare(
    data: Path,
    cache: Path,
    recipe: Recipe,
    split: Split,
    on_bad_case: str,
    processes: Processes,
    progress: Progress | None,
) -> tuple[list[TrainingCase], list[TrainingCase], dict[str, str]]:
    """Training cases, validation cases, and what cannot be used with the reason."""
    found, listed, bad = find_cases(data)
    names = [case.name for case in found]
    refuse_bad(bad, on_bad_case)
    if not names:
        raise InputError(f"None of the {len(bad)} cases of {data} can be used: {next(iter(bad.values()))}")
    training, held_out = split.divide(names, listed, recipe.seed)
    by_name = {case.name: case for case in found}
    skipped: dict[str, str] | None = bad if on_bad_case == "skip" else None

    def load() -> list[TrainingCase]:
        wanted = [by_name[name] for name in (*training, *held_out)]
        return load_cases(
            wanted,
            cache,
            spacing=recipe.spacing or 2.0,
            normalisation=recipe.normalisation,
            progress=progress if processes.first else None,
            bad=skipped,
        )

    # the first process fills the cache, the others find it full
    if processes.first:
        cases = load()
        processes.wait()
    else:
        processes.wait()
        cases = load()
    kept_out = set(held_out)
    return [c for c in cases if c.name not in kept_out], [c for c in cases if c.name in kept_out], bad
