"""The report's pictures: slices through the tumour with its regions outlined, as PNG bytes."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np

from ..case import Case
from ..labels import COLOURS, region_mask
from ..orientation import to_lps
from .planes import AXIAL, CORONAL, OBLIQUE_DEGREES, SAGITTAL, Plane, plane_spacing, take_plane, tilt_degrees

TITLES = {"t1": "T1", "t1ce": "T1 with contrast", "t2": "T2", "flair": "FLAIR"}
_VIEWS: tuple[tuple[str, Plane], ...] = (
    ("t1", AXIAL),
    ("t1ce", AXIAL),
    ("t1ce", SAGITTAL),
    ("t2", AXIAL),
    ("flair", AXIAL),
    ("t1ce", CORONAL),
)
_PIXELS_PER_MM = 3.0
_LARGEST = 720
_MARGIN_MM = 8.0
_OUTLINE_PIXELS = 2


@dataclass(frozen=True)
class Picture:
    """One slice, ready for a page.

    Attributes
    ----------
    title : str
    caption : str
    alt : str
        The picture in words, for readers who cannot see it.
    png : bytes
    """

    title: str
    caption: str
    alt: str
    png: bytes


def largest_section(mask: np.ndarray, axis: int, brain: np.ndarray) -> int:
    """Return the index along ``axis`` where ``mask`` has most voxels; the brain's middle where it is empty."""
    others = tuple(other for other in range(mask.ndim) if other != axis)
    areas = np.count_nonzero(mask, axis=others)
    if areas.any():
        return int(np.argmax(areas))
    inside = np.flatnonzero(brain.any(axis=others))
    return int(inside[inside.size // 2]) if inside.size else mask.shape[axis] // 2


def draw_views(case: Case, labels: np.ndarray) -> list[Picture]:
    """Draw the four modalities axially and T1ce in the two other planes, all at one scale in mm.

    Parameters
    ----------
    case : Case
        On any orientation and spacing; patient right is on the picture's left in axial and coronal views.
    labels : ndarray, (z, y, x)
        Values 0, 1, 2, 4 on the case's grid. Each view passes through the whole tumour's largest section of its
        plane, or through the middle of the brain where there is no tumour.

    Returns
    -------
    list of Picture
    """
    brain, spacing = to_lps(case.brain, case.geometry)
    regions, _ = to_lps(labels, case.geometry)
    box = _bounding_box(brain)
    extent = (
        max((part.stop - part.start) * step for part, step in zip(box, reversed(spacing), strict=True)) + 2 * _MARGIN_MM
    )
    scale = min(_PIXELS_PER_MM, _LARGEST / extent)
    side = round(extent * scale)
    tumour = regions > 0
    oblique = tilt_degrees(case.geometry) >= OBLIQUE_DEGREES
    pictures = []
    for modality, plane in _VIEWS:
        index = largest_section(tumour, plane.axis, brain)
        count = regions.shape[plane.axis]
        volume, _ = to_lps(case.volumes[modality], case.geometry)
        rows, columns = _plane_box(box, plane, volume.shape)
        mask = take_plane(brain, plane, index)[rows, columns]
        grey = _window(take_plane(volume, plane, index)[rows, columns], mask, case.volumes[modality][case.brain])
        outlined = take_plane(regions, plane, index)[rows, columns]
        pixels = _compose(grey, outlined, plane_spacing(spacing, plane), scale, side)
        name = f"{'oblique ' if oblique else ''}{plane.name}"
        shown = [region for region in COLOURS if region_mask(outlined, region).any()]
        contents = f"outlined: {', '.join(shown)}" if shown else "no tumour outlined"
        where = "largest section of the tumour" if tumour.any() else "middle of the brain"
        pictures.append(
            Picture(
                title=f"{TITLES[modality]}, {name}",
                caption=f"slice {index + 1} of {count}, counted {plane.counted}",
                alt=f"{TITLES[modality]}, {name} slice through the {where}, {plane.marks[0]} of the patient on the "
                f"left of the picture; {contents}.{' Synthetic phantom, not a patient.' if case.synthetic else ''}",
                png=_annotate(pixels, plane, scale, _free_height(outlined) if case.synthetic else None),
            )
        )
    return pictures


def _bounding_box(brain: np.ndarray) -> tuple[slice, slice, slice]:
    parts = []
    for axis in range(3):
        inside = np.flatnonzero(brain.any(axis=tuple(other for other in range(3) if other != axis)))
        parts.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(0, brain.shape[axis]))
    return parts[0], parts[1], parts[2]


def _plane_box(box: tuple[slice, slice, slice], plane: Plane, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the part of a ``take_plane`` picture that ``box`` leaves; rows are mirrored where the head is on top."""
    (row_axis, rows), (_, columns) = [(axis, part) for axis, part in enumerate(box) if axis != plane.axis]
    if plane.axis != 0:
        rows = slice(shape[row_axis] - rows.stop, shape[row_axis] - rows.start)
    return rows, columns


def _window(picture: np.ndarray, mask: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Scale to 0..1 between the brain's 0.5th and 99.5th percentile; what is not brain is black."""
    if inside.size == 0:
        return np.zeros(picture.shape)
    low, high = np.percentile(inside, (0.5, 99.5))
    scaled = np.clip((picture - low) / max(float(high - low), 1e-12), 0.0, 1.0)
    return np.where(mask, scaled, 0.0)


def _compose(grey: np.ndarray, labels: np.ndarray, spacing: tuple[float, float], scale: float, side: int) -> np.ndarray:
    """Return a ``side`` x ``side`` x 3 picture in 0..1 with square pixels, the slice centred in it."""
    from scipy import ndimage

    # Pixel centres of the picture, in voxels of the slice.
    rows, columns = (
        ((np.arange(side) + 0.5) / scale - side / (2 * scale)) / step + size / 2 - 0.5
        for step, size in zip(spacing, grey.shape, strict=True)
    )
    grid = np.meshgrid(rows, columns, indexing="ij")
    picture = np.clip(ndimage.map_coordinates(grey, grid, order=3, mode="grid-constant"), 0.0, 1.0)
    # The colours must stand out from bright tissue: white is kept for the marks.
    rgb = np.repeat(0.92 * picture[..., None], 3, axis=2)
    # Interpolated membership with the largest share winning gives smooth borders that no two regions share.
    exclusive = [region for region in COLOURS if region_mask(labels, region).any()]
    inside = [
        ndimage.map_coordinates(region_mask(labels, region).astype(float), grid, order=1, mode="grid-constant")
        for region in exclusive
    ]
    if not inside:
        return rgb
    winner = np.argmax(np.stack([1.0 - np.sum(inside, axis=0), *inside]), axis=0)
    outlines = np.zeros((side, side), dtype=int)
    for number in range(1, len(exclusive) + 1):
        area = winner == number
        outlines[area & ~ndimage.binary_erosion(area, iterations=_OUTLINE_PIXELS)] = number
    # A dark rim around each outline keeps yellow legible on bright enhancement.
    rim = ndimage.binary_dilation(outlines > 0) & (outlines == 0)
    rgb[rim] *= 0.3
    for number, region in enumerate(exclusive, start=1):
        rgb[outlines == number] = COLOURS[region]
    return rgb


def _free_height(labels: np.ndarray) -> float:
    """Return where a watermark hides least of the tumour: a height in the picture, 0 at the top to 1."""
    rows = np.flatnonzero(labels.any(axis=1))
    return 0.3 if rows.size and rows.mean() > 0.5 * labels.shape[0] else 0.72


def _annotate(pixels: np.ndarray, plane: Plane, scale: float, watermark: float | None) -> bytes:
    """Return PNG bytes with orientation marks, a scale bar and, for a phantom, a watermark that travels along.

    ``watermark`` is its height in the picture (0 top, 1 bottom); None for a patient's scans.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    side = pixels.shape[0]
    dots = 100
    figure = Figure(figsize=(side / dots, side / dots), dpi=dots)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.imshow(pixels, interpolation="nearest", extent=(0, side, side, 0), aspect="auto", vmin=0.0, vmax=1.0)
    axes.set_xlim(0, side)
    axes.set_ylim(side, 0)
    unit = side / 520  # sizes below were chosen on a picture of this many pixels
    style: dict[str, Any] = {"family": "DejaVu Sans", "color": "white", "ha": "center", "va": "center"}
    stroke = [withStroke(linewidth=3 * unit, foreground="black")]
    edge = 17 * unit
    places = ((edge, side / 2), (side - edge, side / 2), (side / 2, edge), (side / 2, side - edge))
    for mark, (x, y) in zip(plane.marks, places, strict=True):
        axes.text(x, y, mark, fontsize=17 * unit, weight="bold", path_effects=stroke, **style)
    bar = 50.0 * scale
    left, low = side - bar - 14 * unit, side - 16 * unit
    axes.plot([left, left + bar], [low, low], color="white", linewidth=3 * unit, solid_capstyle="butt")
    axes.text(left + bar / 2, low - 13 * unit, "5 cm", fontsize=11 * unit, path_effects=stroke, **style)
    if watermark is not None:
        mark = "SYNTHETIC phantom,\nnot a patient"
        axes.text(side / 2, watermark * side, mark, fontsize=25 * unit, weight="bold", rotation=18, alpha=0.5,
                  path_effects=[withStroke(linewidth=2 * unit, foreground="black")], **style)  # fmt: skip
    buffer = BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
