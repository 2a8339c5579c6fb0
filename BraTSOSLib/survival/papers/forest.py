"""Survival by a random forest of the most important radiomic features: Anand et al. 2020, section 3.3 (scikit-learn).

References
----------
Anand, Grampurohit, Aurangabadkar et al. 2020, *Brain tumor segmentation and survival prediction using automatic hard
mining in 3D CNN architecture*.
Geurts, Ernst, Wehenkel 2006, *Extremely randomized trees*, Machine Learning 63.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import DependencyError, InputError
from ..scaling import standardisation, standardised
from .censoring import censoring_weights
from .families import FAMILIES, family_of
from .table import CLINICAL_INPUTS, FeatureTable

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor


@dataclass(frozen=True)
class ForestSettings:
    """How features are weighed and survival is regressed.

    Attributes
    ----------
    families : tuple of str
        Radiomic families (`families.FAMILIES`) to choose from; the paper takes all but ``other``.
    best_features : int
        Features kept, the most important ones.
    clinical : bool
        Let age and resection compete too; the paper names radiomic features alone.
    importance_trees : int
        Of the forest of extremely randomised trees that weighs the features; 250, and the square root of the number
        of features at each node, as in scikit-learn's example of a forest of trees that the paper refers to.
    trees : int
        Of the random-forest regressor of days.
    """

    families: tuple[str, ...] = FAMILIES[:-1]
    best_features: int = 32
    clinical: bool = False
    importance_trees: int = 250
    trees: int = 100


@dataclass(frozen=True)
class Trees:
    """A fitted forest as plain arrays, so that it can be stored without pickling and computed with numpy.

    Attributes
    ----------
    roots : ndarray of int, shape (trees,)
        First node of each tree.
    left, right, feature : ndarray of int, shape (nodes,)
        A node's children and the input that it asks for; both children of a leaf are -1.
    threshold, value : ndarray, shape (nodes,)
        Up to the threshold a patient goes left; the days that a leaf predicts.
    """

    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, forest: RandomForestRegressor) -> Trees:
        """Return the arrays of a fitted scikit-learn forest."""
        each = [tree.tree_ for tree in forest.estimators_]
        first = np.concatenate([[0], np.cumsum([tree.node_count for tree in each])])

        def children(name: str) -> np.ndarray:
            parts = [getattr(tree, name) for tree in each]
            moved = [np.where(own >= 0, own + start, -1) for own, start in zip(parts, first, strict=False)]
            return np.concatenate(moved).astype(np.int64)

        return cls(
            roots=first[:-1].astype(np.int64),
            left=children("children_left"),
            right=children("children_right"),
            feature=np.concatenate([np.maximum(tree.feature, 0) for tree in each]).astype(np.int64),
            threshold=np.concatenate([tree.threshold for tree in each]).astype(np.float64),
            value=np.concatenate([tree.value[:, 0, 0] for tree in each]).astype(np.float64),
        )

    def predict(self, inputs: np.ndarray) -> np.ndarray:
        """Return the mean days over the trees, shape (n,), of ``inputs``, shape (n, p)."""
        # scikit-learn compares single precision; another rounding would send patients down other branches.
        data = np.asarray(inputs, dtype=np.float32)
        patients = np.arange(len(data))[:, None]
        nodes = np.repeat(self.roots[None], len(data), axis=0)
        while True:
            inner = self.left[nodes] >= 0
            if not inner.any():
                return self.value[nodes].mean(axis=1)
            goes_left = data[patients, self.feature[nodes]] <= self.threshold[nodes]
            nodes = np.where(inner, np.where(goes_left, self.left[nodes], self.right[nodes]), nodes)


@dataclass(frozen=True)
class FittedForest:
    """One forest and what it needs to read a patient.

    Attributes
    ----------
    names : list of str, length k
        Inputs, the most important first.
    importance : ndarray, shape (k,)
        Their shares of the reduction of variance; those of all candidates add up to 1.
    centre, scale : ndarray, shape (k,)
        Of the training patients.
    """

    names: list[str]
    importance: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    trees: Trees

    def predict(self, table: FeatureTable) -> np.ndarray:
        """Return the days, shape (n,), of the patients of ``table``; a missing value counts as the training mean."""
        return self.trees.predict(standardised(table.inputs(self.names), self.centre, self.scale))


def candidates(table: FeatureTable, settings: ForestSettings) -> list[str]:
    """Return the names of the inputs that the forest may choose from."""
    unknown = set(settings.families) - set(FAMILIES)
    if unknown:
        raise InputError(f"The family {min(unknown)!r} is not known: give some of {', '.join(FAMILIES)}.")
    names = [name for name in table.feature_names if family_of(name) in settings.families]
    if not names:
        raise InputError(f"{table.name} has no feature of the families {', '.join(settings.families)}: add some.")
    return [*CLINICAL_INPUTS, *names] if settings.clinical else names


def fit_forest(table: FeatureTable, train: np.ndarray, settings: ForestSettings, *, seed: int = 0) -> FittedForest:
    """Standardise, weigh and choose features, and regress days, on the patients ``train`` (bool, shape (n,)) alone.

    Deaths alone are regressed, weighted by `censoring_weights` where patients are censored.
    """
    if find_spec("sklearn") is None:
        raise DependencyError("The forest needs scikit-learn: install it with `pip install scikit-learn`.")
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

    names = candidates(table, settings)
    values = table.inputs(names)
    weights = censoring_weights(table.days[train], table.events[train])
    used = np.flatnonzero(train)[weights > 0]
    weights = weights[weights > 0]
    centre, scale = standardisation(values[train])
    data, days = standardised(values[used], centre, scale), table.days[used]
    weigher: Any = ExtraTreesRegressor(settings.importance_trees, max_features="sqrt", random_state=seed, n_jobs=1)
    importance = weigher.fit(data, days, sample_weight=weights).feature_importances_
    best = np.argsort(-importance, kind="stable")[: settings.best_features]
    forest = RandomForestRegressor(settings.trees, random_state=seed, n_jobs=1)
    forest.fit(data[:, best], days, sample_weight=weights)
    return FittedForest([names[i] for i in best], importance[best], centre[best], scale[best], Trees.of(forest))


def forest_over_splits(
    table: FeatureTable,
    train: np.ndarray,
    settings: ForestSettings,
    *,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> np.ndarray:
    """Return the days that a forest fitted on each split predicts for every patient, shape (splits, n)."""
    result = np.empty(train.shape)
    for split, mask in enumerate(train):
        result[split] = fit_forest(table, mask, settings, seed=seed * 100003 + split).predict(table)
        if progress is not None:
            progress("Growing forests", (split + 1) / len(train))
    return result
