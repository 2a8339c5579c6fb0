"""The shipped survival model: loading it safely and computing it with numpy alone."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelError
from ..resources import resource
from .conformal import missing_pattern, optional_groups
from .covariates import INPUT_MEANINGS
from .scaling import softmax, standardised

BUNDLED = "survival-student"
TASK = "overall survival"
_NEEDED_KEYS = ("name", "version", "task", "arguments", "inputs", "sha256", "intended_use", "limits", "training_data")


@dataclass(frozen=True)
class TrainingCohort:
    """The patients a student was fitted on, without names.

    Attributes
    ----------
    inputs : ndarray, shape (m, p)
        The student's inputs, NaN where missing.
    days : ndarray, shape (m,)
        Days to death or to the last contact.
    events : ndarray of bool, shape (m,)
        True where the patient died.
    """

    inputs: np.ndarray
    days: np.ndarray
    events: np.ndarray


@dataclass(frozen=True)
class Student:
    """An ensemble of small perceptrons; see `networks.MemberMLP` for the same computation in torch.

    Attributes
    ----------
    card : dict
        The model card that was read beside the weights.
    names : tuple of str, length p
        Inputs in their order, as `covariates.encode` names them.
    tensors : dict of ndarray
        ``centre``, ``scale`` (p,); ``log_days`` (2,): mean and deviation; ``temperature`` (1,); ``interval``
        (patterns, 2): bounds of the error of standardised log-days for each set of missing inputs; ``risk`` (2,):
        standardised log-days at risk 0, and log hazard ratio per standardised log-day less; ``weight_i`` (members, fan
        in, fan out) and ``bias_i`` (members, 1, fan out) of each layer; ``direct`` (members, p, 4); ``cohort_inputs``
        (m, p), ``cohort_days`` and ``cohort_events`` (m,) of the training patients.
    """

    card: dict[str, Any]
    names: tuple[str, ...]
    tensors: dict[str, np.ndarray]

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Return every member's class logits and standardised log-days, shape (members, n, 4).

        ``inputs`` has the shape (n, p), not standardised; NaN counts as the training mean.
        """
        tensors = self.tensors
        data = standardised(np.asarray(inputs, dtype=np.float64), tensors["centre"], tensors["scale"])[None]
        activity = data
        layers = sum(name.startswith("weight_") for name in tensors)
        for layer in range(layers):
            activity = activity @ tensors[f"weight_{layer}"] + tensors[f"bias_{layer}"]
            if layer < layers - 1:
                activity = np.tanh(activity)
        return activity + data @ tensors["direct"]

    def predict(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return class probabilities, shape (n, 3), and median survival in days, shape (n,)."""
        outputs = self.outputs(inputs)
        probabilities = softmax(outputs[..., :3] / self.tensors["temperature"]).mean(axis=0)
        mean, deviation = self.tensors["log_days"]
        days = np.exp(mean + deviation * outputs[..., 3].mean(axis=0))
        return probabilities / probabilities.sum(axis=1, keepdims=True), days

    def interval(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the 80 % prediction interval in days, each of shape (n,); see `conformal`.

        The fewer inputs are known, the wider it is.
        """
        inputs = np.asarray(inputs, dtype=np.float64)
        pattern = missing_pattern(inputs, optional_groups(self.names))
        bounds = self.tensors["interval"][pattern] + self._log_days(inputs)[:, None]
        mean, deviation = self.tensors["log_days"]
        low, high = np.exp(mean + deviation * bounds).T
        return low, high

    def risk(self, inputs: np.ndarray) -> np.ndarray:
        """Return the risk, shape (n,): the log hazard ratio to the average training patient.

        The larger, the shorter the survival. The scale is that of a Cox model of the predicted log-days, fitted on
        training patients whom the members had not seen.
        """
        zero, slope = self.tensors["risk"]
        return slope * (zero - self._log_days(inputs))

    @property
    def cohort(self) -> TrainingCohort:
        """The training patients."""
        tensors = self.tensors
        return TrainingCohort(tensors["cohort_inputs"], tensors["cohort_days"], tensors["cohort_events"] > 0)

    def _log_days(self, inputs: np.ndarray) -> np.ndarray:
        return self.outputs(inputs)[..., 3].mean(axis=0)


def load_student(model: str | Path | Student | None = None) -> Student:
    """Return the survival model.

    Parameters
    ----------
    model : path or Student, optional
        A ``.safetensors`` file with its card (``.json``) beside it, the card, or the folder that holds
        ``survival-student.safetensors``; the bundled model by default.

    Raises
    ------
    ModelError
        If a file is missing, damaged, not the one that the card describes, or no survival model. Nothing is ever
        unpickled.
    """
    if isinstance(model, Student):
        return model
    if model is None:
        weights = resource("Models", f"{BUNDLED}.safetensors")
    else:
        path = Path(model)
        weights = path / f"{BUNDLED}.safetensors" if path.is_dir() else path.with_suffix(".safetensors")
    card = weights.with_suffix(".json")
    for path in (weights, card):
        if not path.is_file():
            raise ModelError(f"The survival model's file {path} is missing: give a .safetensors file with its card.")
    try:
        stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in (weights, card))
        return _load(weights, card, stamps)
    except OSError as error:
        raise ModelError(f"The survival model {weights} cannot be read ({error.strerror}).") from error


@lru_cache(maxsize=8)
def _load(weights: Path, card_path: Path, stamps: tuple[tuple[int, int], ...]) -> Student:
    """Read and check a model; ``stamps`` (time and size of both files) only keep the cache honest."""
    card = _read_card(card_path)
    content = weights.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ModelError(
            f"The survival model {weights.name} is damaged or not the one its card describes (sha256 {found[:12]}…, "
            f"expected {str(card['sha256'])[:12]}…): restore both files."
        )
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = {name: values.astype(np.float64) for name, values in load(content).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"The survival model {weights.name} is not a safetensors file: restore it.") from error
    names = tuple(card["arguments"].get("inputs", ()))
    unknown = [name for name in names if name not in INPUT_MEANINGS]
    if unknown:
        raise ModelError(f"The survival model {weights.name} asks for the input {unknown[0]!r}: update BraTSOS for it.")
    _check_tensors(tensors, names, card["arguments"], weights.name)
    return Student(card=card, names=names, tensors=tensors)


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"The model card {path.name} is damaged (not valid JSON): restore it.") from error
    missing = [key for key in _NEEDED_KEYS if not isinstance(card, dict) or key not in card]
    if missing:
        raise ModelError(f"The model card {path.name} lacks {missing[0]!r}: it is not a survival model's card.")
    if card["task"] != TASK or not isinstance(card["arguments"], dict) or not isinstance(card["inputs"], list):
        raise ModelError(f"The model card {path.name} describes the task {card['task']!r}, expected {TASK!r}.")
    for entry in card["inputs"]:
        bounds = (entry.get("low"), entry.get("high")) if isinstance(entry, dict) and "name" in entry else (None, None)
        if not all(isinstance(bound, (int, float)) and math.isfinite(bound) for bound in bounds):
            raise ModelError(f"The model card {path.name} lists an input without its range: restore it.")
    return card


def _check_tensors(
    tensors: dict[str, np.ndarray], names: tuple[str, ...], arguments: dict[str, Any], file: str
) -> None:
    """Raise ModelError unless the tensors have the shapes that the card's arguments ask for and are finite."""
    try:
        members, widths = int(arguments["members"]), [len(names), *map(int, arguments["hidden"]), 4]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The card of {file} lacks the network's arguments: restore it.") from error
    expected: dict[str, tuple[int, ...]] = {
        "centre": (len(names),),
        "scale": (len(names),),
        "log_days": (2,),
        "temperature": (1,),
        "interval": (2 ** len(optional_groups(names)), 2),
        "risk": (2,),
        "direct": (members, len(names), 4),
    }
    patients = tensors["cohort_days"].shape if "cohort_days" in tensors else (0,)
    expected |= {"cohort_inputs": (*patients, len(names)), "cohort_days": patients, "cohort_events": patients}
    for layer, (fan_in, fan_out) in enumerate(pairwise(widths)):
        expected[f"weight_{layer}"] = (members, fan_in, fan_out)
        expected[f"bias_{layer}"] = (members, 1, fan_out)
    if {name: values.shape for name, values in tensors.items()} != expected:
        raise ModelError(f"The weights in {file} do not have the shapes that the card describes: restore both files.")
    if not all(np.isfinite(values).all() for name, values in tensors.items() if name != "cohort_inputs"):
        raise ModelError(f"The weights in {file} hold values that are not finite: restore the file.")
