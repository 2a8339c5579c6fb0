"""The segmenter: a case in, its label map out, on the case's own grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..case import MODALITIES, Case
from ..errors import Cancelled, InputError
from ..orientation import from_lps, to_lps
from ..resources import resource
from .model import load_stages
from .postprocessing import labels_from_regions, remove_small_components
from .preprocessing import bounding_box, halve, normalise
from .torch_needed import require_torch

if TYPE_CHECKING:
    import torch

BUNDLED = "segmenter-bitrunet-compact"
WINDOW = (64, 96, 64)
"""Voxels at 2 mm (z, y, x) that the network sees at once: nearly a whole brain, and as in training, because group
normalisation depends on the field of view."""
SMALLEST_TUMOUR = 64
"""Tumour components of fewer voxels (mm³ at 1 mm) are dropped: no training case has one that an expert kept."""

Progress = Callable[[str, float], None]


class Segmenter:
    """A network with its card, ready on a device.

    Parameters
    ----------
    card : path of a model card; the bundled model where None
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}

    Examples
    --------
    >>> segmenter = Segmenter()                              # doctest: +SKIP
    >>> labels = segmenter(read_case("Brats18_TCIA01_201_1"))  # doctest: +SKIP
    """

    def __init__(self, card: Path | None = None, *, device: str = "auto") -> None:
        require_torch()
        import torch

        self.device = choose_device(device)
        stages, self.card = load_stages(card or resource("Models", f"{BUNDLED}.json"))
        network = stages[0].network
        self.threshold = float(self.card.get("threshold", 0.5))
        self.network: torch.nn.Module = network.to(self.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]

    def __call__(
        self,
        case: Case,
        *,
        fast: bool = False,
        progress: Progress | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> np.ndarray:
        """Label map uint8 (z, y, x) with the values 0, 1, 2, 4 on the case's own grid.

        Parameters
        ----------
        fast : one pass instead of two (the second sees the brain mirrored left-right)
        progress, cancel : see ``pipeline.run_case``

        Raises
        ------
        Cancelled
            If ``cancel`` returned True between two passes.
        """
        oriented = [to_lps(case.volumes[name], case.geometry) for name in MODALITIES]
        spacing = oriented[0][1]
        image = np.stack([array for array, _ in oriented])
        brain = (image != 0).any(axis=0)
        box = bounding_box(brain)
        inside = normalise(image[(slice(None), *box.slices)], brain[box.slices])
        probability = self.probabilities(inside, spacing, fast=fast, progress=progress, cancel=cancel)
        labels = np.zeros(brain.shape, dtype=np.uint8)
        labels[box.slices] = labels_from_regions(probability, self.threshold) * brain[box.slices]
        voxel_volume = case.geometry.voxel_volume
        labels = remove_small_components(labels, max(round(SMALLEST_TUMOUR / voxel_volume), 1))
        return np.ascontiguousarray(from_lps(labels, case.geometry))

    def probabilities(
        self,
        image: np.ndarray,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        *,
        fast: bool = False,
        progress: Progress | None = None,
        cancel: Callable[[], bool] | None = None,
    ) -> np.ndarray:
        """Probabilities float32 (3, z, y, x) of WT, TC and ET.

        Parameters
        ----------
        image : normalised float32 (4, z, y, x) in nearest-LPS axis order
        spacing : (x, y, z) in mm; the other than 1 mm are resampled to it and back; the network then sees 2 mm means
        """
        import torch
        from torch.nn import functional as F  # noqa: N812

        shape = image.shape[1:]
        target = tuple(max(round(n * s), 8) for n, s in zip(shape, spacing[::-1], strict=True))
        if max(abs(a - b) / b for a, b in zip(target, shape, strict=True)) < 0.03:
            target = shape
        tensor = torch.from_numpy(np.ascontiguousarray(image))[None]
        if target != shape:
            tensor = F.interpolate(tensor, size=target, mode="trilinear", align_corners=False)
        coarse = halve(tensor[0].numpy())
        lattice = coarse.shape[1:]
        padding = [(0, 0), *((0, max(w - n, 0)) for n, w in zip(lattice, WINDOW, strict=True))]
        tensor = torch.from_numpy(np.pad(coarse, padding))[None]
        views: list[list[int]] = [[]] if fast else [[], [4]]
        total = tensor.new_zeros((1, 3, *tensor.shape[2:]))
        for done, axes in enumerate(views):

            def told(share: float, done: int = done) -> None:
                if cancel is not None and cancel():
                    raise Cancelled("The segmentation was stopped; nothing was written.")
                if progress is not None:
                    progress("Segmenting", (done + share) / len(views))

            told(0.0)
            total += self._run(tensor.flip(axes), told).flip(axes)
        mean = total[:, :, : lattice[0], : lattice[1], : lattice[2]] / len(views)
        mean = F.interpolate(mean, scale_factor=2, mode="trilinear", align_corners=False)
        mean = mean[:, :, : target[0], : target[1], : target[2]]
        if target != shape:
            mean = F.interpolate(mean, size=shape, mode="trilinear", align_corners=False)
        return mean[0].numpy()

    def _run(self, tensor: torch.Tensor, told: Callable[[float], None]) -> torch.Tensor:
        """One view through the network, on the device or, where its memory is too small, on the CPU."""
        import torch

        from .windows import run_windows

        def forward(part: torch.Tensor) -> torch.Tensor:
            part = part.to(self.device).contiguous(memory_format=torch.channels_last_3d)
            with torch.autocast(self.device.type, dtype=torch.float16, enabled=self.device.type == "cuda"):
                logits = self.network(part)
            return logits.float().sigmoid().cpu()

        with torch.inference_mode():
            try:
                return run_windows(forward, tensor, WINDOW, told)
            except torch.OutOfMemoryError:
                if self.device.type == "cpu":
                    raise
                self.device = torch.device("cpu")
                self.network.to(self.device)
                return run_windows(forward, tensor, WINDOW, told)


def choose_device(name: str) -> torch.device:
    """The torch device that ``name`` stands for; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    InputError
        If the name is unknown or this machine has no such device.
    """
    import torch

    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    kind = name.split(":")[0]
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": has_mps}
    if kind not in present:
        raise InputError(f"The device {name!r} is not known: choose auto, cpu, cuda or mps.")
    if not present[kind]:
        raise InputError(f"The device {name!r} was asked for, but this machine has none: choose auto or cpu.")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise InputError(f"The device {name!r} is not known: choose auto, cpu, cuda or mps.") from error


@lru_cache(maxsize=2)
def _bundled(device: str) -> Segmenter:
    return Segmenter(device=device)


def segment(
    case: Case,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    cancel: Callable[[], bool] | None = None,
    fast: bool = False,
    card: Path | None = None,
) -> np.ndarray:
    """Segment a case with the bundled model, or with that of ``card``.

    Returns
    -------
    ndarray uint8 (z, y, x)
        0 background, 1 NCR/NET, 2 ED, 4 ET, on the case's own grid and orientation.

    Raises
    ------
    InputError, ModelError, Cancelled
    """
    segmenter = _bundled(device) if card is None else Segmenter(card, device=device)
    return segmenter(case, fast=fast, progress=progress, cancel=cancel)
