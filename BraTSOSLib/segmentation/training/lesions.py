"""Changes to the tumours of training cases: another patient's tumour in a brain, and tumours that show less.

With few cases a network learns where tumours lie and how strongly they shine rather than what they are. Both functions
work on normalised, brain-boxed volumes with soft region targets (WT, TC, ET), and draw from the generator given.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

T1, T1CE, T2, FLAIR = range(4)


def transplant_tumour(
    image: np.ndarray,
    target: np.ndarray,
    donor_image: np.ndarray,
    donor_target: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Put a donor's tumour, with a rim of its surroundings, into a brain at about the place that it has in the donor's.

    The tumour may be mirrored left-right, shrunk to as little as half its size and moved by up to 10 voxels; it is
    blended over two voxels and only where the recipient has brain. After Zhang et al., CarveMix (MICCAI 2021,
    doi:10.1007/978-3-030-87193-2_19), which cuts along the distance to the lesion.

    Parameters
    ----------
    image, donor_image : float32 (4, z, y, x), normalised, 0 outside the brain
    target, donor_target : float32 (3, z, y, x), the share of WT, TC and ET in each voxel

    Returns
    -------
    image, target : new arrays; the given ones where the donor has no tumour or it would lie outside the brain
    """
    whole = donor_target[0] > 0.25
    if not whole.any():
        return image, target
    rim = int(rng.integers(2, 6))
    lines = [np.flatnonzero(whole.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    start = [max(int(line[0]) - rim - 2, 0) for line in lines]
    stop = [min(int(line[-1]) + rim + 3, n) for line, n in zip(lines, whole.shape, strict=True)]
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    both = np.concatenate([donor_image[(slice(None), *box)], donor_target[(slice(None), *box)]]).astype(np.float32)
    share = (np.array(start) + np.array(stop)) / 2 - np.array(whole.shape) / 2
    if rng.random() < 0.5:
        both, share = both[..., ::-1], share * (1, 1, -1)
    if rng.random() < 0.5:
        scale = float(rng.uniform(0.5, 1.0))
        both = np.stack([ndimage.zoom(channel, scale, order=1) for channel in both])
    donor, wanted = both[:4], both[4:]
    distance = ndimage.distance_transform_edt(wanted[0] <= 0.25)
    weight = np.clip((rim - distance) / 2.0, 0.0, 1.0).astype(np.float32) * (donor != 0).any(axis=0)
    centre = np.array(image.shape[1:]) / 2 + share + rng.uniform(-10, 10, 3)
    corner = np.round(centre - np.array(weight.shape) / 2).astype(int)
    first = np.maximum(corner, 0)
    last = np.minimum(corner + weight.shape, image.shape[1:])
    if (last <= first).any():
        return image, target
    here = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    there = tuple(slice(a, b) for a, b in zip(first - corner, last - corner, strict=True))
    brain = (image[(slice(None), *here)] != 0).any(axis=0)
    whole_weight = weight.sum()
    weight = weight[there] * brain
    if weight.sum() < 0.7 * whole_weight:
        return image, target
    image, target = image.copy(), target.copy()
    for result, source in ((image, donor), (target, wanted)):
        patch = result[(slice(None), *here)]
        patch += weight * (source[(slice(None), *there)] - patch)
    return image, target


def fade_tumour(image: np.ndarray, target: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Let the tumour show less: oedema nearer to brain on FLAIR and T2, enhancement weaker on T1ce, rarely none at all.

    Where the enhancement is taken away altogether the target's ET goes too, and the core stays: a tumour of low grade.

    Parameters
    ----------
    image, target : as for ``transplant_tumour``
    """
    brain = (image != 0).any(axis=0)
    healthy = brain & (target[0] < 0.05)
    if not healthy.any() or not (target[0] > 0.5).any():
        return image, target
    image = image.copy()
    whole, enhancing = target[0], target[2]
    for modality, probability, most in ((FLAIR, 0.5, 0.75), (T2, 0.4, 0.6), (T1, 0.3, 0.6)):
        if rng.random() < probability:
            channel = image[modality]
            usual = float(np.median(channel[healthy]))
            channel -= float(rng.uniform(0.0, most)) * whole * (channel - usual) * brain
    if rng.random() < 0.4:
        channel = image[T1CE]
        core = (target[1] - enhancing > 0.5) & brain
        usual = float(np.median(channel[core])) if core.any() else float(np.median(channel[healthy]))
        none = rng.random() < 0.2
        # the rim of partly enhancing voxels must fade as far as the rest, or it would betray it
        channel -= (0.95 if none else float(rng.uniform(0.0, 0.6))) * enhancing * (channel - usual) * brain
        if none:
            target = target.copy()
            target[2] = 0.0
    return image, target
