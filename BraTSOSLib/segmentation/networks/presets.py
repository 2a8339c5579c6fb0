"""The networks by name: each architecture of the papers at its published size, and narrow ones for two CPU cores.

Plain data, so that listing the networks needs neither PyTorch nor MONAI. The figures behind the arguments stand in
each network's own file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ANAND = "Anand et al. 2020, Automatic Hard mining in 3D CNN Architecture, section 3.2"
EPSTEIN = "Epstein & Shimshi, Transfer learning for 3d MRI brain tumor segmentation; Chen et al. 2019, arXiv 1904.00625"
DO_TABLE = "Do et al. 2022, table 1"
MILLETARI = "Milletari et al. 2016, arXiv 1606.04797"
CUBE = (128, 128, 128)
COARSE = (64, 96, 64)


@dataclass(frozen=True)
class Preset:
    """A network by name.

    Attributes
    ----------
    architecture, arguments : what a model card stores and ``build_network`` takes; plain JSON values
    title : for people
    source : the paper or the model that the size comes from
    outputs : ``classes`` (softmax; background, NCR, ED, ET, and healthy brain where there are five) or ``regions``
        (sigmoid; WT, TC, ET)
    window : (z, y, x) voxels of a training patch
    spacing : mm of these voxels
    """

    architecture: str
    arguments: dict[str, Any]
    title: str
    source: str
    outputs: str = "classes"
    window: tuple[int, int, int] = CUBE
    spacing: float = 1.0

    @property
    def out_channels(self) -> int:
        """Channels of the logits."""
        return int(self.arguments["out_channels"])


def _narrow(architecture: str, title: str, like: str, **arguments: Any) -> Preset:
    """Three regions at 2 mm, for a laptop; ``like``: the preset whose other arguments are kept."""
    return Preset(
        architecture,
        {**(PRESETS[like].arguments if like else {}), **arguments, "out_channels": 3},
        title,
        "this library",
        outputs="regions",
        window=COARSE,
        spacing=2.0,
    )


_COMPACT: dict[str, Any] = {
    "in_channels": 4,
    "widths": [32, 48, 64, 80, 96],
    "token_dims": [80, 96],
    "token_voxels": [1, 1],
    "position_grids": [[4, 6, 4], [2, 3, 2]],
    "depths": [1, 2],
    "heads": 4,
    "mlp_dims": [160, 192],
    "token_kernel": 1,
    "return_convs": 1,
    "return_residual": False,
    "group_norm": True,
    "cbam_reduction": 4,
    "fold": 2,
    "deep_supervision": True,
    "dropout": 0.0,
    "stem_dropout": 0.0,
}
_RESNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "encoder_width": 1.0,
    "widths": [16, 32, 64, 128],
    "per_modality": True,
    "frozen": False,
}
_DYNUNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 3,
    "kernel_size": [3] * 6,
    "strides": [1, 2, 2, 2, 2, 2],
    "filters": [32, 64, 128, 256, 320, 320],
    "deep_supervision": True,
    "deep_supr_num": 4,
    "trans_bias": True,
    "res_block": False,
}

PRESETS: dict[str, Preset] = {
    "bitrunet": Preset(
        "BiTrUNet",
        {
            "in_channels": 4,
            "out_channels": 4,
            "widths": [16, 32, 64, 128, 256],
            "token_dims": [512, 256],
            "token_voxels": [2, 1],
            "position_grids": [[16, 16, 8], [8, 8, 8]],
            "depths": [4, 4],
            "heads": 8,
            "mlp_dims": [4096, 4096],
            "token_kernel": 3,
            "return_convs": 2,
            "return_residual": True,
            "group_norm": False,
            "cbam_reduction": 16,
            "fold": 1,
            "deep_supervision": False,
            "dropout": 0.1,
            "stem_dropout": 0.2,
        },
        "BiTr-UNet",
        f"Jia & Shu 2021, arXiv 2109.12271; {DO_TABLE}",
    ),
    "transbts": Preset(
        "TransBTS",
        {
            "in_channels": 4,
            "out_channels": 4,
            "widths": [16, 32, 64, 128],
            "blocks": [1, 2, 2, 4],
            "token_dim": 512,
            "position_grid": [16, 16, 16],
            "depth": 4,
            "heads": 8,
            "mlp_dim": 4096,
            "dropout": 0.1,
            "stem_dropout": 0.2,
            "group_norm": False,
        },
        "TransBTS",
        f"Wang et al. 2021, arXiv 2103.04430; {DO_TABLE}",
    ),
    "3dfcnn": Preset(
        "FCDenseNet",
        {
            "in_channels": 4,
            "out_channels": 5,
            "growth": 4,
            "stem": 48,
            "down": [4, 5, 7, 10],
            "bottleneck": 15,
            "up": [10, 7, 5, 4],
            "dropout": 0.2,
        },
        "3DFCNN, 77 convolutions",
        ANAND,
        window=(64, 64, 64),
    ),
    "3dfcnn-57": Preset(
        "FCDenseNet",
        {
            "in_channels": 4,
            "out_channels": 5,
            "growth": 6,
            "stem": 24,
            "down": [4] * 5,
            "bottleneck": 4,
            "up": [4] * 5,
            "dropout": 0.2,
        },
        "3DFCNN of DeepBrainSeg (FCDenseNet57)",
        "Kori et al. 2018, arXiv 1811.04907",
        window=(64, 64, 64),
    ),
    "med3d-resnet10": Preset("Med3DUNet", {"depth": 10, **_RESNET}, "Med3D ResNet-10 + U-Net", EPSTEIN),
    "med3d-resnet18": Preset("Med3DUNet", {"depth": 18, **_RESNET}, "Med3D ResNet-18 + U-Net", EPSTEIN),
    "med3d-resnet50": Preset("Med3DUNet", {"depth": 50, **_RESNET}, "Med3D ResNet-50 + U-Net", EPSTEIN),
    "unet3d": Preset(
        "UNet3D",
        {"in_channels": 4, "out_channels": 4, "features": [32, 64, 128, 256, 512, 32]},
        "3D U-Net",
        f"Çiçek et al. 2016, arXiv 1606.06650 (MONAI BasicUNet); {DO_TABLE}",
    ),
    "vnet": Preset(
        "VNet",
        {"in_channels": 4, "out_channels": 4, "width": 16, "levels": 4, "dropout": 0.5},
        "V-Net, basic",
        f"{MILLETARI} (MONAI VNet); {DO_TABLE}",
    ),
    "vnet-deeper": Preset(
        "VNet",
        {"in_channels": 4, "out_channels": 4, "width": 16, "levels": 5, "dropout": 0.5},
        "V-Net, deeper by one level",
        f"{MILLETARI} (MONAI's blocks); {DO_TABLE}",
    ),
    "residual-unet": Preset(
        "ResidualUNet",
        {"in_channels": 4, "out_channels": 4, "channels": [16, 32, 64, 128, 256], "num_res_units": 2},
        "Residual 3D U-Net",
        f"Zhang et al. 2018, arXiv 1711.10684 (MONAI UNet); {DO_TABLE}",
    ),
    "nnunet": Preset(
        "DynUNet",
        _DYNUNET,
        "nnU-Net (DynUNet)",
        f"Isensee et al. 2021, arXiv 2011.00848 (MONAI DynUNet); {DO_TABLE}",
        outputs="regions",
    ),
    "segresnet": Preset(
        "SegResNet",
        {
            "in_channels": 4,
            "out_channels": 3,
            "init_filters": 16,
            "blocks_down": [1, 2, 2, 4],
            "blocks_up": [1, 1, 1],
            "dropout_prob": 0.2,
        },
        "SegResNet",
        "Myronenko 2018, arXiv 1810.11654 (MONAI model zoo, brats_mri_segmentation)",
        outputs="regions",
        window=(144, 224, 224),
    ),
}
"""By name, as the command line takes it; ``create`` builds one."""

PRESETS |= {
    "bitrunet-compact": _narrow("BiTrUNet", "BiTr-UNet, compact (bundled)", "", **_COMPACT),
    "bitrunet-compact-fine": _narrow(
        "BiTrUNet",
        "BiTr-UNet, compact, on the 2 mm lattice itself",
        "",
        **_COMPACT | {"widths": [16, 32, 64, 80, 96], "fold": 1},
    ),
    "transbts-small": _narrow(
        "TransBTS",
        "TransBTS, narrow",
        "transbts",
        widths=[8, 16, 32, 64],
        token_dim=64,
        position_grid=[8, 12, 8],
        depth=2,
        heads=4,
        mlp_dim=128,
        dropout=0.0,
        stem_dropout=0.0,
        group_norm=True,
    ),
    "3dfcnn-small": _narrow(
        "FCDenseNet",
        "3DFCNN, 44 convolutions",
        "3dfcnn",
        stem=16,
        down=[2, 3, 4, 5],
        bottleneck=6,
        up=[5, 4, 3, 2],
        dropout=0.0,
    ),
    "med3d-small": _narrow(
        "Med3DUNet",
        "ResNet-10 + U-Net, narrow, one pass for all modalities",
        "med3d-resnet10",
        encoder_width=0.25,
        widths=[8, 16, 32, 64],
        per_modality=False,
    ),
    "unet3d-small": _narrow("UNet3D", "3D U-Net, narrow", "unet3d", features=[8, 16, 32, 64, 128, 8]),
    "vnet-small": _narrow("VNet", "V-Net, narrow", "vnet", width=4, dropout=0.0),
    "residual-unet-small": _narrow(
        "ResidualUNet", "Residual 3D U-Net, narrow", "residual-unet", channels=[8, 16, 32, 64, 128]
    ),
    "nnunet-small": _narrow(
        "DynUNet",
        "nnU-Net, narrow, five levels",
        "nnunet",
        kernel_size=[3] * 5,
        strides=[1, 2, 2, 2, 2],
        filters=[8, 16, 32, 64, 128],
        deep_supr_num=2,
    ),
    "segresnet-small": _narrow("SegResNet", "SegResNet, narrow", "segresnet", init_filters=8, dropout_prob=None),
}
