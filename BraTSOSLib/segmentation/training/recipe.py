"""All choices of a training run in one value, which travels with its checkpoint and its model card."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from dataclasses import field as dataclass_field
from typing import Any

from ...errors import InputError, ModelError
from ..networks import PRESETS

OUTPUTS = {
    "regions": ("WT", "TC", "ET"),
    "classes": ("background", "NCR", "ED", "ET"),
    "tissues": ("background", "NCR", "ED", "ET", "brain"),
}
"""What a network answers: overlapping regions, classes, or classes that tell healthy brain from air as Anand et al."""

OPTIMISERS = {"adamw": (1.5e-3, 1e-2), "adam": (2e-4, 1e-5), "sgd": (1e-2, 3e-5)}
"""Learning rate and weight decay where none are given."""

CHOICES: dict[str, tuple[str, ...]] = {
    "field": ("brain", "tumour"),
    "normalisation": ("brain", "nonzero"),
    "sampling": ("tumour", "balanced", "whole"),
    "class_weights": ("none", "median"),
    "mining": ("off", "cases", "patches"),
    "optimiser": tuple(OPTIMISERS),
    "schedule": ("cosine", "poly", "constant"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "keep": ("last", "best"),
}
LOSSES = ("dice", "bce", "ce", "generalised-dice", "focal")
AUGMENTATIONS = ("mirror", "affine", "appearance")

_MAY_CHANGE = {"minutes", "steps", "checkpoint_minutes", "validation_minutes"}
"""What a resumed run may set anew; anything else would make it another run."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. The defaults are those of the bundled model.

    Attributes
    ----------
    network, arguments : a key of ``networks.PRESETS``, and arguments that replace the preset's
    outputs : a key of ``OUTPUTS``; the preset's own where None
    spacing : 1 or 2 mm; the preset's where None. At 2 mm a voxel is the mean of eight of 1 mm.
    window : (z, y, x) voxels of a training sample and of inference; the preset's where None
    field : ``brain``, or ``tumour`` for a second stage that runs over the box of what the first one found
    normalisation : ``brain`` or ``nonzero``, see ``model.Stage``
    sampling : ``tumour``: ``tumour_share`` of the samples around a tumour voxel, the rest anywhere in the brain;
        ``balanced``: around NCR, ED, ET and healthy voxels equally often (Anand et al. 2020);
        ``whole``: the whole brain, one case a sample
    batch_size, accumulate : samples a pass, and passes a step
    augmentation : names of ``AUGMENTATIONS`` joined by ``+``, or ``none``; ``affine`` mirrors too
    transplant, fade : probability of another case's tumour in the brain, and of a tumour that shows less
    loss : names of ``LOSSES`` joined by ``+``; Dice and cross-entropy of the kind that fits the outputs where None
    class_weights : ``median``: cross-entropy weighted by median class frequency / class frequency
    mining : ``cases`` or ``patches`` to draw hard ones more often, see ``mining``
    mining_threshold, mining_threshold_end : Dice under which one is hard at the start and at the end of the run
    mining_rate : share of the samples that are drawn from the hard ones
    mining_every : steps in a round; 8 epochs where 0
    optimiser, learning_rate, weight_decay : see ``OPTIMISERS`` for the defaults
    schedule, warm_up : of the learning rate, and the share of the run in which it rises
    clip : largest norm of the gradient
    ema : decay of the averaged weights, which are the ones that are kept; 0 for the plain ones
    precision : ``auto`` is bf16 (fp16 on older cards) on a GPU and fp32 on the CPU
    minutes : training time; the schedule follows the clock, so that it ends on time on any machine
    steps : number of steps instead of a time, for runs that must be repeatable
    checkpoint_minutes, validation_minutes : time between checkpoints, and between validations
    keep : the weights of the last step, or of the best validation
    seed : of the initial weights, of every sample and of the folds
    """

    network: str = "bitrunet-compact"
    arguments: dict[str, Any] = dataclass_field(default_factory=dict)
    outputs: str | None = None
    spacing: float | None = None
    window: tuple[int, int, int] | None = None
    field: str = "brain"
    normalisation: str = "brain"
    sampling: str = "tumour"
    tumour_share: float = 0.7
    batch_size: int = 1
    accumulate: int = 1
    augmentation: str = "affine+appearance"
    transplant: float = 0.0
    fade: float = 0.0
    loss: str | None = None
    class_weights: str = "none"
    mining: str = "off"
    mining_threshold: float = 0.7
    mining_threshold_end: float | None = None
    mining_rate: float = 0.5
    mining_every: int = 0
    optimiser: str = "adamw"
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str = "cosine"
    warm_up: float = 0.03
    clip: float = 1.0
    ema: float = 0.995
    precision: str = "auto"
    minutes: float | None = 60.0
    steps: int | None = None
    checkpoint_minutes: float = 3.0
    validation_minutes: float = 3.0
    keep: str = "last"
    seed: int = 0

    def resolved(self) -> Recipe:
        """The recipe with every None that stands for a default filled in, checked.

        Raises
        ------
        InputError
            If a value is not known or out of range; the sentence names it.
        """
        preset = PRESETS.get(self.network)
        if preset is None:
            raise InputError(f"The network {self.network!r} is not known: choose one of {', '.join(PRESETS)}.")
        outputs = self.outputs or _usual_outputs(preset.outputs, preset.out_channels)
        if outputs not in OUTPUTS:
            raise InputError(f"The outputs {outputs!r} are not known: choose one of {', '.join(OUTPUTS)}.")
        rate, decay = OPTIMISERS.get(self.optimiser, (None, None))
        recipe = replace(
            self,
            arguments={**self.arguments, "out_channels": len(OUTPUTS[outputs])},
            outputs=outputs,
            spacing=float(preset.spacing if self.spacing is None else self.spacing),
            window=self.window or preset.window,
            loss=self.loss or ("dice+bce" if outputs == "regions" else "dice+ce"),
            learning_rate=rate if self.learning_rate is None else self.learning_rate,
            weight_decay=decay if self.weight_decay is None else self.weight_decay,
        )
        recipe._check()
        return recipe

    def _check(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                _refuse(name, getattr(self, name), f"choose one of {', '.join(allowed)}")
        for name, allowed in (("loss", LOSSES), ("augmentation", (*AUGMENTATIONS, "none"))):
            if not set(getattr(self, name).split("+")) <= set(allowed):
                _refuse(name, getattr(self, name), f"join names of {', '.join(allowed)} by +")
        wrong = "ce" if self.outputs == "regions" else "bce"
        if wrong in str(self.loss).split("+"):
            kind = "overlapping regions" if wrong == "ce" else "exclusive classes"
            _refuse("loss", self.loss, f"{wrong} does not fit {kind}, take {'bce' if wrong == 'ce' else 'ce'}")
        if self.spacing not in (1.0, 2.0):
            _refuse("spacing", self.spacing, "give 1 or 2 (mm)")
        if self.window is None or len(self.window) != 3 or min(self.window) < 8:
            _refuse("window", self.window, "give three sizes of 8 voxels or more")
        if self.sampling == "whole" and self.batch_size != 1:
            _refuse("batch size", self.batch_size, "whole brains differ in size, so give 1 and accumulate instead")
        for name in ("batch_size", "accumulate"):
            if getattr(self, name) < 1:
                _refuse(name, getattr(self, name), "give 1 or more")
        for name in ("tumour_share", "transplant", "fade", "mining_threshold", "mining_rate", "warm_up"):
            if not 0 <= getattr(self, name) <= 1:
                _refuse(name, getattr(self, name), "give a number from 0 to 1")
        if not 0 <= self.ema < 1:
            _refuse("ema", self.ema, "give a number from 0 to below 1")
        if not (self.learning_rate or 0) > 0:
            _refuse("learning_rate", self.learning_rate, "give a positive number")
        if self.steps is None and not (self.minutes or 0) > 0:
            raise InputError(f"The training time is {self.minutes} minutes: give a positive one.")
        if self.steps is not None and self.steps < 1:
            raise InputError(f"The number of steps is {self.steps}: give 1 or more.")
        if self.seed < 0:
            _refuse("seed", self.seed, "give a whole number of 0 or more")

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the output channels."""
        return OUTPUTS[self.outputs or "regions"]

    @property
    def size(self) -> tuple[int, int, int]:
        """``window`` of a resolved recipe."""
        assert self.window is not None
        return self.window

    def rate(self, done: float) -> float:
        """Learning rate when ``done`` (0..1) of the run is over."""
        peak = self.learning_rate or 0.0
        if done < self.warm_up:
            return peak * (0.02 + 0.98 * done / self.warm_up)
        done = min(done, 1.0)
        if self.schedule == "cosine":
            return peak * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * done)))
        return peak * (1 - done) ** 0.9 if self.schedule == "poly" else peak

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The recipe that ``to_dict`` gave; raises ``ModelError`` for fields of another version."""
        unknown = sorted(set(values) - {item.name for item in fields(cls)})
        if unknown:
            raise ModelError(f"The recipe has the unknown fields {', '.join(unknown)}: it is of another version.")
        window = values.get("window")
        return cls(**{**values, "window": None if window is None else tuple(window)})

    def check_same_run(self, other: Recipe, name: str) -> None:
        """Raise ``ModelError`` unless ``other``, of the checkpoint ``name``, is the same but for the run's length."""
        mine, theirs = self.to_dict(), other.to_dict()
        for key in mine:
            if key not in _MAY_CHANGE and mine[key] != theirs[key]:
                raise ModelError(
                    f"{name} was written by a run with another {key.replace('_', ' ')} ({theirs[key]}, now "
                    f"{mine[key]}): give the same options, or start a new run in another folder."
                )


def _usual_outputs(kind: str, channels: int) -> str:
    return kind if kind == "regions" else "tissues" if channels == len(OUTPUTS["tissues"]) else "classes"


def _refuse(name: str, value: Any, advice: str) -> None:
    raise InputError(f"The {name.replace('_', ' ')} is {value!r}: {advice}.")
