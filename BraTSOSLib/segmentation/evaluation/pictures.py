"""Pictures of where a prediction and its reference differ most, and box plots of the scores."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...geometry import Geometry, grid_differences
from ...labels import region_mask
from ...orientation import to_lps
from .surface import bounding_box

if TYPE_CHECKING:
    import pandas as pd

TRUTH_COLOUR = "#56b4e9"
PREDICTION_COLOUR = "#e69f00"
"""Of the palette of Okabe and Ito (2008), which colour-blind readers tell apart; the style of the lines differs too."""

_BACKGROUNDS = {"WT": ("flair", "t2", "t1ce", "t1")}
_CORE_BACKGROUNDS = ("t1ce", "t1", "flair", "t2")
_TITLES = {"t1": "T1", "t1ce": "T1 with contrast", "t2": "T2", "flair": "FLAIR"}
_SIDE = 480
_MARGIN_MM = 25.0
_SMALLEST_MM = 110.0


@dataclass(frozen=True)
class Background:
    """A scan in the file's axis order (z, y, x) and its modality in words."""

    title: str
    volume: np.ndarray


@dataclass(frozen=True)
class DisagreementPicture:
    """A slice as PNG bytes, with what it shows in words."""

    caption: str
    alt: str
    png: bytes


def find_background(scans: Path, case: str, region: str, geometry: Geometry) -> tuple[Background | None, str]:
    """Read the scan on which ``region`` shows best; without one, None and the reason in a few words.

    Parameters
    ----------
    scans : Path
        Holds a folder for each case, or is the folder of the one case.
    """
    from ...case import find_scans
    from ...images import read_image

    folder = scans / case if (scans / case).is_dir() else scans
    found = find_scans(folder)
    modality = next((name for name in _BACKGROUNDS.get(region, _CORE_BACKGROUNDS) if name in found), None)
    if modality is None or (folder == scans and not found[modality].name.startswith(case)):
        return None, "no scans of this case were found"
    image = read_image(found[modality])
    if grid_differences(image.geometry, geometry):
        return None, "its scans lie on another grid"
    return Background(_TITLES[modality], image.array), ""


def draw_disagreement(
    prediction: np.ndarray, truth: np.ndarray, geometry: Geometry, region: str, background: Background | None = None
) -> DisagreementPicture:
    """Draw the axial slice in which a region's prediction and reference differ in most voxels.

    Parameters
    ----------
    prediction, truth : ndarray, (z, y, x)
        Label maps with the values 0, 1, 2, 4 on ``geometry``.
    geometry : Geometry
    region : str
        Key of ``labels.REGIONS``.
    background : Background, optional
        Drawn beneath the outlines; without one the areas are filled: grey where both agree.

    Returns
    -------
    DisagreementPicture
        In the radiological convention: the patient's right is on the left.
    """
    predicted, spacing = to_lps(region_mask(prediction, region), geometry)
    true, _ = to_lps(region_mask(truth, region), geometry)
    differing = np.count_nonzero(predicted != true, axis=(1, 2))
    index = int(np.argmax(differing)) if differing.any() else int(np.argmax(np.count_nonzero(true, axis=(1, 2))))
    predicted, true = predicted[index], true[index]
    step = (spacing[1], spacing[0])
    grey = None
    if background is not None:
        volume, _ = to_lps(background.volume, geometry)
        grey = _window(volume[index], background.volume)
    png = _draw(predicted, true, grey, _square(predicted | true, step), step)
    area = step[0] * step[1] / 100.0
    sizes = (
        f"reference {np.count_nonzero(true) * area:.1f} cm², prediction {np.count_nonzero(predicted) * area:.1f} cm², "
        f"in common {np.count_nonzero(true & predicted) * area:.1f} cm²"
    )
    what = background.title if background is not None else "label maps"
    caption = f"{what}, axial slice {index + 1} of {len(differing)} from the feet; {sizes}"
    return DisagreementPicture(caption, f"{caption}. The patient's right is on the left of the picture.", png)


def _window(picture: np.ndarray, volume: np.ndarray) -> np.ndarray:
    """Scale to 0..1 between the 0.5th and 99.5th percentile of what is not 0."""
    inside = volume[volume != 0]
    if inside.size == 0:
        return np.zeros(picture.shape)
    low, high = np.percentile(inside[:: max(1, inside.size // 200_000)], (0.5, 99.5))
    return np.clip((picture - low) / max(float(high - low), 1e-12), 0.0, 1.0)


def _square(field: np.ndarray, step: tuple[float, float]) -> tuple[float, float, float]:
    """Return the centre (row, column) and the side in mm of a square around ``field``, a mask of a slice."""
    box = bounding_box(field) or tuple(slice(0, size) for size in field.shape)
    centre = [(part.start + part.stop - 1) / 2 * length for part, length in zip(box, step, strict=True)]
    side = max((part.stop - part.start) * length for part, length in zip(box, step, strict=True)) + 2 * _MARGIN_MM
    return centre[0], centre[1], max(side, _SMALLEST_MM)


def _draw(
    predicted: np.ndarray,
    true: np.ndarray,
    grey: np.ndarray | None,
    square: tuple[float, float, float],
    step: tuple[float, float],
) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.patheffects import Normal, withStroke

    row, column, side = square
    figure = Figure(figsize=(_SIDE / 100, _SIDE / 100), dpi=100, facecolor="black")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    height, width = true.shape
    extent = (-0.5 * step[1], (width - 0.5) * step[1], (height - 0.5) * step[0], -0.5 * step[0])
    if grey is None:
        rgb = np.zeros((*true.shape, 3))
        rgb[true & predicted] = 0.55
        rgb[true & ~predicted] = 0.75 * np.array(to_rgb(TRUTH_COLOUR))
        rgb[predicted & ~true] = 0.75 * np.array(to_rgb(PREDICTION_COLOUR))
    else:
        rgb = np.repeat(0.92 * grey[..., None], 3, axis=2)
    axes.imshow(rgb, extent=extent, interpolation="nearest" if grey is None else "bicubic", aspect="equal")
    # The reference is a broad full line, the prediction a dashed one over it: where both run together, both show.
    lines: tuple[tuple[np.ndarray, str, float, Any], ...] = (
        (true, TRUTH_COLOUR, 2.6, "solid"),
        (predicted, PREDICTION_COLOUR, 1.7, (0, (3.0, 1.6))),
    )
    y, x = np.arange(height) * step[0], np.arange(width) * step[1]
    for mask, colour, thickness, style in lines:
        if mask.any():
            contours = axes.contour(
                x, y, mask.astype(float), [0.5], colors=[colour], linewidths=thickness, linestyles=[style]
            )
            contours.set_path_effects([withStroke(linewidth=thickness + 1.2, foreground="black", alpha=0.5), Normal()])
    axes.set_xlim(column - side / 2, column + side / 2)
    axes.set_ylim(row + side / 2, row - side / 2)
    text: dict[str, Any] = {
        "color": "white",
        "ha": "center",
        "va": "center",
        "transform": axes.transAxes,
        "path_effects": [withStroke(linewidth=3, foreground="black")],
    }
    for mark, (across, up) in {"R": (0.03, 0.5), "L": (0.97, 0.5), "A": (0.5, 0.965), "P": (0.5, 0.035)}.items():
        axes.text(across, up, mark, fontsize=15, weight="bold", **text)
    length = 20.0
    end = 1.0 - 0.03
    axes.plot([end - length / side, end], [0.03, 0.03], color="white", linewidth=2.5, transform=axes.transAxes)
    axes.text(end - length / side / 2, 0.058, "2 cm", fontsize=10, **text)
    buffer = BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def box_plots(table: pd.DataFrame, penalised: pd.Series) -> bytes:
    """Draw Dice, HD95 and lesion-wise Dice of each region as SVG bytes: a box from five cases on, each case a dot.

    Parameters
    ----------
    table : DataFrame
        Of ``evaluate_folders``.
    penalised : Series of bool
        Rows whose HD95 is no distance but stands for an empty map: they are counted above the axis, not drawn on it.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    if len(table) == 0:
        raise InputError("There are no cases to draw: the table is empty.")
    regions = list(dict.fromkeys(table["region"]))
    # Text as outlines: the page looks alike whatever fonts a machine has; the salt makes it the same bytes each time.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "bratsos", "font.size": 10}):
        figure = Figure(figsize=(9.2, 3.5))
        canvas = FigureCanvasSVG(figure)
        panels = figure.subplots(1, 3)
        for axes, (column, title) in zip(
            panels,
            (
                ("dice", "Dice (1 is best)"),
                ("hd95_mm", "HD95 in mm (0 is best)"),
                ("lesion_dice", "Lesion-wise Dice (1 is best)"),
            ),
            strict=True,
        ):
            left_out = []
            for place, region in enumerate(regions, start=1):
                rows = table["region"] == region
                aside = rows & penalised if column == "hd95_mm" else rows & False
                left_out.append(int(aside.sum()))
                _box(axes, place, table.loc[rows & ~aside, column].to_numpy(dtype=float))
            axes.set_title(title, fontsize=10.5, pad=18)
            axes.set_xlim(0.4, len(regions) + 0.6)
            axes.set_xticks(range(1, len(regions) + 1), regions)
            if column == "hd95_mm":
                top = max(axes.get_ylim()[1], 5.0)
                axes.set_ylim(-0.03 * top, top)
                for place, count in enumerate(left_out, start=1):
                    if count:
                        axes.text(place, 1.02, f"▲ {count} empty", ha="center", fontsize=8.5, color="#b4540a",
                                  weight="bold", transform=axes.get_xaxis_transform())  # fmt: skip
            else:
                axes.set_ylim(-0.03, 1.03)
            axes.grid(axis="y", color="#d5dce2", linewidth=0.7)
            axes.set_axisbelow(True)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        figure.tight_layout()
        buffer = BytesIO()
        canvas.print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _box(axes: Any, place: int, values: np.ndarray) -> None:
    if len(values) == 0:
        return
    if len(values) >= 5:
        axes.boxplot([values], positions=[place], widths=0.5, showfliers=False, whis=(0, 100), patch_artist=True,
                     boxprops={"facecolor": "#dbe5ee", "edgecolor": "#1f4e79"}, whiskerprops={"color": "#1f4e79"},
                     capprops={"color": "#1f4e79"}, medianprops={"color": "#1f4e79", "linewidth": 2.2},
                     manage_ticks=False)  # fmt: skip
    else:
        axes.plot([place - 0.25, place + 0.25], [np.median(values)] * 2, color="#1f4e79", linewidth=2.2)
    # Spread evenly rather than at random: the same scores give the same picture.
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    across = place + 0.14 * ((order * 0.618034) % 1.0 - 0.5) * 2
    axes.plot(across, values, "o", markersize=3.6, color="#1c2733", alpha=0.75, markeredgewidth=0)
