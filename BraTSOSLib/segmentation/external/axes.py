"""Turning a network's axes by turning its kernels, for models that have seen their scans in another axis order.

A network of convolutions, strides, normalisation and interpolation computes the same on turned scans with turned
kernels: ``turned_network(turn(x)) == turn(network(x))``, exactly. It does not hold for windows of attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

REVERSED = (2, 1, 0)
"""(x, y, z) to (z, y, x)."""

_PER_AXIS = ("kernel_size", "up_kernel_size", "upsample_kernel_size")
_PER_LEVEL = ("strides", *_PER_AXIS)


def permute_state(state: dict[str, torch.Tensor], order: Sequence[int]) -> dict[str, torch.Tensor]:
    """Weights whose kernels' axis ``i`` is the old axis ``order[i]``."""
    axes = (0, 1, *(2 + axis for axis in order))
    return {key: value.permute(axes).contiguous() if value.ndim == 5 else value for key, value in state.items()}


def permute_arguments(arguments: dict[str, Any], order: Sequence[int] = REVERSED) -> dict[str, Any]:
    """Constructor arguments with sizes by axis in the new order; those by level stay."""
    return {key: _permuted(key, value, order) for key, value in arguments.items()}


def _permuted(key: str, value: Any, order: Sequence[int]) -> Any:
    if key not in _PER_LEVEL or not isinstance(value, list):
        return value
    if any(isinstance(item, list) for item in value):
        return [[item[axis] for axis in order] if isinstance(item, list) else item for item in value]
    # MONAI's UNet has one kernel for all levels, sized by axis, but strides by level
    return [value[axis] for axis in order] if key in _PER_AXIS and len(value) == 3 else value
