"""TransBTS: a residual encoder with strided convolutions, one transformer over all voxels at 1/8, a residual decoder.

Wang W., Chen C., Ding M., Li J., Yu H., Zha S.: TransBTS: Multimodal Brain Tumor Segmentation Using Transformer,
MICCAI 2021 (arXiv 2103.04430), sections 2.1 to 2.3. Written from the paper. Against the published code: ``forward``
returns logits, dropout is off in evaluation, the learned positions are resized to the actual grid, and the linear
embedding and the final LayerNorm, whose results the published network drops, are not built.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from .blocks import TokenTransformer, UpStep
from .network import SegmentationNetwork


class PreActivationBlock(nn.Module):
    """(GroupNorm, ReLU, 3³ convolution) twice, the input added at the end."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.ReLU(),
            nn.Conv3d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class TransBTS(SegmentationNetwork):
    """TransBTS; the defaults are the published network.

    Parameters
    ----------
    widths : channels from full resolution to 1/8
    blocks : residual blocks on each of these levels
    token_dim, depth, heads, mlp_dim, dropout : of the transformer, one token a voxel at 1/8
    position_grid : grid on which the learned positions are stored (that of a 128³ input)
    stem_dropout : share of the first convolution's channels that training drops
    group_norm : GroupNorm in the decoder and no BatchNorm in front of the tokens, for batches of one
    """

    multiple = 8

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        widths: Sequence[int] = (16, 32, 64, 128),
        blocks: Sequence[int] = (1, 2, 2, 4),
        token_dim: int = 512,
        position_grid: Sequence[int] = (16, 16, 16),
        depth: int = 4,
        heads: int = 8,
        mlp_dim: int = 4096,
        dropout: float = 0.1,
        stem_dropout: float = 0.2,
        group_norm: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        norm = "group" if group_norm else "batch"
        self.stem = nn.Sequential(nn.Conv3d(in_channels, widths[0], 3, padding=1), nn.Dropout3d(stem_dropout))
        levels = [nn.Sequential(*[PreActivationBlock(widths[0]) for _ in range(blocks[0])])]
        for finer, width, number in zip(widths, widths[1:], blocks[1:], strict=False):
            down = nn.Conv3d(finer, width, 3, stride=2, padding=1)
            levels.append(nn.Sequential(down, *[PreActivationBlock(width) for _ in range(number)]))
        self.levels = nn.ModuleList(levels)
        self.transformer = TokenTransformer(
            widths[3],
            widths[3],
            width=token_dim,
            grid=position_grid,
            depth=depth,
            heads=heads,
            mlp_dim=mlp_dim,
            dropout=dropout,
            norm=norm,
            norm_first=not group_norm,
        )
        self.ups = nn.ModuleList(UpStep(widths[i], widths[i - 1], norm) for i in (3, 2, 1))
        self.head = nn.Conv3d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.stem(x)
        skips = []
        for level in self.levels:
            x = level(x)
            skips.append(x)
        x = self.transformer(skips.pop())
        for up in self.ups:
            x = up(x, skips.pop())
        return self.head(x)
