"""A segmentation model as its card describes it: one network or a cascade of them, and how each wants to be fed.

A card describes its stages in a list ``stages``; a model of one stage may have the stage's fields at the top level
(see ``Stage`` for the fields and their defaults). Bundled and imported models differ only in where their files lie.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import MODALITIES
from ..errors import ModelError
from ..models import read_card

if TYPE_CHECKING:
    from torch import nn

REGION_OUTPUTS = ("WT", "TC", "ET")
CLASS_OUTPUTS = ("background", "brain", "NCR", "ED", "ET")
NORMALISATIONS = ("brain", "nonzero")
ORIENTATIONS = ("LPS", "RAS")


@dataclass(frozen=True)
class Stage:
    """One network and how it wants to be fed.

    Attributes
    ----------
    load : builds the network; see ``network``
    identity : hash of weights, architecture and arguments, for caches of whatever is derived from them
    inputs : modalities in the order of the network's input channels
    outputs : the output channels: regions (``WT``, ``TC``, ``ET``; sigmoid) or, if ``background`` is among them,
        classes (``background``, ``NCR``, ``ED``, ``ET``, and ``brain`` for healthy brain; softmax), in any order
    spacing : voxel size in mm that the network was trained at (the same along each axis)
    window : voxels (z, y, x) that the network sees at once; in the order of ``orientation``'s axes
    overlap : of neighbouring windows, as a share of the window
    field : ``brain`` to run over the whole brain, ``tumour`` over the box of what the stage before it found
    normalisation : ``brain``: z-score over the brain (where any modality is not zero), clipped at ±5; ``nonzero``:
        z-score over each modality's own nonzero voxels, not clipped
    mirrored : whether a second pass sees the image mirrored left-right
    orientation : ``LPS``: arrays (z, y, x) with x to the left, y to posterior, z up, as everywhere in this library;
        ``RAS``: arrays (x, y, z) with x to the right and y to anterior, as MONAI's bundles have them
    """

    load: Callable[[], nn.Module]
    identity: str
    inputs: tuple[str, ...] = MODALITIES
    outputs: tuple[str, ...] = REGION_OUTPUTS
    spacing: float = 2.0
    window: tuple[int, int, int] = (64, 96, 64)
    overlap: float = 0.5
    field: str = "brain"
    normalisation: str = "brain"
    orientation: str = "LPS"
    mirrored: bool = True

    @cached_property
    def network(self) -> nn.Module:
        """The network in evaluation mode, float32, on the CPU: (1, len(inputs), *window) to (1, len(outputs), *window).

        Built when it is first asked for: an engine with a converted copy of its own never does, and saves the time
        of importing PyTorch.
        """
        return self.load()


def load_stages(path: Path) -> tuple[list[Stage], dict[str, Any]]:
    """The stages of the model whose card is ``path``, with their weights, and the card.

    Raises
    ------
    ModelError
        If a file is missing or damaged, a hash differs, or the card's fields make no sense. Weights that do not fit
        their architecture are noticed when a stage's ``network`` is asked for.
    """
    from .weights import build_network_of, read_weights

    card = read_card(path)
    described = card.get("stages") or [card]
    if not isinstance(described, list) or not all(isinstance(fields, dict) for fields in described):
        raise ModelError(f"The model card {path.name} has no list of stages: install the model again.")
    stages = []
    for fields in described:
        content = read_weights(path, fields)
        stages.append(_stage(partial(build_network_of, path, fields, content), {**card, **fields}, path.name))
    return stages, card


def _stage(load: Callable[[], nn.Module], fields: dict[str, Any], name: str) -> Stage:
    convention = fields.get("label_convention")
    outputs = fields.get("outputs") or (convention.get("outputs") if isinstance(convention, dict) else None)
    outputs = tuple(outputs or REGION_OUTPUTS)
    inputs = tuple(fields.get("inputs") or MODALITIES)
    known = CLASS_OUTPUTS if "background" in outputs else REGION_OUTPUTS
    if sorted(inputs) != sorted(MODALITIES):
        raise ModelError(f"The model card {name} has the inputs {', '.join(inputs)}: it needs t1, t1ce, t2 and flair.")
    if not set(outputs) <= set(known) or not {"ET"} <= set(outputs):
        raise ModelError(f"The model card {name} has the outputs {', '.join(outputs)}: expected {', '.join(known)}.")
    choices = {
        "field": ("brain", "tumour"),
        "orientation": ORIENTATIONS,
        "normalisation_scheme": NORMALISATIONS,
    }
    chosen = {key: fields.get(key, values[0]) for key, values in choices.items()}
    for key, value in chosen.items():
        if value not in choices[key]:
            raise ModelError(f"The model card {name} has the {key} {value!r}: choose {' or '.join(choices[key])}.")
    window = tuple(int(n) for n in fields.get("window", Stage.window))
    if len(window) != 3 or min(window) < 8:
        raise ModelError(f"The model card {name} has the window {window}: give three sizes of 8 voxels or more.")
    return Stage(
        load=load,
        identity=_identity(fields),
        inputs=inputs,
        outputs=outputs,
        spacing=float(fields.get("spacing_mm", Stage.spacing)),
        window=(window[0], window[1], window[2]),
        overlap=float(fields.get("overlap", Stage.overlap)),
        field=chosen["field"],
        normalisation=chosen["normalisation_scheme"],
        orientation=chosen["orientation"],
        mirrored=bool(fields.get("mirrored", True)),
    )


def _identity(fields: dict[str, Any]) -> str:
    """The same weights with other arguments (heads, for example) are another network."""
    parts = [fields.get(key) for key in ("sha256", "architecture", "arguments")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def region_probabilities(logits: np.ndarray, outputs: tuple[str, ...]) -> np.ndarray:
    """Probabilities float32 (3, z, y, x) of WT, TC and ET from logits (len(outputs), z, y, x).

    Classes are made regions by summing: TC is NCR + ET, WT is TC + ED.
    """
    logits = np.asarray(logits, dtype=np.float32)
    if "background" not in outputs:
        with np.errstate(over="ignore"):  # exp of a large number is infinite, and 1 / (1 + infinite) is 0
            probability = 1 / (1 + np.exp(-logits))
        return np.stack([probability[outputs.index(region)] for region in REGION_OUTPUTS])
    shifted = np.exp(logits - logits.max(axis=0))
    probability = shifted / shifted.sum(axis=0)
    share = {name: probability[index] for index, name in enumerate(outputs)}
    zero = np.zeros(logits.shape[1:], dtype=np.float32)
    enhancing = share["ET"]
    core = enhancing + share.get("NCR", zero)
    return np.stack([core + share.get("ED", zero), core, enhancing])
