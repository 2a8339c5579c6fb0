"""Other people's models: MONAI bundles, TorchScript files and nnU-Net v2 folders become models with a card of ours.

Nothing that comes with them is executed: no expression of a bundle's configuration is evaluated, no pickled object
is built, and TorchScript that reaches beyond computing is refused. ``BraTSOSLib.models`` lists, finds and removes
what was imported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import InputError
from ...models import check_new_name
from ..torch_needed import require_torch


def import_model(
    path: Path,
    name: str,
    *,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    fold: str | None = None,
) -> Path:
    """Import a model under a name; return the path of its card.

    Parameters
    ----------
    path : a MONAI bundle's folder, a TorchScript file (``.ts``), or nnU-Net v2's trained-model folder
    name : letters, digits, dots, dashes and underscores; neither a bundled nor a taken one
    inputs : modalities in the order of the input channels, where the model does not say or says it wrongly
    outputs : regions (``TC,WT,ET``) or classes (``background,NCR,ED,ET``) in the order of the output channels, likewise
    labels : nnU-Net's label names or numbers to the classes or regions that they mean
    fold : of an nnU-Net model; the first where None

    Raises
    ------
    InputError, ModelError, DependencyError
        One sentence each; nothing is left behind.
    """
    check_new_name(name)
    if not path.exists():
        raise InputError(f"There is no {path}: give the folder or file of the model to import.")
    require_torch()
    from .monai_bundle import convert_bundle, is_bundle
    from .nnunet import convert_nnunet, is_nnunet
    from .store import save

    if is_nnunet(path):
        converted = convert_nnunet(path, inputs, outputs, labels, fold)
    elif is_bundle(path):
        if fold or labels:
            raise InputError(f"{path} is no nnU-Net model: --fold and --labels do not apply; use --outputs.")
        converted = convert_bundle(path, inputs, outputs)
    else:
        raise InputError(
            f"{path} is no model that can be imported: give a MONAI bundle's folder (with configs and models), a "
            "TorchScript file (.ts), or nnU-Net's folder with plans.json and fold_0."
        )
    return save(converted, name)


__all__ = ["import_model"]
