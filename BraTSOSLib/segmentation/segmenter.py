"""The segmenter: a case in, its label map out, on the case's own grid."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..case import Case
from ..errors import Cancelled, ModelError
from ..resources import resource
from .engines import DeviceMemoryError, Engine, choose_device, make_engine, smaller_windows
from .model import Stage, load_stages, region_probabilities
from .postprocessing import PostProcessing, postprocess
from .preprocessing import Box, bounding_box
from .resampling import resize_linear
from .result import SegmentationResult
from .volume import BrainVolume
from .windows import slide

BUNDLED = "segmenter-bitrunet"
TUMOUR_PROBABILITY = 0.2
"""Whole-tumour probability of the first stage above which a voxel belongs to the box of the second: less than the
threshold, so that what the first stage half sees is looked at again."""
TUMOUR_MARGIN = 6
"""Millimetres added around that box; 12 cost more windows and gained nothing (docs/speed.md)."""

Progress = Callable[[str, float], None]
Cancel = Callable[[], bool]


class Segmenter:
    """A model, ready on a device.

    Parameters
    ----------
    model : path of a model card, or the name of a bundled or imported model; the bundled one where None
    device : {"auto", "cpu", "cuda", "cuda:N", "mps"}
    engine : {"auto", "torch", "openvino"}

    Examples
    --------
    >>> segmenter = Segmenter()                              # doctest: +SKIP
    >>> labels = segmenter(read_case("Brats18_TCIA01_201_1"))  # doctest: +SKIP
    """

    def __init__(self, model: Path | str | None = None, *, device: str = "auto", engine: str = "auto") -> None:
        self.stages, self.card = load_stages(find_card(model))
        if self.stages[0].field != "brain":
            name = self.card.get("name")
            raise ModelError(f"The model {name} begins with a tumour stage: it needs one for the brain first.")
        choose_device(device)  # a device that is not here is noticed before any scan is read
        self.device, self.engine = device, engine
        self.settings = PostProcessing.from_card(self.card)
        self._engines: dict[int, Engine] = {}
        self._said: list[str] = []

    def __call__(
        self, case: Case, *, fast: bool = False, progress: Progress | None = None, cancel: Cancel | None = None
    ) -> np.ndarray:
        """Label map uint8 (z, y, x) with the values 0, 1, 2, 4 on the case's own grid; see ``run``."""
        return self.run(case, fast=fast, progress=progress, cancel=cancel).labels

    def run(
        self,
        case: Case,
        *,
        fast: bool = False,
        mirrored: bool | None = None,
        maps: bool = False,
        plausible: bool = False,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> SegmentationResult:
        """Segment a case and say how far to trust the result.

        Parameters
        ----------
        fast : the first stage only, and nothing twice (the second pass sees the brain mirrored left-right)
        mirrored : whether there is that second pass (test-time augmentation); see ``passes``
        maps : also return probabilities and entropy
        plausible : also return the volumes of other plausible segmentations
        progress, cancel : see ``pipeline.run_case``

        Raises
        ------
        Cancelled
            If ``cancel`` returned True between two windows.
        """
        from .entropy import entropy
        from .plausibility import check_scans
        from .plausible import plausible_volumes
        from .quality import estimate_quality

        volume = BrainVolume.of(case)
        passes = self.passes(volume, fast=fast, mirrored=mirrored, progress=progress, cancel=cancel)
        mean = passes[0] if len(passes) == 1 else np.mean(passes, axis=0)
        native = resize_linear(mean, volume.box.shape)
        labels = postprocess(
            native, spacing=volume.spacing, brain=volume.brain, image=volume.image, settings=self.settings
        )
        uncertain = resize_linear(entropy(passes)[None], volume.box.shape)[0] if maps else None
        return SegmentationResult(
            labels=volume.whole(labels, case),
            probabilities=volume.whole(native, case) if maps else None,
            entropy=None if uncertain is None else volume.whole(uncertain, case),
            # the calibration is that of the full model
            quality=None if fast else estimate_quality(native, labels, self.card.get("quality")) or None,
            warnings=(*check_scans(case), *self._notes()),
            card=self.card,
            engine=", ".join(sorted({f"{engine.name} on {engine.device}" for engine in self._engines.values()})),
            plausible=plausible_volumes(passes, volume, self.settings) if plausible else (),
        )

    def passes(
        self,
        volume: BrainVolume,
        *,
        fast: bool = False,
        mirrored: bool | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> list[np.ndarray]:
        """Probabilities float32 (3, z, y, x) of WT, TC and ET on ``volume.grid``, one array for each pass.

        Parameters
        ----------
        mirrored : whether to add a pass that sees the brain mirrored left-right; where None, in the stages whose card
            says so, and not with ``fast``
        """
        stages = self.stages[:1] if fast else self.stages
        twice = not fast if mirrored is None else mirrored
        result: list[np.ndarray] = []
        for index, stage in enumerate(stages):

            def told(share: float, index: int = index) -> None:
                if cancel is not None and cancel():
                    raise Cancelled("The segmentation was stopped; nothing was written.")
                if progress is not None:
                    progress("Segmenting", (index + share) / len(stages))

            told(0.0)
            views = [False, True] if twice and (stage.mirrored or mirrored) else [False]
            image = volume.for_stage(stage)
            if stage.field == "brain":
                found = [volume.to_grid(part, stage) for part in self._views(index, image, views, told)]
                result = found if not result else [(a + b) / 2 for a, b in _pairs(result, found)]
                continue
            box = tumour_box(np.mean(result, axis=0)[0], stage.window)
            if box is None:
                continue
            share = float(self.card.get("fine_share", 0.5))
            parts = self._views(index, image[(slice(None), *box.slices)], views, told)
            result = [coarse.copy() for coarse, _ in _pairs(result, parts)]
            for coarse, fine in _pairs(result, parts):
                here = coarse[(slice(None), *box.slices)]
                here += np.float32(share) * (fine - here)
        return result

    def _views(
        self, index: int, image: np.ndarray, mirrored: list[bool], told: Callable[[float], None]
    ) -> list[np.ndarray]:
        """A stage's region probabilities of an LPS image, for each view."""
        stage = self.stages[index]
        results = []
        for done, mirror in enumerate(mirrored):
            view = image[..., ::-1] if mirror else image
            if stage.orientation == "RAS":
                view = view[:, :, ::-1, ::-1].transpose(0, 3, 2, 1)

            def part_done(share: float, done: int = done) -> None:
                told((done + share) / len(mirrored))

            found = self._slide(index, np.ascontiguousarray(view), part_done)
            if stage.orientation == "RAS":
                found = found.transpose(0, 3, 2, 1)[:, :, ::-1, ::-1]
            results.append(np.ascontiguousarray(found[..., ::-1] if mirror else found))
        return results

    def _slide(self, index: int, image: np.ndarray, told: Callable[[float], None]) -> np.ndarray:
        """One view through the network; where the device's memory is too small, in smaller windows, then on the CPU."""
        stage = self.stages[index]
        for window in (stage.window, *smaller_windows(stage.window, multiple=32)[:1]):
            engine = self._engine(index)
            try:
                return slide(_probabilities(engine, stage), image, window, stage.overlap, told)
            except DeviceMemoryError as error:
                if engine.device == "cpu":
                    raise
                self._said.append(f"{error} A smaller one was tried.")
        self._said.append("The CPU was used instead.")
        self.device = "cpu"
        self._engines.clear()
        return slide(_probabilities(self._engine(index), stage), image, stage.window, stage.overlap, told)

    def _engine(self, index: int) -> Engine:
        if index not in self._engines:
            self._engines[index] = make_engine(self.stages[index], self.device, self.engine)
        return self._engines[index]

    def _notes(self) -> list[str]:
        notes = [*self._said, *(note for engine in self._engines.values() for note in engine.notes)]
        return list(dict.fromkeys(notes))


def _pairs(first: list[np.ndarray], second: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Passes of two stages, pass by pass; a stage that is not mirrored has one pass, which goes with both."""
    count = max(len(first), len(second))
    return [(first[i % len(first)], second[i % len(second)]) for i in range(count)]


def _probabilities(engine: Engine, stage: Stage) -> Callable[[np.ndarray], np.ndarray]:
    return lambda part: region_probabilities(engine(part)[0], stage.outputs)


def tumour_box(whole_tumour: np.ndarray, window: tuple[int, int, int]) -> Box | None:
    """The box (1 mm voxels) around a whole-tumour probability (z, y, x), with a margin; None where there is no tumour.

    It is at least as large as ``window`` where the volume is, because that is what the stage has been trained on.
    """
    found = whole_tumour > TUMOUR_PROBABILITY
    if not found.any():
        return None
    box = bounding_box(found, TUMOUR_MARGIN)
    start, stop = [], []
    for first, last, wanted, size in zip(box.start, box.stop, window, whole_tumour.shape, strict=True):
        missing = max(min(wanted, size) - (last - first), 0)
        first = min(max(first - missing // 2, 0), size - (last - first) - missing)
        start.append(first)
        stop.append(max(last, first + min(wanted, size)))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


def find_card(model: Path | str | None) -> Path:
    """The card of a model given by its path or its name; the bundled one where None."""
    if model is None:
        return resource("Models", f"{BUNDLED}.json")
    if isinstance(model, Path):
        return model
    from ..models import find_model

    return find_model(model)


@lru_cache(maxsize=2)
def _ready(card: Path, content: bytes, device: str, engine: str) -> Segmenter:
    """Kept for the next case; ``content``, the card's, tells a model that was replaced under its name from the old."""
    return Segmenter(card, device=device, engine=engine)


def segment(
    case: Case,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    fast: bool = False,
    model: Path | str | None = None,
    engine: str = "auto",
) -> np.ndarray:
    """Segment a case with the bundled model, or with another by its name or the path of its card.

    Returns
    -------
    ndarray uint8 (z, y, x)
        0 background, 1 NCR/NET, 2 ED, 4 ET, on the case's own grid and orientation.

    Raises
    ------
    InputError, ModelError, Cancelled
    """
    return segment_case(
        case, device=device, progress=progress, cancel=cancel, fast=fast, model=model, engine=engine
    ).labels


def segment_case(
    case: Case,
    *,
    device: str = "auto",
    progress: Progress | None = None,
    cancel: Cancel | None = None,
    fast: bool = False,
    model: Path | str | None = None,
    engine: str = "auto",
    mirrored: bool | None = None,
    maps: bool = False,
    plausible: bool = False,
) -> SegmentationResult:
    """As ``segment``, with warnings, the expected quality and, if asked for, what `Segmenter.run` says."""
    card = find_card(model)
    content = card.read_bytes() if card.is_file() else b""  # the segmenter says what is wrong with a missing one
    segmenter = _ready(card, content, device, engine)
    return segmenter.run(
        case, fast=fast, mirrored=mirrored, maps=maps, plausible=plausible, progress=progress, cancel=cancel
    )
