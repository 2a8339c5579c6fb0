"""The prediction as plot nodes: probabilities as bars, and survival curves where the prediction has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from .scene import putBeside, sceneRestoredOnError
from .tables import addTable

if TYPE_CHECKING:
    from BraTSOSLib.survival import Prediction

ROLE = "BraTSOS.Plot.{kind}"
"""Node reference by which a segmentation remembers its plots, so that another prediction replaces them."""

_BLUE, _GREY = (0.0, 0.447, 0.698), (0.4, 0.4, 0.4)  # of Okabe and Ito's palette, as the segments' colours


def showPrediction(prediction: Prediction, segmentation, reference) -> list:
    """Add (or replace) the chart nodes of a prediction; return those that there are."""
    removePlots(segmentation)
    charts = []
    with sceneRestoredOnError():
        if prediction.probabilities:
            charts.append(_probabilities(prediction.probabilities, segmentation, reference))
        curves = _curves(getattr(prediction, "cohort", None))
        if curves:
            charts.append(_survival(curves, segmentation, reference))
    return charts


def removePlots(segmentation) -> None:
    """Remove the plots of an earlier prediction for this segmentation, with their series and tables."""
    for kind in ("probabilities", "survival"):
        chart = segmentation.GetNodeReference(ROLE.format(kind=kind))
        if chart is None:
            continue
        series = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
        tables = [one.GetTableNode() for one in series if one]
        slicer.mrmlScene.RemoveNode(chart)
        for node in {id(n): n for n in (*series, *tables) if n is not None}.values():
            slicer.mrmlScene.RemoveNode(node)


def _probabilities(probabilities: Mapping[str, float], segmentation, reference):
    columns = {
        "category": [_("short"), _("medium"), _("long")],
        "probability": [100.0 * float(probabilities[name]) for name in ("short", "medium", "long")],
    }
    title = _("{name} survival category").format(name=segmentation.GetName())
    series = _series(title, columns, None, "probability", reference)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    series.SetLabelColumnName("category")
    return _chart("probabilities", title, [series], segmentation, reference, "", _("Probability [%]"))


def _survival(curves: Mapping[str, Any], segmentation, reference):
    title = _("{name} survival of similar patients").format(name=segmentation.GetName())
    shown = []
    for (name, curve), colour in zip(curves.items(), (_BLUE, _GREY), strict=False):
        times, survival = _steps(curve)
        series = _series(name, {"days": times, "survival": survival}, "days", "survival", reference, colour)
        series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
        series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone)
        shown.append(series)
    return _chart("survival", title, shown, segmentation, reference, _("Days from surgery"), _("Alive [%]"))


def _series(name: str, columns, x: str | None, y: str, reference, colour=_BLUE):
    table = addTable(name, columns, reference)
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", slicer.mrmlScene.GenerateUniqueName(name))
    series.SetAndObserveTableNodeID(table.GetID())
    if x:
        series.SetXColumnName(x)
    series.SetYColumnName(y)
    series.SetColor(*colour)
    putBeside(series, reference)
    return series


def _chart(kind: str, title: str, series: list, segmentation, reference, x: str, y: str):
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", slicer.mrmlScene.GenerateUniqueName(title))
    for one in series:
        chart.AddAndObservePlotSeriesNodeID(one.GetID())
    chart.SetTitle(title)
    chart.SetXAxisTitle(x)
    chart.SetYAxisTitle(y)
    chart.SetLegendVisibility(len(series) > 1)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(0, 100)
    putBeside(chart, reference)
    segmentation.SetNodeReferenceID(ROLE.format(kind=kind), chart.GetID())
    return chart


def _curves(cohort: Any) -> dict[str, Any]:
    """Return the Kaplan-Meier curves that a prediction carries by the name under which they are shown."""
    found = {
        _("similar patients"): getattr(cohort, "similar", None),
        _("all training patients"): getattr(cohort, "population", None),
    }
    return {name: curve for name, curve in found.items() if hasattr(curve, "times") and hasattr(curve, "survival")}


def _steps(curve: Any) -> tuple[list[float], list[float]]:
    """Return a survival curve as the corners of its steps, from everybody alive at day 0, in per cent."""
    times, survival = [0.0], [100.0]
    for time, share in zip(curve.times, curve.survival, strict=True):
        times += [float(time), float(time)]
        survival += [survival[-1], 100.0 * float(share)]
    return times, survival


def show(chart) -> None:
    """Bring a chart to the front where there is a window to show it in."""
    logic = getattr(getattr(slicer.modules, "plots", None), "logic", None)
    if logic is not None:
        logic().ShowChartInLayout(chart)
