"""SegResNet: a deep residual encoder and a light decoder whose maps are added to the encoder's.

Myronenko A.: 3D MRI brain tumor segmentation using autoencoder regularization, 2018 (arXiv 1810.11654), section 3,
without the autoencoder branch, in MONAI's form (``SegResNet``). The defaults are those of the model zoo's bundle
``brats_mri_segmentation``, whose ``models/model.pt`` loads into ``body``.
"""

from __future__ import annotations

from collections.abc import Sequence

from .network import MonaiNetwork, monai_nets


class SegResNet(MonaiNetwork):
    """MONAI's ``SegResNet``, by MONAI's own argument names."""

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 3,
        init_filters: int = 16,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] = (1, 1, 1),
        dropout_prob: float | None = 0.2,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.multiple = 2 ** (len(blocks_down) - 1)
        self.body = monai_nets().SegResNet(
            spatial_dims=3,
            init_filters=init_filters,
            in_channels=in_channels,
            out_channels=out_channels,
            dropout_prob=dropout_prob,
            blocks_down=tuple(blocks_down),
            blocks_up=tuple(blocks_up),
        )
