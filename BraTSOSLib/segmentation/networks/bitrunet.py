"""BiTr-UNet: a CBAM encoder, two transformers (on the 1/8 skip and the 1/16 bottom) and a residual decoder.

Jia Q., Shu H.: BiTr-Unet: a CNN-Transformer Combined Network for MRI Brain Tumor Segmentation, 2021
(arXiv 2109.12271), used by Do et al. 2022. Written from the papers. Against the published code: ``forward`` returns
logits (the softmax is applied once, by the caller), dropout is off in evaluation, the learned positions are resized
to the actual grid, and no module is built that the output does not depend on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from .blocks import ResidualPair, TokenTransformer, UpStep, convolution
from .network import SegmentationNetwork
from .presets import PRESETS


@dataclass(frozen=True)
class BiTrUNetConfig:
    """What distinguishes one BiTr-UNet from another; the defaults are the published network.

    Attributes
    ----------
    widths : channels of levels 1 to 4 (full resolution to 1/8) and of the bottom (1/16)
    token_dims : token width at 1/8 and at 1/16
    token_voxels : voxels joined into one token along the last axis, at 1/8 and at 1/16
    position_grids : token grids on which the learned positions are stored (those of a 128³ input)
    depths, heads, mlp_dims : of the two transformers, 1/8 first
    token_kernel : kernel of the convolution from the encoder's maps to tokens
    return_convs, return_residual : layers that bring the tokens back to maps of the level-4 width
    group_norm : GroupNorm(8) throughout, residual encoder blocks and final LayerNorms (the compact presets, for
        batches of one); published: no encoder norm, BatchNorm in the decoder
    cbam_reduction : of the channel gate's hidden layer
    fold : 1, or 2 to compute on a lattice twice as coarse: blocks of 2³ voxels become channels at the input and
        channels become voxels again at the output, so that 1 mm detail costs as much as 2 mm
    deep_supervision : auxiliary heads at 1/2 and 1/4 for training
    """

    in_channels: int = 4
    out_channels: int = 4
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 256)
    token_dims: tuple[int, int] = (512, 256)
    token_voxels: tuple[int, int] = (2, 1)
    position_grids: tuple[tuple[int, int, int], tuple[int, int, int]] = ((16, 16, 8), (8, 8, 8))
    depths: tuple[int, int] = (4, 4)
    heads: int = 8
    mlp_dims: tuple[int, int] = (4096, 4096)
    token_kernel: int = 3
    return_convs: int = 2
    return_residual: bool = True
    group_norm: bool = False
    cbam_reduction: int = 16
    fold: int = 1
    deep_supervision: bool = False
    dropout: float = 0.1
    stem_dropout: float = 0.2

    def to_dict(self) -> dict[str, Any]:
        """The arguments as plain JSON values, for a model card."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> BiTrUNetConfig:
        """The inverse of ``to_dict``; lists become tuples again."""
        return cls(**{key: _tuples(value) for key, value in values.items()})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


PUBLISHED = BiTrUNetConfig()
COMPACT = BiTrUNetConfig.from_dict(PRESETS["bitrunet-compact"].arguments)
"""For 2 mm volumes on a laptop without a GPU: regions WT, TC, ET as sigmoid logits, computed on a 4 mm lattice."""


def fold_space(x: Tensor, factor: int) -> Tensor:
    """(batch, c, z, y, x) to (batch, c · factor³, z / factor, y / factor, x / factor)."""
    if factor == 1:
        return x
    batch, channels, d, h, w = x.shape
    x = x.reshape(batch, channels, d // factor, factor, h // factor, factor, w // factor, factor)
    return x.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def unfold_space(x: Tensor, factor: int) -> Tensor:
    """The inverse of ``fold_space``."""
    if factor == 1:
        return x
    batch, channels, d, h, w = x.shape
    x = x.reshape(batch, channels // factor**3, factor, factor, factor, d, h, w)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, -1, d * factor, h * factor, w * factor)


class CBAM(nn.Module):
    """Convolutional block attention: a channel gate, then a spatial gate (in [0.5, 1), its logit being rectified)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.channel = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.spatial = nn.Conv3d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.channel(x.mean(dim=(2, 3, 4))) + self.channel(x.amax(dim=(2, 3, 4)))
        x = x * torch.sigmoid(gate)[:, :, None, None, None]
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(F.relu(self.spatial(summary)))


class EncoderBlock(nn.Module):
    """Two convolutions and CBAM; the compact presets add the first convolution's output to the second's."""

    def __init__(self, inputs: int, outputs: int, config: BiTrUNetConfig, dilation: int = 1) -> None:
        super().__init__()
        norm = "group" if config.group_norm else None
        self.first = convolution(inputs, outputs, norm, dilation)
        self.second = convolution(outputs, outputs, norm, dilation)
        self.cbam = CBAM(outputs, config.cbam_reduction)
        self.residual = config.group_norm

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(first)
        return self.cbam(first + second if self.residual else second)


def _transformer(inputs: int, outputs: int, level: int, config: BiTrUNetConfig) -> TokenTransformer:
    return TokenTransformer(
        inputs,
        outputs,
        width=config.token_dims[level],
        grid=config.position_grids[level],
        depth=config.depths[level],
        heads=config.heads,
        mlp_dim=config.mlp_dims[level],
        dropout=config.dropout,
        token_voxels=config.token_voxels[level],
        kernel=config.token_kernel,
        norm="group" if config.group_norm else "batch",
        norm_first=not config.group_norm,
        norm_last=config.group_norm,
        return_convs=config.return_convs,
        return_residual=config.return_residual,
    )


class BiTrUNet(SegmentationNetwork):
    """BiTr-UNet; see the module's docstring and ``BiTrUNetConfig``.

    ``forward`` takes (batch, in_channels, d, h, w), every axis a multiple of 16 · fold, and returns logits
    (batch, out_channels, d, h, w). ``forward_supervised`` returns them as ``main`` together with the auxiliary heads'
    logits ``half`` and ``quarter`` (at 1/2 and 1/4 of the lattice computed on) where the configuration has them.
    """

    def __init__(self, config: BiTrUNetConfig = PUBLISHED) -> None:
        super().__init__()
        self.config = config
        self.in_channels, self.out_channels = config.in_channels, config.out_channels
        self.multiple = 16 * config.fold
        w1, w2, w3, w4, bottom = config.widths
        norm = "group" if config.group_norm else "batch"
        blocks = config.fold**3
        stem = nn.Conv3d(config.in_channels * blocks, w1, 3, padding=1)
        self.stem = nn.Sequential(stem, nn.Dropout3d(config.stem_dropout))
        self.level1 = EncoderBlock(w1, w1, config)
        self.level2 = EncoderBlock(w1, w2, config)
        self.level3 = EncoderBlock(w2, w3, config)
        self.level4 = EncoderBlock(w3, w4, config)
        self.bottom = EncoderBlock(w4, bottom, config, dilation=2)
        self.skip_transformer = _transformer(w4, w4, 0, config)
        self.bottom_transformer = _transformer(bottom, w4, 1, config)
        self.up5 = UpStep(w4, w4, norm)
        self.skip_map = nn.Sequential(nn.Conv3d(w4, w4, 1), nn.ConvTranspose3d(w4, w4, 1))
        self.merge4 = nn.Conv3d(2 * w4, w4, 1)
        self.block4 = ResidualPair(w4, norm)
        self.up4 = UpStep(w4, w3, norm)
        self.up3 = UpStep(w3, w2, norm)
        self.up2 = UpStep(w2, w1, norm)
        self.head = nn.Conv3d(w1, config.out_channels * blocks, 1)
        if config.deep_supervision:
            self.head_half = nn.Conv3d(w2, config.out_channels, 1)
            self.head_quarter = nn.Conv3d(w3, config.out_channels, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> BiTrUNet:
        return cls(BiTrUNetConfig.from_dict(arguments))

    def _decode(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decoder maps at full, half and quarter resolution."""
        self.check_input(x)
        x = fold_space(x, self.config.fold)
        skip1 = self.level1(self.stem(x))
        skip2 = self.level2(F.max_pool3d(skip1, 2))
        skip3 = self.level3(F.max_pool3d(skip2, 2))
        skip4 = self.level4(F.max_pool3d(skip3, 2))
        deep = self.bottom_transformer(self.bottom(F.max_pool3d(skip4, 2)))
        y = self.up5(deep, skip4)
        y = self.block4(self.merge4(torch.cat([y, self.skip_map(self.skip_transformer(skip4))], dim=1)))
        quarter = self.up4(y, skip3)
        half = self.up3(quarter, skip2)
        return self.up2(half, skip1), half, quarter

    def forward(self, x: Tensor) -> Tensor:
        return unfold_space(self.head(self._decode(x)[0]), self.config.fold)

    def forward_supervised(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by name: ``main`` and, with deep supervision, ``half`` and ``quarter``."""
        full, half, quarter = self._decode(x)
        outputs = {"main": unfold_space(self.head(full), self.config.fold)}
        if self.config.deep_supervision:
            outputs["half"] = self.head_half(half)
            outputs["quarter"] = self.head_quarter(quarter)
        return outputs
