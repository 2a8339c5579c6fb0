"""Commands on models: what is bundled."""

from __future__ import annotations

from ..console import print_json
from .options import Json


def models(as_json: Json = False) -> None:
    """List the bundled models with their cards."""
    from ..models import model_cards

    cards = model_cards()
    if as_json:
        print_json(cards)
        return
    for card in cards:
        print(f"{card.get('name')} {card.get('version', '')}  {card.get('task', '')}")
        print(f"  for: {card.get('intended_use', 'not stated')}")
        print(f"  sha256: {card.get('sha256')}")
