"""Blocks that BiTr-UNet and TransBTS share: convolutions, self-attention over voxels, residual pairs, up steps.

Wang W. et al.: TransBTS: Multimodal Brain Tumor Segmentation Using Transformer, MICCAI 2021 (arXiv 2103.04430),
section 2; Jia Q., Shu H.: BiTr-Unet, 2021 (arXiv 2109.12271), section 2, which took them over.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)


def normalisation(kind: str, channels: int) -> nn.Module:
    """``batch``, or ``group`` (8 groups), which does not depend on the batch."""
    return nn.GroupNorm(8, channels) if kind == "group" else nn.BatchNorm3d(channels)


def convolution(inputs: int, outputs: int, norm: str | None, dilation: int = 1) -> nn.Sequential:
    """3³ convolution, normalisation if any, ReLU."""
    layers: list[nn.Module] = [nn.Conv3d(inputs, outputs, 3, padding=dilation, dilation=dilation)]
    if norm is not None:
        layers.append(normalisation(norm, outputs))
    layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class ResidualPair(nn.Module):
    """(3³ convolution, normalisation, ReLU) twice, the input added at the end."""

    def __init__(self, channels: int, norm: str) -> None:
        super().__init__()
        self.body = nn.Sequential(convolution(channels, channels, norm), convolution(channels, channels, norm))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class UpStep(nn.Module):
    """1³ convolution, transposed 2³ convolution, concatenation with the skip, 1³ convolution, residual pair."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(inputs, outputs, 1)
        self.up = nn.ConvTranspose3d(outputs, outputs, 2, stride=2)
        self.fuse = nn.Conv3d(2 * outputs, outputs, 1)
        self.block = ResidualPair(outputs, norm)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.block(self.fuse(torch.cat([skip, self.up(self.reduce(x))], dim=1)))


class Attention(nn.Module):
    """Multi-head self-attention over (batch, tokens, width)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.project = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return F.dropout(self.project(x.transpose(1, 2).reshape(batch, tokens, width)), self.dropout, self.training)


class TransformerLayer(nn.Module):
    """Pre-norm attention and MLP, each with its residual."""

    def __init__(self, width: int, heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, mlp_dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(mlp_dim, width), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.mlp(self.norm2(x))


class TokenTransformer(nn.Module):
    """Maps (batch, inputs, d, h, w) to tokens, through transformer layers, and back to (batch, outputs, d, h, w).

    Parameters
    ----------
    inputs, outputs : channels of the maps that enter and leave
    width : of a token
    grid : token grid on which the learned positions are stored; resized where the actual grid differs
    depth, heads, mlp_dim, dropout : of the transformer
    token_voxels : voxels joined into one token along the last axis
    kernel : of the convolution from maps to tokens
    norm : ``batch`` or ``group``, of the convolutions that lead back to maps
    norm_first : BatchNorm and ReLU before the convolution to tokens
    norm_last : LayerNorm after the last layer
    return_convs, return_residual : layers that bring the tokens back to maps
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        width: int,
        grid: Sequence[int],
        depth: int,
        heads: int,
        mlp_dim: int,
        dropout: float,
        token_voxels: int = 1,
        kernel: int = 3,
        norm: str = "batch",
        norm_first: bool = True,
        norm_last: bool = False,
        return_convs: int = 2,
        return_residual: bool = True,
    ) -> None:
        super().__init__()
        self.token_voxels = token_voxels
        self.maps = width // token_voxels
        projection = nn.Conv3d(inputs, self.maps, kernel, padding=kernel // 2)
        self.embed: nn.Module = (
            nn.Sequential(nn.BatchNorm3d(inputs), nn.ReLU(), projection) if norm_first else projection
        )
        self.position = nn.Parameter(torch.zeros(1, width, *grid))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential(*[TransformerLayer(width, heads, mlp_dim, dropout) for _ in range(depth)])
        self.norm = nn.LayerNorm(width) if norm_last else nn.Identity()
        convs: list[nn.Module] = [
            convolution(self.maps if i == 0 else outputs, outputs, norm) for i in range(return_convs)
        ]
        if return_residual:
            convs.append(ResidualPair(outputs, norm))
        self.restore = nn.Sequential(*convs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        # plain numbers: a tracer would keep the sizes as tensors, which converters resize wrongly
        batch, (d, h, w) = x.shape[0], (int(n) for n in x.shape[2:])
        grid = (d, h, w // self.token_voxels)
        position: Tensor = self.position
        if position.shape[2:] != grid:
            position = F.interpolate(position, size=grid, mode="trilinear", align_corners=False)
        tokens = x.flatten(2).transpose(1, 2).reshape(batch, -1, self.maps * self.token_voxels)
        tokens = self.dropout(tokens + position.flatten(2).transpose(1, 2))
        tokens = self.norm(self.layers(tokens))
        x = tokens.reshape(batch, d * h * w, self.maps).transpose(1, 2).reshape(batch, self.maps, d, h, w)
        return self.restore(x)
