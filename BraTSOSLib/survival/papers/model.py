"""Files of models that were fitted by a published method: writing, loading safely, predicting with numpy."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import __version__
from ...atomic import staged_folder
from ...errors import InputError, ModelError
from ..categories import CATEGORIES, DEFINITIONS, class_indices
from ..scaling import softmax, standardised
from .comparison import METHODS, Comparison, Progress
from .distilled import DistilledSettings, days_of, fit_distilled
from .families import count_families
from .forest import ForestSettings, Trees, fit_forest
from .mlp import OUTPUTS, Networks
from .ranking import rank_features
from .table import CLINICAL_INPUTS, FeatureTable, read_patient_features

if TYPE_CHECKING:
    import pandas as pd

TASK = "overall survival, published method"
_NEEDED_KEYS = ("task", "method", "arguments", "sha256", "training_data", "limits")
_TREE_ARRAYS = ("roots", "left", "right", "feature", "threshold", "value")
_SOURCES = {
    "distilled-mlp": "Do et al. 2022, 3D brain tumor survival days prediction using knowledge distillation",
    "forest": "Anand et al. 2020, Brain tumor segmentation and survival prediction using automatic hard mining",
}
_LIMITS = (
    "It reproduces a published method for comparison; on the tables tried it is no better than age and resection alone "
    "(docs/survival-results.md).",
    "Features mean what they mean in the training table: give it those of the same software, regions and scans alone.",
    "Resection is known only after surgery, and comparing its values for a patient does not show the effect of one.",
)


@dataclass(frozen=True)
class PaperModel:
    """A model that was fitted by a published method.

    Attributes
    ----------
    card : dict
    names : list of str
        The inputs: `table.CLINICAL_INPUTS` and columns of the training table.
    tensors : dict of ndarray
        Of the student: ``low``, ``high``, ``centre``, ``scale`` (p,), ``log_days`` (4,), ``weight_i``, ``bias_i``
        (1, fan in, fan out) and (1, 1, fan out); of the forest: ``centre``, ``scale``, ``importance`` and the arrays of
        `forest.Trees`.
    """

    card: dict[str, Any]
    names: list[str]
    tensors: dict[str, np.ndarray]

    def predict(self, table: FeatureTable) -> tuple[np.ndarray | None, np.ndarray]:
        """Return class probabilities, shape (n, 3), ``None`` of a forest, and survival in days, shape (n,).

        A missing value counts as the training mean; a column that is not there raises InputError.
        """
        tensors = self.tensors
        raw = table.inputs(self.names)
        if self.card["method"] == "forest":
            trees = Trees(*(tensors[name] for name in _TREE_ARRAYS))
            return None, trees.predict(standardised(raw, tensors["centre"], tensors["scale"]))
        inputs = standardised(np.clip(raw, tensors["low"], tensors["high"]), tensors["centre"], tensors["scale"])
        layers = sum(name.startswith("weight_") for name in tensors)
        networks = Networks(
            [tensors[f"weight_{layer}"] for layer in range(layers)],
            [tensors[f"bias_{layer}"] for layer in range(layers)],
        )
        outputs = networks.outputs(inputs[None])[0]
        return softmax(outputs[:, :3]), days_of(outputs[:, 3], tensors["log_days"])

    def predict_table(self, source: Any) -> pd.DataFrame:
        """Return case, category, p_short, p_medium, p_long (blank of a forest) and days of every row of a table.

        ``source`` is what `table.read_patient_features` takes; survival need not be in it.
        """
        import pandas as pd

        table = source if isinstance(source, FeatureTable) else read_patient_features(source, survival=False)
        probabilities, days = self.predict(table)
        classes = class_indices(days) if probabilities is None else probabilities.argmax(axis=1)
        shares = np.full((len(days), 3), np.nan) if probabilities is None else probabilities
        columns: dict[str, Any] = {"case": table.ids, "category": [CATEGORIES[index] for index in classes]}
        columns |= {f"p_{name}": shares[:, index] for index, name in enumerate(CATEGORIES)}
        return pd.DataFrame({**columns, "days": days})


def train_method(
    table: FeatureTable,
    output: str | Path,
    method: str,
    settings: DistilledSettings | ForestSettings,
    *,
    seed: int = 0,
    comparison: Comparison | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fit one of ``METHODS`` on every patient of ``table`` and write the model, its card and the ranking of features.

    Parameters
    ----------
    output : path
        A folder, which gets ``survival-<method>.safetensors`` and ``.json``, ``ranking.csv``, with ``comparison``
        ``metrics.json``, and of a forest ``importance.csv``. All appear together and whole, or not at all.
    comparison : Comparison, optional
        What `cross_validate_method` returned for the same table.

    Returns
    -------
    Path
        The weights.
    """
    from safetensors.numpy import save

    if comparison is not None and comparison.table.ids != table.ids:
        raise InputError(f"The comparison was made on other patients than those of {table.name}: evaluate this table.")
    if method == "forest" and isinstance(settings, ForestSettings):
        names, tensors = _forest(table, settings, seed)
    elif method == "distilled-mlp" and isinstance(settings, DistilledSettings):
        names, tensors = _student(table, settings, seed, progress)
    else:
        raise InputError(f"The method is {method!r}: give {' or '.join(map(repr, METHODS))} with its own settings.")
    content = save({name: np.ascontiguousarray(values) for name, values in tensors.items()})
    card = _card(table, method, names, settings, seed, comparison)
    card["sha256"] = hashlib.sha256(content).hexdigest()
    weights = Path(output) / f"survival-{method}.safetensors"
    texts = {"ranking.csv": rank_features(table).to_csv(index=False)}
    if method == "forest":
        texts["importance.csv"] = _importance(names, tensors["importance"])
    if comparison is not None:
        texts["metrics.json"] = _json(comparison.results())
    texts[weights.with_suffix(".json").name] = _json(card)
    with staged_folder(output, [weights.name, *texts]) as staging:
        (staging / weights.name).write_bytes(content)
        for name, text in texts.items():
            (staging / name).write_text(text, encoding="utf-8")
    return weights


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _importance(names: list[str], importance: np.ndarray) -> str:
    import pandas as pd

    ranks = np.arange(1, len(names) + 1)
    return pd.DataFrame({"rank": ranks, "feature": names, "importance": importance}).to_csv(index=False)


def _student(
    table: FeatureTable, settings: DistilledSettings, seed: int, progress: Progress | None
) -> tuple[list[str], dict[str, np.ndarray]]:
    fits = fit_distilled(table, np.ones((1, len(table)), dtype=bool), [settings], seed=seed, progress=progress)
    inputs, networks = fits.inputs, fits.students[0].networks
    shared = inputs.shared
    chosen = inputs.columns[0, : shared - len(CLINICAL_INPUTS)]
    tensors = {name: getattr(inputs, name)[0, :shared] for name in ("low", "high", "centre", "scale")}
    tensors["log_days"] = fits.log_days[0]
    for layer, (weight, bias) in enumerate(zip(networks.weights, networks.biases, strict=True)):
        tensors |= {f"weight_{layer}": weight, f"bias_{layer}": bias}
    return [*CLINICAL_INPUTS, *(table.feature_names[column] for column in chosen)], tensors


def _forest(table: FeatureTable, settings: ForestSettings, seed: int) -> tuple[list[str], dict[str, np.ndarray]]:
    fitted = fit_forest(table, np.ones(len(table), dtype=bool), settings, seed=seed)
    arrays = {name: getattr(fitted.trees, name) for name in _TREE_ARRAYS}
    return fitted.names, {name: getattr(fitted, name) for name in ("centre", "scale", "importance")} | arrays


def _card(
    table: FeatureTable,
    method: str,
    names: list[str],
    settings: DistilledSettings | ForestSettings,
    seed: int,
    comparison: Comparison | None,
) -> dict[str, Any]:
    versions = {"bratsos": __version__, "python": ".".join(map(str, sys.version_info[:3])), "numpy": np.__version__}
    metrics = [] if comparison is None else comparison.results()
    return {
        "name": f"survival-{method}",
        "version": __version__,
        "task": TASK,
        "method": method,
        "source": _SOURCES[method],
        "arguments": {"inputs": names, "training": asdict(settings)},
        "outputs": {"categories": DEFINITIONS, "days": "survival from surgery"},
        "training_data": [
            {
                "name": table.name,
                "terms": "not stated",
                "citation": "not stated",
                "cases": len(table),
                "deaths": int(table.events.sum()),
                "notes": list(table.notes),
                "features": count_families(table.feature_names),
            }
        ],
        "intended_use": "Research only, not for clinical decisions: a published method on a table of features.",
        "limits": list(_LIMITS),
        "metrics": [{key: value for key, value in each.items() if key != "splits"} for each in metrics],
        "seed": seed,
        "command": f"BraTSOSLib.survival.papers.train_method({table.name!r}, output, {method!r}, seed={seed})",
        "versions": versions,
    }


def load_paper_model(model: str | Path) -> PaperModel:
    """Return a model that `train_method` wrote.

    Parameters
    ----------
    model : path
        The ``.safetensors`` file with its card (``.json``) beside it, or the card.

    Raises
    ------
    ModelError
        If a file is missing, damaged or not the one that the card describes. Nothing is ever unpickled.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    weights = Path(model).with_suffix(".safetensors")
    try:
        content, text = weights.read_bytes(), weights.with_suffix(".json").read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(
            f"The survival model {weights} or its card cannot be read ({error.strerror}): give a .safetensors file "
            "with its card beside it."
        ) from error
    card = _checked_card(text, weights.with_suffix(".json").name)
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ModelError(f"The survival model {weights.name} is not the one its card describes: restore both files.")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"The survival model {weights.name} is not a safetensors file: restore it.") from error
    names = list(card["arguments"]["inputs"])
    if not _fits(card["method"], len(names), tensors):
        raise ModelError(f"The arrays in {weights.name} do not have the shapes that its card asks for: restore both.")
    return PaperModel(card, names, tensors)


def _checked_card(text: str, name: str) -> dict[str, Any]:
    try:
        card = json.loads(text)
    except ValueError as error:
        raise ModelError(f"The model card {name} is damaged (not valid JSON): restore it.") from error
    lacking = [key for key in _NEEDED_KEYS if not isinstance(card, dict) or key not in card]
    if lacking or card["task"] != TASK or card["method"] not in METHODS or "inputs" not in card["arguments"]:
        raise ModelError(f"The model card {name} is not that of a published survival method: give another model.")
    return card


def _fits(method: str, inputs: int, tensors: dict[str, np.ndarray]) -> bool:
    """Return whether the arrays are complete, finite and of shapes that belong together."""
    if not all(np.isfinite(values).all() for values in tensors.values()):
        return False
    shapes = {name: values.shape for name, values in tensors.items()}
    if method == "forest":
        if set(shapes) != {"centre", "scale", "importance", *_TREE_ARRAYS}:
            return False
        nodes = shapes["left"][0]
        links = np.concatenate([tensors["left"], tensors["right"]])
        # A child comes after its parent, so that a walk down a damaged file ends too.
        forward = bool(((links == -1) | (links > np.tile(np.arange(nodes), 2))).all()) and int(links.max()) < nodes
        return (
            all(shapes[name] == (inputs,) for name in ("centre", "scale", "importance"))
            and all(shapes[name] == (nodes,) for name in _TREE_ARRAYS[1:])
            and forward
            and bool(((tensors["left"] == -1) == (tensors["right"] == -1)).all())
            and int(tensors["feature"].min()) >= 0 and int(tensors["feature"].max()) < inputs
            and int(tensors["roots"].min()) >= 0 and int(tensors["roots"].max()) < nodes
        )  # fmt: skip
    layers = sum(name.startswith("weight_") for name in shapes)
    plain: dict[str, tuple[int, ...]] = {
        "low": (inputs,),
        "high": (inputs,),
        "centre": (inputs,),
        "scale": (inputs,),
        "log_days": (4,),
    }
    width = inputs
    for layer in range(layers):
        out = OUTPUTS if layer == layers - 1 else int(shapes[f"weight_{layer}"][-1])
        plain |= {f"weight_{layer}": (1, width, out), f"bias_{layer}": (1, 1, out)}
        width = out
    return layers > 0 and shapes == plain
