"""Reading and writing a network's weights: safetensors beside a model card that holds their hash."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import staged_folder
from ..errors import ModelError
from .torch_needed import require_torch

if TYPE_CHECKING:
    from torch import nn

TORCHSCRIPT = "TorchScript"
"""The architecture of a card whose weights are a TorchScript archive, which brings its own network."""


def read_weights(card_path: Path, fields: dict[str, Any]) -> bytes:
    """The content of the weights file that a card, or one stage of it, names; its hash has been checked.

    Parameters
    ----------
    card_path : the model card
    fields : ``sha256`` and ``weights`` (the name of a file beside the card; the card's own name where absent)

    Raises
    ------
    ModelError
        If the file is missing or its hash differs.
    """
    name = _file_name(card_path, fields)
    if Path(name).name != name:
        raise ModelError(f"The model card {card_path.name} names the weights {name!r}: they must lie beside the card.")
    try:
        content = card_path.with_name(name).read_bytes()
    except OSError as error:
        raise ModelError(f"The weights {name} cannot be read ({error}): install the model again.") from error
    if hashlib.sha256(content).hexdigest() != fields.get("sha256"):
        raise ModelError(
            f"The weights {name} do not match their model card's hash: "
            "the file is damaged or was replaced; install it again."
        )
    return content


def build_network_of(card_path: Path, fields: dict[str, Any], content: bytes) -> nn.Module:
    """The network that a card, or one stage of it, describes, with its weights: in evaluation mode, float32, CPU.

    Parameters
    ----------
    fields : ``architecture`` and ``arguments``
    content : what ``read_weights`` returned

    Raises
    ------
    ModelError
        If the architecture is not known here or the weights do not fit it.
    """
    name = _file_name(card_path, fields)
    require_torch()
    return _scripted(content, name) if fields.get("architecture") == TORCHSCRIPT else _built(content, fields, name)


def load_weights(card_path: Path, fields: dict[str, Any]) -> nn.Module:
    """``read_weights`` and ``build_network_of`` in one."""
    return build_network_of(card_path, fields, read_weights(card_path, fields))


def _file_name(card_path: Path, fields: dict[str, Any]) -> str:
    return str(fields.get("weights", f"{card_path.stem}.safetensors"))


def _built(content: bytes, fields: dict[str, Any], name: str) -> nn.Module:
    from safetensors import SafetensorError
    from safetensors.torch import load

    from .networks import build_network

    try:
        state = {key: value.float() if value.is_floating_point() else value for key, value in load(content).items()}
        network = build_network(fields["architecture"], fields["arguments"])
        network.load_state_dict(state)
    except ModelError:
        raise
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"The weights {name} do not fit their model card ({reason}).") from error
    return network.eval()


def _scripted(content: bytes, name: str) -> nn.Module:
    import torch

    try:
        return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"The file {name} is no TorchScript archive that this PyTorch can read ({reason}).") from error


def save_network(state: dict[str, Any], card: dict[str, Any], folder: Path) -> Path:
    """Write weights (as float16, integers as they are) and card to ``folder`` under the card's name, whole or not.

    Returns the card's path; its ``sha256`` is filled in here.
    """
    import torch
    from safetensors.torch import save

    small = {
        name: value.detach().to(torch.float16) if value.is_floating_point() else value.detach()
        for name, value in state.items()
    }
    content = save({name: value.contiguous().cpu() for name, value in small.items()})
    card = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    names = (f"{card['name']}.safetensors", f"{card['name']}.json")
    with staged_folder(folder, names) as staging:
        (staging / names[0]).write_bytes(content)
        (staging / names[1]).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder / names[1]
