"""A trained model of nnU-Net v2 as a model of ours: its plain U-Net is DynUNet under other names.

nnU-Net itself is not needed. A checkpoint is read without executing anything (see ``checkpoints``), whereas nnU-Net
unpickles it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, ModelError
from .axes import permute_state
from .bundle_config import read_config
from .checkpoints import read_checkpoint, read_content, state_of
from .names import check_inputs, check_outputs
from .nnunet_plans import Plan, input_channels, output_channels, read_plan
from .store import Converted

if TYPE_CHECKING:
    import torch

_CHECKPOINTS = ("checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_latest.pth")
_SAME_SPACING = 0.01
_MASK_NOTE = (
    "nnU-Net normalises over the brain with its holes filled and does not clip; here holes stay out and intensities "
    "are clipped at 5 standard deviations."
)


def is_nnunet(path: Path) -> bool:
    """Whether a folder looks like a trained model of nnU-Net (or a fold of it)."""
    return path.is_dir() and ((path / "plans.json").is_file() or bool(_folds(path)))


def convert_nnunet(
    path: Path,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    fold: str | None = None,
) -> Converted:
    """Convert a trained-model folder (``Trainer__Plans__Configuration`` with dataset.json, plans.json and folds).

    Parameters
    ----------
    inputs, outputs : names of the channels in their order, instead of what dataset.json says
    labels : label name or number to class or region, for names that are not recognised
    fold : ``0`` to ``4`` or ``all``; the first that is there where None

    Raises
    ------
    ModelError, InputError
        One sentence on what is missing, cannot be understood, or cannot be mapped.
    """
    file = _checkpoint(path, fold)
    content = read_content(file)
    held = read_checkpoint(content, f"{file.parent.name}/{file.name}")
    state = state_of(held, f"{file.parent.name}/{file.name}")
    given = held.get("init_args")
    settings: dict[str, Any] = given if isinstance(given, dict) else {}
    plans = _description(path, "plans.json", settings.get("plans"))
    dataset = _description(path, "dataset.json", settings.get("dataset_json"))
    plan = read_plan(plans, _configuration(path, settings, plans), path.name)
    if max(plan.spacing) - min(plan.spacing) > _SAME_SPACING * max(plan.spacing):
        raise ModelError(f"{path.name} wants voxels of {plan.spacing} mm; only cubes are supported.")
    channels = check_inputs(inputs, path.name) if inputs else input_channels(dataset, path.name)
    named = check_outputs(outputs, path.name) if outputs else output_channels(dataset, labels or {}, path.name)
    back = [plan.transpose.index(axis) for axis in range(3)]
    notes = [_MASK_NOTE] if plan.masked else []
    if not plan.masked:
        notes.append("nnU-Net normalised over whole volumes, background included; here only the brain counts.")
    others = [name for name in _folds(path) if name != file.parent.name]
    if others:
        notes.append(f"Only {file.parent.name} was imported; {', '.join(others)} are there too.")
    stage = {
        "architecture": "DynUNet",
        "arguments": {
            "in_channels": len(channels),
            "out_channels": len(named),
            "kernel_size": [[kernel[axis] for axis in back] for kernel in plan.kernels],
            "strides": [[stride[axis] for axis in back] for stride in plan.strides],
            "filters": plan.widths,
            "deep_supervision": False,
            "trans_bias": True,
            "res_block": False,
        },
        "inputs": channels,
        "outputs": named,
        "spacing_mm": round(sum(plan.spacing) / 3, 6),
        "window": [plan.patch[axis] for axis in back],
        "overlap": 0.5,
        "field": "brain",
        "normalisation_scheme": "brain",
        "orientation": "LPS",
    }
    return Converted(
        kind="nnU-Net v2 model",
        file=f"{path.name}/{file.parent.name}/{file.name}",
        content_hash=hashlib.sha256(content).hexdigest(),
        stage=stage,
        state=permute_state(dynunet_state(state, plan, path.name), back),
        stated=_stated(path, plans, dataset, held, file.parent.name),
        notes=tuple(notes),
    )


def dynunet_state(state: Mapping[str, torch.Tensor], plan: Plan, source: str) -> dict[str, torch.Tensor]:
    """Weights of nnU-Net's ``PlainConvUNet`` under the names of ``networks.dynunet.DynUNet``.

    The biases of convolutions before an InstanceNorm are left out: the norm cancels them exactly. So are the outputs
    for deep supervision, and the second names under which nnU-Net stores the same tensors.

    Raises
    ------
    ModelError
        If a tensor is missing.
    """
    depth = len(plan.widths)
    blocks = ["input_block", *(f"downsamples.{i}" for i in range(depth - 2)), "bottleneck"]
    pairs: dict[str, str] = {}
    for level, block in enumerate(blocks):
        pairs |= _pair(f"encoder.stages.{level}.0", f"body.{block}")
    for step in range(depth - 1):
        pairs |= _pair(f"decoder.stages.{step}", f"body.upsamples.{step}.conv_block")
        for kind in ("weight", "bias"):
            pairs[f"decoder.transpconvs.{step}.{kind}"] = f"body.upsamples.{step}.transp_conv.conv.{kind}"
    for kind in ("weight", "bias"):
        pairs[f"decoder.seg_layers.{depth - 2}.{kind}"] = f"body.output_block.conv.conv.{kind}"
    missing = [name for name in pairs if name not in state]
    if missing:
        raise ModelError(
            f"The checkpoint of {source} does not hold the network of its plans: {missing[0]} is missing "
            f"({len(missing)} of {len(pairs)} tensors)."
        )
    return {ours: state[theirs] for theirs, ours in pairs.items()}


def _pair(theirs: str, ours: str) -> dict[str, str]:
    """Names of a block of two convolutions with their norms."""
    names = {}
    for j in (0, 1):
        names[f"{theirs}.convs.{j}.conv.weight"] = f"{ours}.conv{j + 1}.conv.weight"
        for kind in ("weight", "bias"):
            names[f"{theirs}.convs.{j}.norm.{kind}"] = f"{ours}.norm{j + 1}.{kind}"
    return names


def _folds(path: Path) -> list[str]:
    """Names of the fold folders that hold a checkpoint, the numbered ones first."""
    found = [file.parent.name for name in _CHECKPOINTS for file in path.glob(f"fold_*/{name}")]
    return sorted(set(found))


def _checkpoint(path: Path, fold: str | None) -> Path:
    folds = _folds(path)
    if not folds:
        raise ModelError(
            f"The folder {path.name} has no fold_0 with a checkpoint_final.pth: give nnU-Net's trained model."
        )
    wanted = folds[0] if fold is None else f"fold_{fold.removeprefix('fold_')}"
    if wanted not in folds:
        raise InputError(f"{path.name} has no checkpoint for the fold {fold!r}: choose one of {', '.join(folds)}.")
    return next(path / wanted / name for name in _CHECKPOINTS if (path / wanted / name).is_file())


def _description(path: Path, name: str, embedded: Any) -> dict[str, Any]:
    """A description beside the folds; the checkpoint's own copy where the file is not there."""
    if (path / name).is_file():
        return read_config(path / name)
    if isinstance(embedded, dict):
        return embedded
    raise ModelError(f"The folder {path.name} has no {name}, which says what the model's channels and network are.")


def _configuration(path: Path, settings: Mapping[str, Any], plans: Mapping[str, Any]) -> str:
    if isinstance(settings.get("configuration"), str):
        return str(settings["configuration"])
    parts = path.name.split("__")
    if len(parts) == 3 and re.fullmatch(r"[A-Za-z0-9_]+", parts[2]):
        return parts[2]
    configurations = plans.get("configurations")
    return next(iter(configurations)) if isinstance(configurations, dict) and len(configurations) == 1 else "3d_fullres"


def _stated(
    path: Path, plans: Mapping[str, Any], dataset: Mapping[str, Any], held: Mapping[str, Any], fold: str
) -> dict[str, Any]:
    data = (
        plans.get("dataset_name") or dataset.get("name") or (path.parent.name if "Dataset" in path.parent.name else "")
    )
    cases = dataset.get("numTraining")
    said = {
        "training_data": f"as its files state: {data}" + (f", {cases} cases" if cases else "") if data else None,
        "trainer": held.get("trainer_name"),
        "fold": fold,
        "epochs": held.get("current_epoch"),
        "plans": plans.get("plans_name"),
    }
    return {key: value for key, value in said.items() if isinstance(value, str | int)}
