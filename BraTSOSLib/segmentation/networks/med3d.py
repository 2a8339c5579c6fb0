"""Med3D + U-Net: MedicalNet's ResNet as encoder, pretrained or not, and a U-Net that brings it to full resolution.

Epstein A., Shimshi T.: Transfer learning for 3d MRI images brain tumor segmentation, "Methods" and figure 4; Chen S.,
Ma K., Zheng Y.: Med3D: Transfer Learning for 3D Medical Image Analysis, 2019 (arXiv 1904.00625). The encoder is
MONAI's ``ResNet``, given MedicalNet's dilation; the decoder is written from the paper. As in the paper, each modality
passes the same encoder, a second, untrained path takes the four scans down in two halvings, and three steps of
transposed convolution, concatenation and two convolutions lead from the encoder's 1/8 back to the voxels.

Different from the paper's published code, on purpose: the encoder's own maps are decoded (1/8, and the finer ones as
skips), not four maps of its segmentation head, which the paper's conclusion calls a likely loss; all maps meet on
their own grids, so nothing is resized; the second path's full-resolution maps are used as well; the logits come from
a plain 1³ convolution, neither normalised nor rectified; every module built is used. Shortcuts without weights
(ResNet-18 and 34) let gradients through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (torch's own convention)

from ...errors import ModelError
from .network import SegmentationNetwork, monai_nets

RESNETS: dict[int, tuple[str, tuple[int, int, int, int], str]] = {
    10: ("basic", (1, 1, 1, 1), "B"),
    18: ("basic", (2, 2, 2, 2), "A"),
    34: ("basic", (3, 4, 6, 3), "A"),
    50: ("bottleneck", (3, 4, 6, 3), "B"),
}
"""Depth to blocks, their number by layer, and the shortcuts that MedicalNet's published weights were trained with."""


class PaddedShortcut(nn.Module):
    """Shortcut A: the input at a stride, zeros in the channels that it lacks."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x: Tensor) -> Tensor:
        s = self.stride
        return F.pad(x[:, :, ::s, ::s, ::s], (0, 0, 0, 0, 0, 0, 0, self.channels - x.shape[1]))


def medicalnet_encoder(depth: int, in_channels: int = 1, width: float = 1.0) -> Any:
    """MONAI's ResNet as MedicalNet has it: layers 3 and 4 keep the grid of layer 2 (1/8) and are dilated by 2 and 4.

    MedicalNet's published state dict loads into it under the same names (``in_channels`` 1, ``width`` 1).
    """
    if depth not in RESNETS:
        raise ValueError(f"depth {depth} of {', '.join(map(str, RESNETS))}")
    kind, layers, shortcut = RESNETS[depth]
    encoder = monai_nets().ResNet(
        kind,
        list(layers),
        [64, 128, 256, 512],
        n_input_channels=in_channels,
        conv1_t_stride=2,
        shortcut_type=shortcut,
        widen_factor=width,
        feed_forward=False,
        bias_downsample=False,
    )
    for layer, dilation in ((encoder.layer3, 2), (encoder.layer4, 4)):
        for module in layer.modules():
            if isinstance(module, nn.Conv3d):
                module.stride = (1, 1, 1)
                if module.kernel_size == (3, 3, 3):
                    module.dilation = module.padding = (dilation,) * 3
    if shortcut == "A":
        for layer, stride in ((encoder.layer2, 2), (encoder.layer3, 1), (encoder.layer4, 1)):
            layer[0].downsample = PaddedShortcut(layer[0].conv2.out_channels, stride)
    return encoder


class TwoConvolutions(nn.Sequential):
    """(3³ convolution, InstanceNorm, leaky ReLU) twice."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(*_normalised(inputs, outputs, 3), *_normalised(outputs, outputs, 3))


def _normalised(inputs: int, outputs: int, kernel: int) -> Iterator[nn.Module]:
    yield nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    yield nn.InstanceNorm3d(outputs, affine=True)
    yield nn.LeakyReLU(0.01)


class Med3DUNet(SegmentationNetwork):
    """Med3D + U-Net.

    Parameters
    ----------
    depth : of the ResNet: 10, 18, 34 or 50
    encoder_width : factor of the encoder's channels; MedicalNet's weights need 1
    widths : channels of the decoder at full resolution, 1/2, 1/4 and 1/8
    per_modality : pass each modality through the encoder by itself, as the paper does (MedicalNet has one input
        channel); otherwise all at once, at a quarter of the cost, through a first convolution of ``in_channels``
    frozen : keep the encoder as it is, its BatchNorm statistics included; otherwise it is fine-tuned
    """

    multiple = 8
    normalises_bottom = True

    def __init__(
        self,
        in_channels: int = 4,
        out_channels: int = 4,
        depth: int = 10,
        encoder_width: float = 1.0,
        widths: Sequence[int] = (16, 32, 64, 128),
        per_modality: bool = True,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.depth, self.per_modality, self.frozen = depth, per_modality, frozen
        self.encoder: Any = medicalnet_encoder(depth, 1 if per_modality else in_channels, encoder_width)
        self.encoder.requires_grad_(not frozen)
        passes = in_channels if per_modality else 1
        half = passes * self.encoder.conv1.out_channels
        expansion = 4 if RESNETS[depth][0] == "bottleneck" else 1
        quarter, eighth = expansion * half, 8 * expansion * half
        w0, w1, w2, w3 = widths
        self.path0 = TwoConvolutions(in_channels, w0)
        self.path1 = TwoConvolutions(w0, w1)
        self.path2 = TwoConvolutions(w1, w2)
        self.reduce = nn.Sequential(*_normalised(eighth, w3, 1))
        self.up2 = nn.ConvTranspose3d(w3, w2, 2, stride=2)
        self.block2 = TwoConvolutions(w2 + quarter + w2, w2)
        self.up1 = nn.ConvTranspose3d(w2, w1, 2, stride=2)
        self.block1 = TwoConvolutions(w1 + half + w1, w1)
        self.up0 = nn.ConvTranspose3d(w1, w0, 2, stride=2)
        self.block0 = TwoConvolutions(w0 + w0, w0)
        self.head = nn.Conv3d(w0, out_channels, 1)

    def train(self, mode: bool = True) -> Med3DUNet:
        """As usual, but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def _encode(self, x: Tensor) -> list[Tensor]:
        """The encoder's maps at 1/2, 1/4 and 1/8; those of the modalities side by side in the channels."""
        batch = x.shape[0]
        if self.per_modality:
            x = x.flatten(0, 1)[:, None]
        encoder = self.encoder
        half = encoder.act(encoder.bn1(encoder.conv1(x)))
        quarter = encoder.layer1(encoder.maxpool(half))
        eighth = encoder.layer4(encoder.layer3(encoder.layer2(quarter)))
        return [maps.reshape(batch, -1, *maps.shape[2:]) for maps in (half, quarter, eighth)]

    def forward(self, x: Tensor) -> Tensor:
        self.check_input(x)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            half, quarter, eighth = self._encode(x)
        path0 = self.path0(x)
        path1 = self.path1(F.max_pool3d(path0, 2))
        path2 = self.path2(F.max_pool3d(path1, 2))
        y = self.block2(torch.cat([self.up2(self.reduce(eighth)), quarter, path2], dim=1))
        y = self.block1(torch.cat([self.up1(y), half, path1], dim=1))
        y = self.block0(torch.cat([self.up0(y), path0], dim=1))
        return self.head(y)


def load_medicalnet(network: Med3DUNet, path: Path) -> None:
    """Fill ``network``'s encoder with MedicalNet's published weights (``resnet_10.pth`` and so on).

    The names lose the prefix ``module.``, MedicalNet's own segmentation head (``conv_seg``) is left out, and the first
    convolution's one input channel is repeated, divided by their number, where the encoder takes all modalities at
    once. The file is read without running anything that it may contain.

    Raises
    ------
    ModelError
        If the file cannot be read, or its weights are not those of this encoder; the network is then as before.
    """
    from ..external.checkpoints import read_checkpoint, read_content, state_of

    path = Path(path)
    wanted = network.encoder.state_dict()
    stored = state_of(read_checkpoint(read_content(path), path.name), path.name)
    state = {name: value for name, value in stored.items() if not name.startswith("conv_seg.")}
    if not set(state) & set(wanted):
        raise ModelError(f"The file {path.name} holds no MedicalNet encoder: give the resnet_*.pth of MedicalNet.")
    found = _depth(state)
    if found != network.depth:
        described = f"a ResNet-{found}" if found else "an encoder of unknown depth"
        raise ModelError(f"The file {path.name} holds {described}, the network has a ResNet-{network.depth}.")
    stem, channels = state.get("conv1.weight"), wanted["conv1.weight"].shape[1]
    if stem is not None and stem.ndim == 5 and stem.shape[1] == 1 and channels > 1:
        state["conv1.weight"] = stem.repeat(1, channels, 1, 1, 1) / channels
    unfit = set(state) ^ set(wanted) or {name for name in wanted if state[name].shape != wanted[name].shape}
    if unfit:
        raise ModelError(
            f"The file {path.name} does not fit the network's ResNet-{network.depth}: "
            f"{len(unfit)} of {len(wanted)} tensors differ, {min(unfit)} for one."
        )
    network.encoder.load_state_dict(state)


def _depth(state: dict[str, Tensor]) -> int | None:
    """The ResNet's depth, from the names of its blocks."""
    counts = tuple(len({name.split(".")[1] for name in state if name.startswith(f"layer{i}.")}) for i in range(1, 5))
    kind = "bottleneck" if "layer1.0.conv3.weight" in state else "basic"
    return next((depth for depth, (k, layers, _) in RESNETS.items() if (k, layers) == (kind, counts)), None)
