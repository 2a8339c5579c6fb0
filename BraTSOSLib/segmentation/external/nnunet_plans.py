"""nnU-Net's plans and data-set description: which network, on which voxels, for which channels and labels.

Isensee et al. 2021, Nature Methods 18:203; plans as nnU-Net v2 writes them, the newer form with an ``architecture``
and the older one without.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, ModelError
from .names import check_inputs, check_outputs, output

_PLAIN = "PlainConvUNet"
_DEEPEST = 10
_NORM = {"eps": 1e-5, "affine": True}
_CLASS_OF_SIZE = ("ET", "TC", "WT")


@dataclass(frozen=True)
class Plan:
    """What DynUNet needs to know. Lists by axis are in the order of the network's own axes, see ``transpose``.

    Attributes
    ----------
    widths, kernels, strides : by level, from fine to coarse
    patch, spacing : by axis, voxels and mm
    transpose : the network's axis ``i`` is the scan's axis (z, y, x) number ``transpose[i]``
    inputs : number of channels
    masked : whether intensities are normalised over the brain only (``use_mask_for_norm``)
    """

    widths: list[int]
    kernels: list[list[int]]
    strides: list[list[int]]
    patch: list[int]
    spacing: list[float]
    transpose: list[int]
    masked: bool


def read_plan(plans: Mapping[str, Any], configuration: str, source: str) -> Plan:
    """Read one configuration of a plans file.

    Raises
    ------
    ModelError
        If it is not there or incomplete, or its network is not nnU-Net's plain 3-D U-Net.
    """
    entry = _resolved(plans, configuration, source)
    try:
        if entry.get("previous_stage") or "cascade" in configuration:
            raise ModelError(f"{source} is the second stage of a cascade, which cannot be imported alone.")
        patch = [int(n) for n in entry["patch_size"]]
        if len(patch) != 3:
            raise ModelError(f"{source} is a 2-D network; only 3-D configurations (3d_fullres) can be imported.")
        kernels, strides, widths = _architecture(entry, source)
        schemes = list(entry["normalization_schemes"])
        if set(schemes) != {"ZScoreNormalization"}:
            raise ModelError(
                f"{source} normalises its scans by {', '.join(sorted(set(schemes)))}; only ZScoreNormalization is "
                "supported."
            )
        transpose = [int(axis) for axis in plans.get("transpose_forward", (0, 1, 2))]
        if sorted(transpose) != [0, 1, 2]:
            raise ModelError(f"{source} has the axis order {transpose}, which is none.")
        masks = list(entry.get("use_mask_for_norm", [False]))
        return Plan(widths, kernels, strides, patch, [float(s) for s in entry["spacing"]], transpose, all(masks))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"The plans of {source} are incomplete or not of nnU-Net v2 ({error}).") from error


def _resolved(plans: Mapping[str, Any], name: str, source: str) -> dict[str, Any]:
    """The configuration ``name`` with what it inherits."""
    configurations = plans.get("configurations")
    if not isinstance(configurations, dict) or not isinstance(configurations.get(name), dict):
        known = ", ".join(configurations) if isinstance(configurations, dict) else "none"
        raise ModelError(f"The plans of {source} have no configuration {name!r} (they have {known}).")
    chain = [configurations[name]]
    while "inherits_from" in chain[-1]:
        parent = configurations.get(chain[-1]["inherits_from"])
        if not isinstance(parent, dict) or len(chain) > _DEEPEST:
            raise ModelError(f"The plans of {source} inherit from {chain[-1]['inherits_from']!r}, which leads nowhere.")
        chain.append(parent)
    return {key: value for part in reversed(chain) for key, value in part.items()}


def _architecture(entry: Mapping[str, Any], source: str) -> tuple[list[list[int]], list[list[int]], list[int]]:
    """Kernels, strides and widths by level, after a check that the rest is as DynUNet has it."""
    described = entry.get("architecture")
    if isinstance(described, dict):
        name, arguments = str(described["network_class_name"]).rsplit(".", 1)[-1], described["arch_kwargs"]
        kernels, strides = arguments["kernel_sizes"], arguments["strides"]
        widths = arguments["features_per_stage"]
        down = arguments.get("n_conv_per_stage", arguments.get("n_blocks_per_stage"))
        up = arguments["n_conv_per_stage_decoder"]
    else:
        name, arguments = str(entry["UNet_class_name"]), {}
        kernels, strides = entry["conv_kernel_sizes"], entry["pool_op_kernel_sizes"]
        base, most = int(entry["UNet_base_num_features"]), int(entry["unet_max_num_features"])
        widths = [min(base * 2**level, most) for level in range(len(strides))]
        down, up = entry["n_conv_per_stage_encoder"], entry["n_conv_per_stage_decoder"]
    if name != _PLAIN:
        raise ModelError(
            f"{source} is a {name}, which cannot be imported: only nnU-Net's plain U-Net ({_PLAIN}, the plans without "
            "ResEnc) can."
        )
    pairs = all(set(_listed(n)) == {2} for n in (down, up))
    norm = arguments.get("norm_op_kwargs", _NORM) or {}
    slope = (arguments.get("nonlin_kwargs") or {}).get("negative_slope", 0.01)
    usual = (
        pairs
        and "InstanceNorm3d" in str(arguments.get("norm_op", "InstanceNorm3d"))
        and norm.get("affine") is True
        and norm.get("eps", 1e-5) == 1e-5
        and "LeakyReLU" in str(arguments.get("nonlin", "LeakyReLU"))
        and slope == 0.01
        and not arguments.get("dropout_op")
        and not arguments.get("nonlin_first")
    )
    if not usual:
        raise ModelError(
            f"The network of {source} differs from nnU-Net's usual one (two convolutions a stage, InstanceNorm, "
            "LeakyReLU, no dropout) and cannot be imported."
        )
    kernels, strides = [_by_axis(k) for k in kernels], [_by_axis(s) for s in strides]
    if any(step not in (1, 2) for level in strides for step in level) or any(n % 2 == 0 for k in kernels for n in k):
        raise ModelError(
            f"The network of {source} has strides or kernels that cannot be imported ({strides}, {kernels})."
        )
    # nnU-Net's decoder has the kernel of the level that it writes to, DynUNet's that of the level it comes from
    if any(kernel != kernels[0] for kernel in kernels):
        raise ModelError(
            f"The network of {source} has other kernels on some levels ({kernels}), as anisotropic scans get, and "
            "cannot be imported."
        )
    if len(strides) < 3 or strides[0] != [1, 1, 1]:
        raise ModelError(
            f"The network of {source} has the strides {strides}; three levels are needed, the first without."
        )
    return kernels, strides, [int(n) for n in widths]


def _listed(value: Any) -> list[int]:
    return [int(n) for n in value] if isinstance(value, list | tuple) else [int(value)]


def _by_axis(value: Any) -> list[int]:
    return [int(n) for n in value] if isinstance(value, list | tuple) else [int(value)] * 3


def input_channels(dataset: Mapping[str, Any], source: str) -> list[str]:
    """Modalities in the order of the channels."""
    named = dataset.get("channel_names", dataset.get("modality"))
    if not isinstance(named, dict) or not all(str(key).isdigit() for key in named):
        raise ModelError(f"The dataset.json of {source} has no channel_names: give them with --inputs.")
    return check_inputs([str(named[key]) for key in sorted(named, key=lambda key: int(key))], source)


def output_channels(dataset: Mapping[str, Any], meanings: Mapping[str, str], source: str) -> list[str]:
    """Regions or classes in the order of the network's outputs.

    Parameters
    ----------
    dataset : content of dataset.json
    meanings : label name or number to the class or region that it means, for names that are not recognised
    source : the model's name, for messages

    Notes
    -----
    A label that stands for several numbers makes all labels regions, with a sigmoid output each in the order of the
    file; else there is a softmax output for each number. Three regions with unknown names are told apart by their
    nesting, ET in TC in WT.
    """
    labels = dataset.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise ModelError(f"The dataset.json of {source} has no labels.")
    labels = {str(name): value for name, value in labels.items() if name != "ignore"}
    if any(isinstance(value, list) and len(value) > 1 for value in labels.values()):
        sets = {name: frozenset(_listed(value)) for name, value in labels.items() if _listed(value) != [0]}
        return _regions(sets, meanings, source)
    numbered = {_listed(value)[0]: name for name, value in labels.items()}
    if sorted(numbered) != list(range(len(numbered))):
        raise ModelError(f"The labels of {source} are numbered {sorted(numbered)}, not one after another from 0.")
    names = [numbered[number] for number in range(len(numbered))]
    return check_outputs([_meaning(name, str(number), meanings) for number, name in enumerate(names)], source)


def _regions(sets: dict[str, frozenset[int]], meanings: Mapping[str, str], source: str) -> list[str]:
    names = [_meaning(name, name, meanings) for name in sets]
    if any(output(name) is None for name in names):
        ordered = sorted(sets, key=lambda name: len(sets[name]))
        nested = all(sets[a] < sets[b] for a, b in itertools.pairwise(ordered))
        if len(ordered) == len(_CLASS_OF_SIZE) and nested:
            by_size = dict(zip(ordered, _CLASS_OF_SIZE, strict=True))
            names = [by_size[name] for name in sets]
    found = check_outputs(names, source)
    of = dict(zip(found, sets.values(), strict=True))
    if not of["ET"] <= of["TC"] <= of["WT"]:
        raise InputError(
            f"The regions of {source} do not lie within one another as their names say (ET in TC in WT): say which is "
            "which with --labels NAME=REGION."
        )
    return found


def _meaning(name: str, number: str, meanings: Mapping[str, str]) -> str:
    return meanings.get(name, meanings.get(number, name))
