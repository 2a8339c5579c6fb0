"""Reading and writing a network's weights: safetensors beside a model card that holds their hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import staged_folder
from ..errors import ModelError

if TYPE_CHECKING:
    from .networks import BiTrUNet


def load_network(card_path: Path) -> tuple[BiTrUNet, dict[str, Any]]:
    """Build the network of a model card and fill in the weights that lie beside it.

    Returns
    -------
    network : in evaluation mode, float32, on the CPU
    card : the model card

    Raises
    ------
    ModelError
        If either file is missing or unreadable, the hash differs, or the weights do not fit the architecture.
    """
    from .networks import build_network

    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        weights = card_path.with_suffix(".safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise ModelError(f"The model {card_path.stem} cannot be read ({error}): install it again.") from error
    if hashlib.sha256(weights).hexdigest() != card.get("sha256"):
        raise ModelError(
            f"The weights {card_path.stem}.safetensors do not match their model card's hash: "
            "the file is damaged or was replaced; install it again."
        )
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        state = {name: value.float() for name, value in load(weights).items()}
        network = build_network(card["architecture"], card["arguments"])
        network.load_state_dict(state)
    except ModelError:
        raise
    except (SafetensorError, RuntimeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"The weights {card_path.stem}.safetensors do not fit their model card ({reason}).") from error
    return network.eval(), card


def save_network(state: dict[str, Any], card: dict[str, Any], folder: Path) -> Path:
    """Write weights (as float16) and card to ``folder`` under the card's name, both whole or neither.

    Returns the card's path; its ``sha256`` is filled in here.
    """
    import torch
    from safetensors.torch import save

    content = save({name: value.detach().to(torch.float16).contiguous().cpu() for name, value in state.items()})
    card = {**card, "sha256": hashlib.sha256(content).hexdigest()}
    names = (f"{card['name']}.safetensors", f"{card['name']}.json")
    with staged_folder(folder, names) as staging:
        (staging / names[0]).write_bytes(content)
        (staging / names[1]).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder / names[1]
