"""Published survival methods for `bratsos train survival` (see `BraTSOSLib.survival.papers`)."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import progress_bar
from ..errors import InputError

if TYPE_CHECKING:
    from ..survival.papers import DistilledSettings, ForestSettings

_DEFAULTS: dict[str, Any] = {
    "resection": None, "splits": 50, "features": None, "transferable": None, "distillation": "paper",
    "temperature": 2.0, "loss_weights": None, "epochs": 100, "batch_size": 4, "clinical": False,
}  # fmt: skip
_OF_METHOD = {
    "distilled-mlp": ("transferable", "distillation", "temperature", "loss_weights", "epochs", "batch_size"),
    "forest": ("clinical",),
}


def refuse_foreign_options(given: dict[str, Any]) -> None:
    """Raise InputError at a method that is not known, or an option that the chosen one would not heed.

    ``given`` holds the options of the command by their names.
    """
    method = given["method"]
    if method not in ("student", *_OF_METHOD):
        raise InputError(f"The method is {method!r}: give student, {' or '.join(_OF_METHOD)}.")
    foreign = list(_DEFAULTS)
    if method != "student":
        foreign = [name for other, names in _OF_METHOD.items() if other != method for name in names]
    for name in foreign:
        if given[name] != _DEFAULTS[name]:
            raise InputError(f"--{name.replace('_', '-')} does not belong to --method {method}: leave it out.")


def write_ranking(table: Any, path: Path, on_bad_value: str = "stop") -> None:
    """Write every feature of ``table`` with its concordance index to the CSV file ``path``."""
    from ..survival import papers

    papers.write_ranking(papers.rank_features(papers.read_patient_features(table, on_bad_value=on_bad_value)), path)
    print(f"Ranking: {path}")


def run(given: dict[str, Any]) -> None:
    """Rank, evaluate or train by a published method, whatever ``given``, the options of the command, ask for."""
    from ..survival import papers

    method, seed = given["method"], given["seed"]
    settings: Any = _forest_settings(given) if method == "forest" else _distilled_settings(given)
    table = papers.read_patient_features(
        given["table"], resection=given["resection"], on_bad_value=given["on_bad_value"]
    )
    for note in table.notes:
        print(f"note: {table.name}: {note}", file=sys.stderr)
    if given["ranking"] is not None:
        write_ranking(table, given["ranking"])
    comparison = None
    if given["cross_validate"]:
        with progress_bar() as progress:
            comparison = papers.cross_validate_method(
                table, method, settings, splits=given["splits"], seed=seed, progress=progress
            )
        print(comparison.frame().to_string())
    if given["output"] is not None:
        with progress_bar() as progress:
            weights = papers.train_method(
                table, given["output"], method, settings, seed=seed, comparison=comparison, progress=progress
            )
        print(f"Weights: {weights}")


def _forest_settings(given: dict[str, Any]) -> ForestSettings:
    from ..survival.papers import ForestSettings

    settings = ForestSettings(clinical=given["clinical"])
    if given["features"] is None:
        return settings
    return replace(settings, best_features=_at_least("features", given["features"], 1))


def _distilled_settings(given: dict[str, Any]) -> DistilledSettings:
    from ..survival.papers import DistilledSettings, in_words
    from ..survival.papers.mlp import Budget, LossWeights

    patterns = given["transferable"]
    if patterns is not None:
        patterns = () if patterns == "none" else tuple(part.strip() for part in patterns.split(","))
    budget = Budget(_at_least("epochs", given["epochs"], 1), _at_least("batch-size", given["batch_size"], 1))
    settings = DistilledSettings(transferable=patterns, budget=budget)
    if given["features"] is not None:
        settings = replace(settings, best_features=_at_least("features", given["features"], 0))
    settings = in_words(settings, given["distillation"])
    student = settings.student
    if given["loss_weights"] is not None:
        try:
            student = LossWeights(*_four_weights(given["loss_weights"]))
        except ValueError as error:
            raise InputError(
                f"The loss weights {given['loss_weights']!r} are not four numbers of 0 or more: write "
                "hard,days,soft,imitation, for example 0.5,1,0.5,0."
            ) from error
    if not given["temperature"] > 0:
        raise InputError(f"--temperature is {given['temperature']:g}: give a number above 0.")
    return replace(settings, student=replace(student, temperature=given["temperature"]))


def _four_weights(text: str) -> tuple[float, float, float, float]:
    hard, days, soft, imitation = (float(part) for part in text.split(","))
    if not all(0.0 <= value < float("inf") for value in (hard, days, soft, imitation)):
        raise ValueError(text)
    return hard, days, soft, imitation


def _at_least(name: str, value: int, least: int) -> int:
    if value < least:
        raise InputError(f"--{name} is {value}: give {least} or more.")
    return value
