"""What every segmentation network here has in common."""

from __future__ import annotations

from torch import Tensor, nn


class SegmentationNetwork(nn.Module):
    """A volume in, logits out: the one signature of all networks.

    ``forward`` takes float32 (batch, in_channels, z, y, x), each axis a multiple of ``multiple``, and returns logits
    (batch, out_channels, z, y, x): one channel a class (softmax, applied by the caller) or a region (sigmoid).

    Attributes
    ----------
    in_channels, out_channels : channels of the input and of the logits
    multiple : every axis of the input must be a multiple of this
    """

    in_channels: int
    out_channels: int
    multiple: int

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the main output."""
        raise NotImplementedError

    def forward_supervised(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by name for training: ``main`` and, where the network has them, auxiliary outputs on coarser grids."""
        return {"main": self(x)}
