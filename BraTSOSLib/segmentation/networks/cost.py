"""What each preset costs at its own window: parameters, multiply-accumulates, memory. ``bratsos models`` lists it."""

from __future__ import annotations

from dataclasses import dataclass

from .presets import PRESETS, Preset


@dataclass(frozen=True)
class Cost:
    """Of one network and window, batch of one, float32.

    Attributes
    ----------
    parameters : trainable ones, all of them in use
    gmac : 10⁹ multiply-accumulates of a forward pass (convolutions, linear layers, products of attention)
    inference_mb : weights, input and the most that is alive during a forward pass, 10⁶ bytes
    training_mb : the same of a forward and a backward pass, gradients included, the optimiser's state not
    """

    parameters: int
    gmac: float
    inference_mb: int
    training_mb: int


COSTS: dict[str, Cost] = {
    "bitrunet": Cost(44_651_769, 196.51, 972, 3_463),
    "transbts": Cost(32_723_908, 325.41, 869, 3_926),
    "3dfcnn": Cost(1_288_717, 24.05, 415, 2_095),
    "3dfcnn-57": Cost(923_693, 25.67, 389, 1_644),
    "med3d-resnet10": Cost(16_020_020, 469.23, 1_213, 4_160),
    "med3d-resnet18": Cost(34_650_676, 799.8, 1_288, 4_545),
    "med3d-resnet50": Cost(49_933_108, 1064.35, 1_550, 8_482),
    "unet3d": Cost(22_627_972, 543.51, 2_717, 5_794),
    "vnet": Cost(45_611_916, 760.91, 1_357, 3_102),
    "vnet-deeper": Cost(179_049_100, 798.93, 1_891, 3_645),
    "residual-unet": Cost(4_811_129, 13.95, 187, 512),
    "nnunet": Cost(31_195_151, 482.73, 1_589, 4_893),
    "segresnet": Cost(4_702_227, 509.94, 2_136, 8_292),
    "bitrunet-compact": Cost(3_047_076, 8.94, 69, 168),
    "bitrunet-compact-fine": Cost(2_754_359, 20.74, 173, 607),
    "transbts-small": Cost(1_860_891, 7.87, 80, 268),
    "3dfcnn-small": Cost(286_711, 7.77, 261, 825),
    "med3d-small": Cost(1_133_267, 7.72, 85, 276),
    "unet3d-small": Cost(1_416_667, 6.63, 134, 278),
    "vnet-small": Cost(2_855_302, 10.3, 71, 153),
    "residual-unet-small": Cost(1_204_658, 0.77, 28, 62),
    "nnunet-small": Cost(1_413_321, 5.9, 79, 234),
    "segresnet-small": Cost(1_176_843, 7.11, 65, 233),
}
"""Measured with ``cost_measurement.measure`` at each preset's window; a test measures them again. Kept here so that
listing the networks takes no time and needs neither PyTorch nor MONAI."""


@dataclass(frozen=True)
class NetworkRow:
    """A line of the list of networks."""

    name: str
    preset: Preset
    cost: Cost


def describe() -> list[NetworkRow]:
    """All presets with their costs, in the registry's order."""
    return [NetworkRow(name, preset, COSTS[name]) for name, preset in PRESETS.items()]
