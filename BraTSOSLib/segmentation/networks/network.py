"""What every segmentation network here has in common."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ...errors import DependencyError, InputError


class SegmentationNetwork(nn.Module):
    """A volume in, logits out: the one signature of all networks.

    ``forward`` takes float32 (batch, in_channels, z, y, x), each axis a multiple of ``multiple``, and returns logits
    (batch, out_channels, z, y, x): one channel a class (softmax, applied by the caller) or a region (sigmoid).

    Attributes
    ----------
    in_channels, out_channels : channels of the input and of the logits
    multiple : every axis of the input must be a multiple of this
    normalises_bottom : the coarsest maps are normalised each by itself (InstanceNorm), which needs two voxels there
    """

    in_channels: int
    out_channels: int
    multiple: int
    normalises_bottom: bool = False

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> SegmentationNetwork:
        """Build the network from plain JSON values, as model cards and presets have them."""
        return cls(**arguments)

    @property
    def multiples(self) -> tuple[int, int, int]:
        """``multiple`` by axis (z, y, x), for the networks whose strides differ by axis."""
        return (self.multiple,) * 3

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the main output."""
        raise NotImplementedError

    def forward_supervised(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by name for training: ``main`` and, where the network has them, auxiliary outputs on coarser grids."""
        return {"main": self(x)}

    def check_input(self, x: Tensor) -> None:
        """Raise ``InputError`` unless ``x`` is a batch of volumes that this network can take."""
        name = type(self).__name__
        if x.ndim != 5 or x.shape[1] != self.in_channels:
            raise InputError(
                f"{name} needs an input of shape (batch, {self.in_channels}, z, y, x); found {tuple(x.shape)}."
            )
        size, multiples = tuple(x.shape[2:]), self.multiples
        if any(n < m or n % m for n, m in zip(size, multiples, strict=True)):
            wanted = str(self.multiple) if len(set(multiples)) == 1 else " × ".join(map(str, multiples))
            raise InputError(f"{name} needs axes that are multiples of {wanted}; found {size}: pad or crop the volume.")
        if self.normalises_bottom and size == multiples:
            raise InputError(
                f"{name} needs at least one axis longer than {self.multiple}; found {size}: pad the volume."
            )


class MonaiNetwork(SegmentationNetwork):
    """A network of MONAI's in ``body``; its state dict is MONAI's own, every name preceded by ``body.``."""

    body: Any  # a module of MONAI's, whose parts are untyped

    @property
    def head(self) -> nn.Module:
        """The convolution that gives the main logits."""
        convolutions = [m for m in self.body.modules() if isinstance(m, nn.Conv3d | nn.ConvTranspose3d)]
        return [m for m in convolutions if m.out_channels == self.out_channels][-1]

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        return self.body(x)


def monai_nets() -> Any:
    """The module ``monai.networks.nets``; raises ``DependencyError`` where MONAI is not installed."""
    try:
        import monai.networks.nets as nets
    except ImportError as error:
        raise DependencyError(
            f"The network comes from MONAI, which cannot be imported ({error}): pip install bratsos[train]."
        ) from error
    return nets
