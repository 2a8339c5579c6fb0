"""Do four scans look like those that the model was trained on? One sentence for every reason to doubt it.

Networks answer whatever they are given: with T1 and T2 exchanged, or the skull still there, they outline something,
and nothing in the outline tells. The checks here look at the scans alone (see ``appearance``), in under half a second,
and judge by constants that ``Testing/benchmarks/fit_plausibility.py`` measures on the training cases. A mirrored head
(left for right) cannot be noticed: a brain is too symmetric.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations, product
from typing import Any

import numpy as np

from ..case import MODALITIES, Case
from ..resources import resource
from .appearance import CUBE, ORDERS, Appearance, Cells, roughness, shape_cube, strangeness

TITLES = {"t1": "T1", "t1ce": "T1 with contrast", "t2": "T2", "flair": "FLAIR"}

_COARSE = 2.5
"""mm; the training scans were brought to 1 mm from slices of up to 5, but what was never acquired stays unseen."""
_BRAIN = (700.0, 2100.0)
"""mL, from a child's brain to a large one with its fluid; a head with its skull has 2,200 or more."""
_FRAME = 0.5
"""Share of the grid's outer faces that is not zero: about 0 around a brain, some tenths where one is cut off."""
_COVERED = 0.8
"""Share of the brain in which each scan must have values."""
_DARK_RANK, _DARK_SHARE = 0.2, 0.1
"""Bone and air are dark in every scan: in a brain up to 4 % of cells rank under 0.2 in all four, in a head a fifth."""
_NOISE = 0.6
"""Of ``roughness``, 1 for pure noise; brains reach 0.4."""
_STEPS = 2.5
"""How much rougher than within slices a scan may be from slice to slice."""
_LEAST_CELLS = 2000
"""Of 8 mm³ each; with fewer there is nothing to measure."""
_SUSPICIOUS = 0.15
"""Strangeness above which it is tried whether a scan is a negative; most brains have less than 0.1."""
_THINNED = 3
"""Every how many cells are looked at for that, to be quick."""
_CONTRAST_LAST = ORDERS.index((1, 0, 2, 3))


@dataclass(frozen=True)
class _Constants:
    """What the training cases look like (``Resources/Appearance/scans.json``)."""

    weights: np.ndarray
    exchanged: float
    unclear: float
    low: np.ndarray
    high: np.ndarray
    unusual: float
    template: np.ndarray
    alike: float
    turned: float

    @classmethod
    def read(cls, fields: dict[str, Any]) -> _Constants:
        order, usual, shape = fields["order"], fields["usual"], fields["shape"]
        half = np.array([int(digit) for digit in shape["template"]], dtype=np.float32) / 9
        half = half.reshape(CUBE, CUBE, CUBE // 2)
        return cls(
            weights=np.array(order["weights"]),
            exchanged=float(order["exchanged"]),
            unclear=float(order["unclear"]),
            low=np.array(usual["low"]),
            high=np.array(usual["high"]),
            unusual=float(usual["tolerance"]),
            template=np.concatenate([half, half[..., ::-1]], axis=-1),
            alike=float(shape["alike"]),
            turned=float(shape["turned"]),
        )

    def strangeness(self, features: np.ndarray) -> float:
        return strangeness(features, self.low, self.high)


@lru_cache(maxsize=1)
def _constants() -> _Constants:
    return _Constants.read(json.loads(resource("Appearance", "scans.json").read_text(encoding="utf-8")))


def check_scans(case: Case) -> tuple[str, ...]:
    """Warnings, each one sentence for the reader of the result; none where the scans look as they should.

    Noticed are empty, constant, identical and ill-fitting scans, thick slices, a head that is not skull-stripped, a
    brain of impossible size or shape, turned the wrong way up or round, noise, slices out of order, scans given in
    the wrong order or as negatives, and a T1 with contrast that shows none. Whatever makes the later checks
    meaningless ends them.

    Parameters
    ----------
    case : Case
        Scans of any intensity scale.
    """
    warnings = list(_empty(case))
    if warnings:
        return tuple(warnings)
    warnings += [*_coarse(case), *_identical(case), *_uncovered(case)]
    head = _not_stripped(case)
    if head is not None:
        return (*warnings, head)
    cells = Cells.of(case)
    if cells.values.shape[1] < _LEAST_CELLS:
        volume = float(np.count_nonzero(case.brain)) * case.geometry.voxel_volume / 1000
        return (
            *warnings,
            f"Only {volume:,.1f} mL of the scans are not zero, which is too little for a brain: check them.",
        )
    appearance = Appearance.of(cells)
    shape = list(_shape(cells))
    dark = float((appearance.ranks < _DARK_RANK).all(axis=0).mean())
    # In the shape of a brain it is fluid, dark where T2 is a negative.
    if dark > _DARK_SHARE and shape:
        return (*warnings, _HEAD.format(f"{100 * dark:.0f} % of what is not zero is as dark as bone in all four scans"))
    rough = list(_rough(cells, appearance))
    if rough:
        return (*warnings, *rough)
    warnings += [*_size(case), *shape]
    if not any("same image" in warning for warning in warnings):
        warnings += _order(appearance, cells)
    return tuple(warnings)


def _empty(case: Case) -> Iterator[str]:
    for name in MODALITIES:
        values = case.volumes[name]
        if not values.any():
            yield f"{TITLES[name]} is zero everywhere: check the file."
            continue
        # Every fourth slice shows that values differ; all are looked at only where it does not.
        for step in (4, 1):
            inside = values[::step][case.brain[::step]]
            if inside.size and inside.min() < inside.max():
                break
        else:
            yield f"{TITLES[name]} has the same value everywhere in the brain: check the file."


def _coarse(case: Case) -> Iterator[str]:
    thickest = max(case.geometry.spacing)
    if thickest > _COARSE:
        yield (
            f"The scans have voxels of up to {thickest:.1f} mm, and the model was trained on 1 mm: small parts of the "
            "tumour are lost, and volumes are rough."
        )


def _identical(case: Case) -> Iterator[str]:
    for first, second in combinations(MODALITIES, 2):
        a, b = case.volumes[first], case.volumes[second]
        # A few voxels tell most pairs apart without reading the whole volumes.
        if np.array_equal(a[::7, ::7, ::7], b[::7, ::7, ::7]) and np.array_equal(a, b):
            yield f"{TITLES[first]} and {TITLES[second]} are the same image: check which files were given."


def _uncovered(case: Case) -> Iterator[str]:
    thin = (slice(None, None, 3),) * 3
    brain = case.brain[thin]
    for name in MODALITIES:
        share = np.count_nonzero(case.volumes[name][thin][brain]) / max(int(np.count_nonzero(brain)), 1)
        if share < _COVERED:
            yield (
                f"{TITLES[name]} has values in only {100 * share:.0f} % of the brain that the four scans show "
                "together: it may be cut off, or not aligned with the others."
            )


_HEAD = (
    "The scans seem to show the whole head, not the brain alone ({}): remove skull and scalp (skull-strip) first, "
    "because the model has only seen stripped brains."
)


def _not_stripped(case: Case) -> str | None:
    brain = case.brain
    faces = [np.take(brain, side, axis) for axis in range(3) for side in (0, -1)]
    frame = sum(np.count_nonzero(face) for face in faces) / sum(face.size for face in faces)
    volume = float(np.count_nonzero(brain)) * case.geometry.voxel_volume / 1000
    if frame > _FRAME:
        return _HEAD.format(f"the background is not zero: {100 * frame:.0f} % of the volume's outer faces have values")
    if volume > _BRAIN[1]:
        return _HEAD.format(f"{volume:,.0f} mL are not zero, and a brain has {_BRAIN[1]:,.0f} mL at most")
    return None


def _size(case: Case) -> Iterator[str]:
    volume = float(np.count_nonzero(case.brain)) * case.geometry.voxel_volume / 1000
    if volume < _BRAIN[0]:
        yield f"The brain measures only {volume:,.0f} mL: it may be cut off, or the files may hold a wrong voxel size."


def _rough(cells: Cells, appearance: Appearance) -> Iterator[str]:
    measured = roughness(cells, appearance.ranks)
    for name, along in zip(MODALITIES, measured, strict=True):
        step, *within = along / cells.spacing  # the further apart two cells lie, the less they have in common
        if along.min() > _NOISE:
            yield f"{TITLES[name]} looks like noise, not like a brain: check the file."
        elif step > _STEPS * max(within):
            yield (
                f"{TITLES[name]} jumps from slice to slice: the slices may be in the wrong order, or the patient moved."
            )


def _shape(cells: Cells) -> Iterator[str]:
    constants = _constants()
    scores = orientation_scores(shape_cube(cells), constants.template)
    right = scores[_UPRIGHT]
    best = max(scores, key=lambda turn: scores[turn])
    if scores[best] < constants.alike:
        yield (
            "What is not zero in the scans does not have the shape of a whole brain: parts may be cut off, or the "
            "skull-stripping may have failed."
        )
    elif scores[best] - right > constants.turned:
        yield f"The brain seems to lie {_turn_words(best)}: check the orientation stored in the files."


Turn = tuple[tuple[int, int, int], tuple[int, int]]
"""Order of the axes (z, y, x), then whether z and y are flipped; x is not, since a brain is symmetric."""
_UPRIGHT: Turn = ((0, 1, 2), (1, 1))


def orientation_scores(cube: np.ndarray, template: np.ndarray) -> dict[Turn, float]:
    """Correlation of a brain's shape (see ``appearance.shape_cube``) with the template, for every way to turn it."""
    scores: dict[Turn, float] = {}
    for axes in permutations(range(3)):
        turned = cube.transpose(axes)
        for z, y in product((1, -1), repeat=2):
            score = max(_correlation(turned[::z, ::y, ::x], template) for x in (1, -1))
            scores[((axes[0], axes[1], axes[2]), (z, y))] = score
    return scores


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _turn_words(turn: Turn) -> str:
    axes, flips = turn
    if axes != (0, 1, 2):
        return "along other axes than the files say"
    words = {(-1, 1): "upside down", (1, -1): "back to front", (-1, -1): "upside down and back to front"}
    return words[flips]


def order_scores(appearance: Appearance, weights: np.ndarray) -> np.ndarray:
    """For each of ``ORDERS`` how well it fits, as log odds (only differences count): a conditional logit model."""
    return np.array([appearance.features(order) @ weights for order in ORDERS])


def _order(appearance: Appearance, cells: Cells) -> Iterator[str]:
    constants = _constants()
    scores = order_scores(appearance, constants.weights)
    best = int(scores.argmax())
    exchanged = scores[best] - scores[0] > constants.exchanged
    strange = constants.strangeness(appearance.features())
    if exchanged or strange > _SUSPICIOUS:
        name, remaining = _negative(appearance, cells)
        if remaining < min(strange / 3, constants.strangeness(appearance.features(ORDERS[best]))):
            yield f"{TITLES[name]} looks like a negative, dark where it should be bright: check how it was made."
            return
    if exchanged:
        yield _order_words(ORDERS[best])
    elif strange > constants.unusual:
        yield (
            "The contrasts of the scans are unlike those that the model was trained on: check that they are T1, T1 "
            "with contrast, T2 and FLAIR of one examination, aligned with each other."
        )
    elif scores[0] - scores[_CONTRAST_LAST] < constants.unclear and max(cells.spacing) <= _COARSE:
        # Thick slices average vessels away, and nothing could be said.
        yield (
            "T1 with contrast does not look brighter than T1 anywhere: contrast may not have been given, or the two "
            "may be exchanged, and enhancing tumour cannot be told."
        )


def _order_words(order: tuple[int, ...]) -> str:
    moved = [index for index, given in enumerate(order) if index != given]
    names = list(TITLES.values())
    if len(moved) == 2:
        return (
            f"{names[moved[0]]} and {names[moved[1]]} seem to be exchanged: check which file was given for which scan."
        )
    said = "; ".join(f"the one given as {names[order[index]]} looks like {names[index]}" for index in moved)
    return f"The scans seem to be given in the wrong order: {said}."


def _negative(appearance: Appearance, cells: Cells) -> tuple[str, float]:
    """The scan that, turned into its negative, makes the case look most usual; and how strange it looks then."""
    found = {}
    for index, name in enumerate(MODALITIES):
        ranks = appearance.ranks[:, ::_THINNED].copy()
        ranks[index] = 1 - ranks[index]
        turned = Appearance.of_ranks(ranks, cells.depth[::_THINNED])
        found[name] = _constants().strangeness(turned.features())
    likeliest = min(found, key=lambda name: found[name])
    return likeliest, found[likeliest]
