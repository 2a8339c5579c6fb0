"""Tiny models as others store them: a MONAI bundle, and a trained-model folder of nnU-Net v2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812

SEGRESNET = {
    "_target_": "SegResNet", "blocks_down": [1, 1, 1], "blocks_up": [1, 1], "init_filters": 8, "in_channels": 4,
    "out_channels": 3, "dropout_prob": 0.2,
}  # fmt: skip
INPUTS = {"0": "T1c", "1": "T1", "2": "T2", "3": "FLAIR"}
OUTPUTS = {"0": "Tumor core", "1": "Whole tumor", "2": "Enhancing tumor"}
NORMALISE = {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True}


def metadata(inputs: dict[str, str] = INPUTS, outputs: dict[str, str] = OUTPUTS) -> dict[str, Any]:
    return {
        "version": "0.5.2",
        "data_source": "https://www.med.upenn.edu/sbia/brats2018/data.html",
        "intended_use": "This is an example, not to be used for diagnostic purposes",
        "eval_metrics": {"val_mean_dice": 0.8518},
        "network_data_format": {
            "inputs": {"image": {"num_channels": 4, "channel_def": inputs}},
            "outputs": {"pred": {"num_channels": len(outputs), "channel_def": outputs}},
        },
    }


def inference(network: Any = SEGRESNET, steps: tuple[Any, ...] = (NORMALISE,)) -> dict[str, Any]:
    """An inference configuration as the model zoo's BraTS bundle has it, expressions included."""
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": network,
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [{"_target_": "LoadImaged", "keys": "image"}, *steps],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [24, 32, 16], "sw_batch_size": 1, "overlap": 0.25},
        "postprocessing": {"_target_": "Compose", "transforms": [{"_target_": "AsDiscreted", "threshold": 0.4}]},
    }


def segresnet() -> torch.nn.Module:
    nets = __import__("monai.networks.nets", fromlist=["SegResNet"])
    torch.manual_seed(0)
    return nets.SegResNet(**{key: value for key, value in SEGRESNET.items() if key != "_target_"}).eval()


def write_bundle(
    folder: Path,
    *,
    network: torch.nn.Module | None = None,
    described: dict[str, Any] | None = None,
    config: dict[str, Any] | None = None,
) -> Path:
    """Write a bundle's folder; what is None is the tiny SegResNet."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    write_json(folder / "configs" / "metadata.json", metadata() if described is None else described)
    write_json(folder / "configs" / "inference.json", inference() if config is None else config)
    torch.save((network or segresnet()).state_dict(), folder / "models" / "model.pt")
    return folder


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


WIDTHS = (4, 6, 8, 8)
STRIDES = ([1, 1, 1], [2, 2, 2], [2, 2, 2], [1, 2, 2])
REGIONS = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}


def architecture() -> dict[str, Any]:
    """``arch_kwargs`` of nnU-Net's plans."""
    return {
        "n_stages": len(WIDTHS),
        "features_per_stage": list(WIDTHS),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[3, 3, 3]] * len(WIDTHS),
        "strides": [list(step) for step in STRIDES],
        "n_conv_per_stage": [2] * len(WIDTHS),
        "n_conv_per_stage_decoder": [2] * (len(WIDTHS) - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def plans(**changes: Any) -> dict[str, Any]:
    """Plans in the newer form; the configuration in use inherits from another one."""
    common = {
        "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["ZScoreNormalization"] * 4,
        "use_mask_for_norm": [True] * 4,
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": architecture(),
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
    }
    return {
        "dataset_name": "Dataset137_BraTS2021",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {
            "3d_lowres": {**common, "patch_size": [8, 16, 16]},
            "3d_fullres": {"inherits_from": "3d_lowres", "patch_size": [16, 32, 32]},
        },
        **changes,
    }


def dataset(**changes: Any) -> dict[str, Any]:
    return {
        "channel_names": {"0": "T1", "1": "T1ce", "2": "T2", "3": "Flair"},
        "labels": REGIONS,
        "regions_class_order": [1, 2, 3],
        "numTraining": 1251,
        "file_ending": ".nii.gz",
        **changes,
    }


def plain_conv_state(outputs: int = 3) -> dict[str, torch.Tensor]:
    """Random weights under the names of nnU-Net's PlainConvUNet, each convolution under both of its names."""
    random = torch.Generator().manual_seed(1)
    state: dict[str, torch.Tensor] = {}

    def block(name: str, inputs: int, width: int) -> None:
        for j in (0, 1):
            for prefix, norm in (("conv", "norm"), ("all_modules.0", "all_modules.1")):
                weight, bias = torch.randn(width, inputs, 3, 3, 3, generator=random) / (inputs * 9) ** 0.5, None
                bias = torch.randn(width, generator=random)
                scale, shift = 1 + torch.rand(width, generator=random), torch.randn(width, generator=random)
                if prefix != "conv":  # the same tensors a second time
                    weight, bias, scale, shift = (state[f"{name}.convs.{j}.{k}"] for k in _KINDS)
                pairs = {
                    f"{prefix}.weight": weight,
                    f"{prefix}.bias": bias,
                    f"{norm}.weight": scale,
                    f"{norm}.bias": shift,
                }
                state.update({f"{name}.convs.{j}.{key}": value for key, value in pairs.items()})
            inputs = width

    inputs = 4
    for level, width in enumerate(WIDTHS):
        block(f"encoder.stages.{level}.0", inputs, width)
        inputs = width
    for step in range(len(WIDTHS) - 1):
        below, width = WIDTHS[-1 - step], WIDTHS[-2 - step]
        stride = STRIDES[-1 - step]
        state[f"decoder.transpconvs.{step}.weight"] = torch.randn(below, width, *stride, generator=random) / below**0.5
        state[f"decoder.transpconvs.{step}.bias"] = torch.randn(width, generator=random)
        block(f"decoder.stages.{step}", 2 * width, width)
        state[f"decoder.seg_layers.{step}.weight"] = torch.randn(outputs, width, 1, 1, 1, generator=random)
        state[f"decoder.seg_layers.{step}.bias"] = torch.randn(outputs, generator=random)
    encoder = {f"decoder.{key}": value for key, value in state.items() if key.startswith("encoder.")}
    return {**state, **encoder}


_KINDS = ("conv.weight", "conv.bias", "norm.weight", "norm.bias")


def plain_conv_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """PlainConvUNet computed from its weights with torch's functions alone, biases of all convolutions included."""

    def block(name: str, x: torch.Tensor, stride: Any = 1) -> torch.Tensor:
        for j in (0, 1):
            weight, bias, scale, shift = (state[f"{name}.convs.{j}.{kind}"] for kind in _KINDS)
            x = F.conv3d(x, weight, bias, stride=stride if j == 0 else 1, padding=1)
            x = F.leaky_relu(F.instance_norm(x, weight=scale, bias=shift), 0.01)
        return x

    skips = []
    for level, stride in enumerate(STRIDES):
        x = block(f"encoder.stages.{level}.0", x, stride)
        skips.append(x)
    for step in range(len(WIDTHS) - 1):
        name = f"decoder.transpconvs.{step}"
        x = F.conv_transpose3d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=STRIDES[-1 - step])
        x = block(f"decoder.stages.{step}", torch.cat([x, skips[-2 - step]], 1))
    last = f"decoder.seg_layers.{len(WIDTHS) - 2}"
    return F.conv3d(x, state[f"{last}.weight"], state[f"{last}.bias"])


def write_nnunet(folder: Path, *, planned: Any = None, described: Any = None, outputs: int = 3, folds=("0",)) -> Path:
    """Write a trained-model folder."""
    folder.mkdir(parents=True)
    planned, described = plans() if planned is None else planned, dataset() if described is None else described
    write_json(folder / "plans.json", planned)
    write_json(folder / "dataset.json", described)
    for fold in folds:
        (folder / f"fold_{fold}").mkdir()
        checkpoint = {
            "network_weights": plain_conv_state(outputs),
            "optimizer_state": None,
            "grad_scaler_state": None,
            "logging": {"ema_fg_dice": [np.float64(0.9), np.float32(0.91)]},
            "_best_ema": np.float64(0.91),
            "current_epoch": 1000,
            "init_args": {
                "plans": planned,
                "configuration": "3d_fullres",
                "fold": fold,
                "dataset_json": described,
                "device": torch.device("cpu"),
            },
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1, 2),
        }
        torch.save(checkpoint, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
