"""V-Net: 5³ convolutions with residuals on every level, strided 2³ convolutions between them.

Milletari F., Navab N., Ahmadi S.-A.: V-Net, 2016 (arXiv 1606.04797), section 2, from the transition blocks of MONAI's
``VNet``, put together here for any width and depth: with width 16 and four levels below the first it is MONAI's
``VNet`` (the same names, so its state dict loads). Do et al. compare a "basic" with a "deeper" V-Net, whose depth
they do not state; here "deeper" has one level more.
"""

from __future__ import annotations

from torch import Tensor, nn

from .network import SegmentationNetwork, monai_nets

_CONVOLUTIONS_DOWN = (1, 2, 3, 2, 2)
_CONVOLUTIONS_UP = (1, 1, 2, 2, 2)


class VNet(SegmentationNetwork):
    """V-Net from MONAI's blocks.

    Parameters
    ----------
    in_channels : a divisor of ``width``, since the first residual repeats the input
    width : channels at full resolution, doubled on each coarser level
    levels : levels below the first, 4 (basic) or 5 (deeper)
    dropout : share of channels that training drops on the levels from 1/8 down and in all skips
    """

    def __init__(
        self, in_channels: int = 4, out_channels: int = 4, width: int = 16, levels: int = 4, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if not 3 <= levels <= 5 or width % in_channels:
            raise ValueError(f"levels {levels} of 3 to 5, width {width} a multiple of {in_channels} input channels")
        self.in_channels, self.out_channels, self.multiple = in_channels, out_channels, 2**levels
        monai_nets()
        from monai.networks.nets.vnet import DownTransition, InputTransition, OutputTransition, UpTransition

        elu = ("elu", {"inplace": True})
        # MONAI names its levels by their channels at width 16
        self._names = [32 * 2**i for i in range(levels)]
        self.in_tr = InputTransition(3, in_channels, width, elu)
        for i, name in enumerate(self._names):
            deep = dropout if i >= 2 else None
            self.add_module(
                f"down_tr{name}",
                DownTransition(3, width * 2**i, _CONVOLUTIONS_DOWN[i], elu, dropout_prob=deep),
            )
        for i, name in reversed(list(enumerate(self._names))):
            outputs = width * 2 ** (i + 1)
            inputs = outputs if i == levels - 1 else 2 * outputs
            deep = dropout if i >= 2 else None
            up = UpTransition(3, inputs, outputs, _CONVOLUTIONS_UP[i], elu, dropout_prob=(deep, dropout))
            self.add_module(f"up_tr{name}", up)
        self.out_tr = OutputTransition(3, 2 * width, out_channels, elu)

    @property
    def head(self) -> nn.Module:
        """The convolution that gives the logits."""
        return self.out_tr.conv2

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        x = self.in_tr(x)
        skips = [x]
        for name in self._names:
            x = getattr(self, f"down_tr{name}")(x)
            skips.append(x)
        skips.pop()
        for name in reversed(self._names):
            x = getattr(self, f"up_tr{name}")(x, skips.pop())
        return self.out_tr(x)
