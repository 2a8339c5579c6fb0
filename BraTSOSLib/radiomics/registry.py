"""A feature as the library's own engine knows it: its name, its formula, its IBSI code and how to compute it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Region = TypeVar("Region")


@dataclass(frozen=True)
class Feature(Generic[Region]):
    """One feature.

    Attributes
    ----------
    name : str
        As in pyradiomics, e.g. ``"Mean"``.
    ibsi : str or None
        Four-character code in the reference manual of the Image Biomarker Standardisation Initiative (Zwanenburg et
        al. 2020, Radiology 295:328-338); None where the manual has no such feature.
    formula : str
        Definition, in the symbols of the feature class's module.
    compute : callable
        From the region's prepared data to the value.
    """

    name: str
    ibsi: str | None
    formula: str
    compute: Callable[[Region], float]


class Registry(Generic[Region]):
    """The features of one class, by name; filled by the decorator :meth:`feature`."""

    def __init__(self) -> None:
        self.features: dict[str, Feature[Region]] = {}

    def feature(
        self, name: str, *, ibsi: str | None, formula: str
    ) -> Callable[[Callable[[Region], float]], Callable[[Region], float]]:
        """Register the decorated function as the feature ``name``."""

        def register(compute: Callable[[Region], float]) -> Callable[[Region], float]:
            self.features[name] = Feature(name, ibsi, formula, compute)
            if compute.__doc__ is None:
                compute.__doc__ = f"{name}{f' (IBSI {ibsi})' if ibsi else ''}: {formula}."
            return compute

        return register

    def compute(self, region: Region, names: Iterable[str] | None = None) -> dict[str, float]:
        """Return every feature of ``region``, or those of ``names``, sorted by name as pyradiomics lists them."""
        wanted = self.features if names is None else names
        return {name: float(self.features[name].compute(region)) for name in sorted(wanted)}
