"""Checkpoints of a training run: whole or not at all, read without running anything that they contain."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError, ModelError

NAME = "checkpoint.pt"
FORMAT = 2
_KEYS = {"format", "recipe", "cases", "network", "average", "optimiser", "step", "elapsed"}


def write_checkpoint(content: dict[str, Any], folder: Path) -> Path:
    """Write ``content`` to ``folder/checkpoint.pt``; an older one stays in its place until the new one is complete.

    Raises
    ------
    InputError
        If the folder cannot be written to.
    """
    path = folder / NAME
    temporary = path.with_suffix(".tmp")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            torch.save({"format": FORMAT, **content}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"The checkpoint {path} cannot be written ({error}): is there room on the disk?") from error
    return path


def read_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read what ``write_checkpoint`` wrote.

    Raises
    ------
    ModelError
        If the file is cut short, damaged, or no checkpoint of this version.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever the broken file leads it to
        raise ModelError(
            f"The checkpoint {path} cannot be read ({type(error).__name__}): it may be cut short. Start a new run, or "
            "from a model card (--start-from)."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not set(content) >= _KEYS:
        raise ModelError(f"{path} is no checkpoint of a training run of this version: start a new run.")
    return content


def starting_weights(
    source: str, architecture: str, arguments: dict[str, Any], field: str = "brain"
) -> dict[str, Tensor]:
    """Weights to begin with: those of a checkpoint, a model card, or a bundled model's name.

    Parameters
    ----------
    source : path of ``checkpoint.pt`` or of a card (``.json``), or the name of a bundled model
    architecture, arguments : of the network that will be trained; the card's stage that has the same is taken
    field : of the stage to prefer, where several have the same network

    Raises
    ------
    ModelError
        If the file is damaged or its network is another one.
    InputError
        If there is no such file or model.
    """
    path = Path(source)
    if path.suffix == ".pt" and path.is_file():
        average = read_checkpoint(path)["average"]
        return {name: value.float() if value.is_floating_point() else value for name, value in average.items()}
    if path.suffix != ".json" or not path.is_file():
        path = _bundled(source)
    return _from_card(path, architecture, arguments, field)


def load_into(network: torch.nn.Module, state: dict[str, Tensor], source: str) -> None:
    """Fill in ``state``; raises ``ModelError`` where it is of another network."""
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise ModelError(
            f"The weights of {source} are of another network ({lines[min(1, len(lines) - 1)]}): choose the network and "
            "arguments that they were trained with."
        ) from error


def _bundled(name: str) -> Path:
    from ...resources import resource

    try:
        return resource("Models", f"{name}.json")
    except ModelError as error:
        raise InputError(
            f"The weights to start from, {name}, are neither a checkpoint (.pt), a model card (.json) nor a bundled "
            "model: check the path."
        ) from error


def _from_card(path: Path, architecture: str, arguments: dict[str, Any], field: str) -> dict[str, Tensor]:
    from ...models import read_card
    from ..networks import build_network
    from ..weights import load_weights

    card = read_card(path)
    wanted = {key: tuple(value.shape) for key, value in build_network(architecture, arguments).state_dict().items()}
    stages = card.get("stages") or [card]
    for fields in sorted(stages, key=lambda stage: stage.get("field", "brain") != field):
        # the tensors decide: arguments may be spelled in two ways, or matter for training alone
        if fields.get("architecture") == architecture:
            state = load_weights(path, fields).state_dict()
            if {key: tuple(value.shape) for key, value in state.items()} == wanted:
                return state
    found = ", ".join(str(fields.get("architecture")) for fields in stages)
    raise ModelError(
        f"The model {path.stem} ({found}) holds no weights of this {architecture}: choose the network and arguments "
        "that it was trained with, or another model."
    )
