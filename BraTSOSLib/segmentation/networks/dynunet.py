"""nnU-Net's network: pairs of convolutions on six levels, strided convolutions down, deep supervision.

Isensee F. et al.: nnU-Net for Brain Tumor Segmentation, 2020 (arXiv 2011.00848), and nnU-Net, Nature Methods 2021, in
MONAI's form (``DynUNet``). The defaults are the network that nnU-Net plans for BraTS (``PlainConvUNet``), but for the
convolutions' biases, which the InstanceNorm after them cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from .network import MonaiNetwork, monai_nets

HEADS = ("half", "quarter", "eighth", "sixteenth")
"""Names of the auxiliary outputs, from fine to coarse."""


class DynUNet(MonaiNetwork):
    """MONAI's ``DynUNet``, by MONAI's own argument names.

    MONAI enlarges the auxiliary outputs to the input's size; here each stays on its own grid (``half``, ``quarter``,
    ``eighth``, ``sixteenth``), as nnU-Net's losses want them, and ``forward`` never computes them. MONAI's second set
    of names for the same tensors (``skip_layers.*``) is left out of the state dict.

    Parameters
    ----------
    kernel_size, strides : of each level, numbers or (z, y, x); the first stride is that of the input level, 1
    filters : channels of each level
    deep_supervision, deep_supr_num : whether there are auxiliary outputs, and how many, up to four
    trans_bias : biases in the transposed convolutions, as nnU-Net has them
    res_block : residual blocks
    """

    normalises_bottom = True

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        kernel_size: Sequence[int | Sequence[int]] = (3, 3, 3, 3, 3, 3),
        strides: Sequence[int | Sequence[int]] = (1, 2, 2, 2, 2, 2),
        filters: Sequence[int] = (32, 64, 128, 256, 320, 320),
        deep_supervision: bool = True,
        deep_supr_num: int = 4,
        trans_bias: bool = True,
        res_block: bool = False,
    ) -> None:
        super().__init__()
        if deep_supervision and deep_supr_num > len(HEADS):
            raise ValueError(f"{deep_supr_num} auxiliary outputs; at most {len(HEADS)}")
        self.in_channels, self.out_channels = in_channels, out_channels
        steps = [(step,) * 3 if isinstance(step, int) else tuple(step) for step in strides]
        z, y, x = (prod(axis) for axis in zip(*steps, strict=True))
        self._multiples, self.multiple = (z, y, x), max(z, y, x)
        body = monai_nets().DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel_size,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=filters,
            norm_name=("INSTANCE", {"affine": True}),
            act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
            deep_supervision=deep_supervision,
            deep_supr_num=deep_supr_num,
            res_block=res_block,
            trans_bias=trans_bias,
        )
        del body.skip_layers
        self.body = body

    @property
    def head(self) -> nn.Module:
        """The convolution that gives the main logits."""
        return self.body.output_block.conv.conv

    @property
    def multiples(self) -> tuple[int, int, int]:
        return self._multiples

    def _decode(self, x: Tensor) -> list[Tensor]:
        """Decoder maps, from coarse to fine."""
        self.check_input(x)
        skips = [self.body.input_block(x)]
        for down in self.body.downsamples:
            skips.append(down(skips[-1]))
        maps = [self.body.bottleneck(skips[-1])]
        for up in self.body.upsamples:
            maps.append(up(maps[-1], skips.pop()))
        return maps

    def forward(self, x: Tensor) -> Tensor:
        return self.body.output_block(self._decode(x)[-1])

    def forward_supervised(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by name: ``main`` and, with deep supervision, those of ``HEADS`` on their own coarser grids."""
        *coarser, finest = self._decode(x)
        outputs = {"main": self.body.output_block(finest)}
        if self.body.deep_supervision:
            for name, head, maps in zip(HEADS, self.body.deep_supervision_heads, reversed(coarser), strict=False):
                outputs[name] = head(maps)
        return outputs
