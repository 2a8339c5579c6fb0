"""A MONAI bundle (folder, or TorchScript file with its metadata inside) as a model of ours.

Cardoso et al. 2022, arXiv 2211.02701; the layout is that of MONAI's bundle specification. Channels come from
``metadata.json``, network, preprocessing and window from the inference configuration, as far as they are plain values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError, ModelError
from ..networks.monai_net import KNOWN
from ..weights import TORCHSCRIPT
from .axes import REVERSED, permute_arguments, permute_state
from .bundle_config import NotLiteral, literal, parse_config, read_config, target
from .checkpoints import check_torchscript, is_torchscript, read_checkpoint, read_content, state_of
from .names import check_inputs, check_outputs
from .store import Converted
from .transforms import Preprocessing, preprocessing_of, sliding_window, threshold_of

if TYPE_CHECKING:
    import torch

_CONFIGS = ("inference", "evaluate", "train")
_ENDINGS = (".json", ".yaml", ".yml")
_STATED = ("description", "authors", "copyright", "eval_metrics", "references", "monai_version")
_AXES_MATTER = ("SwinUNETR",)
"""Networks that treat their axes differently, so that turning their kernels would not turn the network."""
_DYNUNET = {"in_channels", "out_channels", "kernel_size", "strides", "filters"}
_DYNUNET_OPTIONAL = {"deep_supervision": False, "deep_supr_num": 1, "trans_bias": False, "res_block": False}


def is_bundle(path: Path) -> bool:
    """Whether a path looks like a MONAI bundle."""
    if path.is_dir():
        return (path / "configs").is_dir() or (path / "models").is_dir()
    return path.suffix in (".ts", ".pt", ".pth") and path.is_file()


def convert_bundle(path: Path, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None) -> Converted:
    """Convert a bundle.

    Parameters
    ----------
    path : the bundle's folder, or a TorchScript file
    inputs, outputs : names of the channels in their order, instead of what the metadata say

    Raises
    ------
    ModelError, InputError, DependencyError
        One sentence on what is missing, cannot be understood, or is not done for safety.
    """
    if path.is_file():
        return _from_script(read_content(path), path.name, {}, None, inputs, outputs)
    metadata = _metadata(path, needed=not (inputs and outputs))
    twin = path / "models" / "model.ts"
    try:
        return _from_folder(path, metadata, inputs, outputs)
    except NotLiteral as error:
        if not twin.is_file():
            raise ModelError(f"The bundle {path.name} cannot be imported: {error}.") from error
        return _from_script(read_content(twin), twin.name, metadata, _config(path)[0], inputs, outputs, str(error))


def _from_folder(path: Path, metadata: dict[str, Any], inputs: Any, outputs: Any) -> Converted:
    weights, twin = path / "models" / "model.pt", path / "models" / "model.ts"
    if not weights.is_file():
        if twin.is_file():
            raise NotLiteral("it has no models/model.pt")
        hint = "; its large_files.yml says where they are to be had" if list(path.glob("large_files.*")) else ""
        raise ModelError(f"The bundle {path.name} has no weights (models/model.pt or models/model.ts){hint}.")
    content = read_content(weights)
    config, config_name = _config(path)
    if is_torchscript(content):
        return _from_script(content, weights.name, metadata, config, inputs, outputs)
    if config is None:
        raise NotLiteral("it has no configs/inference.json or train.json that says which network its weights are for")
    name, arguments = _network(config, config_name)
    prepared = preprocessing_of(config, path.name)
    state = state_of(read_checkpoint(content, weights.name), weights.name)
    notes = list(prepared.notes)
    window, overlap, assumed = sliding_window(config)
    notes += assumed
    orientation = "RAS"
    if prepared.orientation is None:
        if name in _AXES_MATTER:
            notes.append("The bundle does not say how its scans are oriented: RAS was assumed.")
        else:
            # It has seen arrays (x, y, z) as BraTS files hold them, x to the left and y to posterior: our own
            # orientation, but for the order of the axes, which its kernels can follow.
            orientation, window = "LPS", window[::-1]
            state, arguments = permute_state(state, REVERSED), permute_arguments(arguments)
    architecture, arguments, state = _ours(name, arguments, state, config_name)
    stage = {"architecture": architecture, "arguments": arguments}
    stage |= _fields(prepared, metadata, path.name, inputs, outputs, orientation, window, overlap)
    return Converted(
        kind="MONAI bundle",
        file=f"{path.name}/models/{weights.name}",
        content_hash=hashlib.sha256(content).hexdigest(),
        stage=stage,
        state=state,
        threshold=threshold_of(config),
        stated=_stated(metadata),
        notes=tuple(notes),
    )


def _from_script(
    content: bytes,
    name: str,
    metadata: dict[str, Any],
    config: dict[str, Any] | None,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    why: str = "",
) -> Converted:
    if not is_torchscript(content):
        raise ModelError(
            f"The file {name} is no TorchScript archive with a network in it (weights alone do not say which network "
            "they are for): give the bundle's folder."
        )
    extra = check_torchscript(content, name)
    metadata = metadata or _json(extra.get("metadata.json", "{}"), "metadata.json")
    if not metadata and not (inputs and outputs):
        raise InputError(
            f"The TorchScript file {name} has no metadata.json inside that names its channels: give them with "
            "--inputs and --outputs."
        )
    if config is None:
        embedded = next((f"{key}.json" for key in _CONFIGS if f"{key}.json" in extra), None)
        config = {} if embedded is None else parse_config(extra[embedded], embedded)
    prepared = preprocessing_of(config, name)
    window, overlap, assumed = sliding_window(config)
    notes = [*prepared.notes, *assumed]
    if why:
        notes.append(f"Its TorchScript twin was taken, because of {why}.")
    if prepared.orientation is None:
        notes.append("The bundle does not say how its scans are oriented: RAS was assumed.")
    stage = {"architecture": TORCHSCRIPT, "arguments": {}}
    stage |= _fields(prepared, metadata, name, inputs, outputs, "RAS", window, overlap)
    return Converted(
        kind="MONAI bundle (TorchScript)" if metadata else "TorchScript file",
        file=name,
        content_hash=hashlib.sha256(content).hexdigest(),
        stage=stage,
        script=content,
        threshold=threshold_of(config),
        stated=_stated(metadata),
        notes=tuple(notes),
    )


def _fields(
    prepared: Preprocessing,
    metadata: dict[str, Any],
    source: str,
    inputs: Sequence[str] | None,
    outputs: Sequence[str] | None,
    orientation: str,
    window: Sequence[int],
    overlap: float,
) -> dict[str, Any]:
    return {
        "inputs": check_inputs(inputs or _channels(metadata, "inputs"), source),
        "outputs": check_outputs(outputs or _channels(metadata, "outputs"), source),
        "spacing_mm": prepared.spacing,
        "window": list(window),
        "overlap": overlap,
        "field": "brain",
        "normalisation_scheme": prepared.normalisation,
        "orientation": orientation,
    }


def _channels(metadata: dict[str, Any], side: str) -> list[str]:
    """Names of the channels in their order, as ``network_data_format`` of the metadata gives them; else none."""
    form = metadata.get("network_data_format")
    entries = form.get(side) if isinstance(form, dict) else None
    for entry in entries.values() if isinstance(entries, dict) else ():
        named = entry.get("channel_def") if isinstance(entry, dict) else None
        if isinstance(named, dict) and all(str(key).isdigit() for key in named):
            return [str(named[key]) for key in sorted(named, key=int)]
    return []


def _metadata(path: Path, *, needed: bool) -> dict[str, Any]:
    file = path / "configs" / "metadata.json"
    if file.is_file():
        return read_config(file)
    if needed:
        raise ModelError(
            f"The folder {path.name} has no configs/metadata.json, which names a bundle's channels: give the bundle's "
            "own folder, or the channels with --inputs and --outputs."
        )
    return {}


def _config(path: Path) -> tuple[dict[str, Any] | None, str]:
    for stem in _CONFIGS:
        for ending in _ENDINGS:
            file = path / "configs" / f"{stem}{ending}"
            if not file.is_file():
                continue
            config = read_config(file)
            if stem != "evaluate" or "network_def" in config:  # evaluate.json changes a few entries of train.json
                return config, file.name
    return None, ""


def _network(config: dict[str, Any], file: str) -> tuple[str, dict[str, Any]]:
    """MONAI's class and arguments of the bundle's network; ``NotLiteral`` where only code would tell them."""
    entry = config.get("network_def", config.get("network"))
    if entry is None:
        raise NotLiteral(f"its {file} defines no network (network_def)")
    try:
        if isinstance(entry, str):
            entry = literal(entry, config)
        name = target(entry) if isinstance(entry, dict) else str(entry)
        if name not in {*KNOWN, "DynUNet"}:
            known = ", ".join(sorted({*KNOWN, "DynUNet"}))
            raise NotLiteral(f"its {file} names the network {name[:60]!r}, which is not one of {known}")
        return name, {key: literal(value, config) for key, value in entry.items() if not key.startswith("_")}
    except NotLiteral as error:
        if str(error).startswith("its "):
            raise
        raise NotLiteral(f"its {file} defines the network by {error}, which is never run") from error


def _ours(
    name: str, arguments: dict[str, Any], state: dict[str, torch.Tensor], file: str
) -> tuple[str, dict[str, Any], dict[str, torch.Tensor]]:
    """Architecture, arguments and state as ``build_network`` takes them."""
    if name != "DynUNet":
        return "MonaiNet", {"network": name, "arguments": arguments}, {f"body.{k}": v for k, v in state.items()}
    given = {key: value for key, value in arguments.items() if key not in ("spatial_dims", "upsample_kernel_size")}
    norm = given.pop("norm_name", ["INSTANCE", {"affine": True}])
    usual = isinstance(norm, list) and str(norm[0]).lower().startswith("instance") and norm[1].get("affine")
    for key in ("act_name", "dropout"):
        if given.get(key) is None:
            given.pop(key, None)
    unknown = set(given) - _DYNUNET - set(_DYNUNET_OPTIONAL)
    if not usual or unknown or arguments.get("upsample_kernel_size") != arguments.get("strides", [])[1:]:
        odd = ", ".join(sorted(unknown)) or ("upsample_kernel_size" if usual else "norm_name")
        raise NotLiteral(f"its {file} gives DynUNet {odd} other than nnU-Net has")
    # MONAI's widths where a bundle gives none, which are nnU-Net's
    widths = [min(32 * 2**level, 320) for level in range(len(arguments["strides"]))]
    ours = {**_DYNUNET_OPTIONAL, "filters": widths, **given}
    # MONAI stores the same tensors a second time under skip_layers
    kept = {f"body.{key}": value for key, value in state.items() if not key.startswith("skip_layers.")}
    return "DynUNet", ours, kept


def _stated(metadata: dict[str, Any]) -> dict[str, Any]:
    stated = {key: metadata[key] for key in ("name", *_STATED) if key in metadata}
    data = metadata.get("data_source")
    return {
        **stated,
        "version": metadata.get("version"),
        "training_data": f"as the bundle states: {data}" if data else None,
        "intended_use": metadata.get("intended_use"),
    }


def _json(text: str, name: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ModelError(f"The bundle's {name} is no JSON ({error}).") from error
    return content if isinstance(content, dict) else {}
