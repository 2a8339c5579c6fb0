"""The text of docs/survival-results.md, from the numbers of papers_survival.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.stats import binomtest

from BraTSOSLib.survival.papers.comparison import CONSTANT, LOGISTIC, RIDGE, STUDENTS, shown
from BraTSOSLib.survival.papers.splits import METRICS, TITLES, difference_interval

PUBLISHED = (
    # source, measured on, patients, accuracy, MSE, median SE, SD of SE, Spearman, as printed
    ("Do et al. 2022, student alone", "BraTS 2020 validation", 29, "0.31", "212,563", "–", "–", "0.043"),
    ("Do et al. 2022, student, distilled", "BraTS 2020 validation", 29, "0.483", "111,201", "–", "–", "0.104"),
    ("Anand et al. 2020", "BraTS 2020 training", None, "0.59", "44,611", "13,705", "109,338", "0.775"),
    ("Anand et al. 2020", "BraTS 2020 validation", 29, "0.448", "110,677", "22,874", "142,424", "0.169"),
    ("Anand et al. 2020", "BraTS 2020 test", 166, "0.452", "4,122,630,758 (sic)", "67,136", "1,142,775", "−0.014"),
)
COMPARED = ("accuracy", "mse", "spearman", "c_index")
MINUS = "−"

Table = dict[str, Any]


def page(results: dict[str, Any]) -> str:
    """Return the whole page; ``results`` as papers_survival.py writes them."""
    tables: dict[str, Table] = results["tables"]
    parts = [_introduction(results), _comparable(), _published(), "## Measured\n"]
    parts += [_measured(name, table) for name, table in tables.items()]
    parts += [_against_baseline(tables), _distillation(tables), _choice(tables), _conclusions(tables)]
    return "\n".join(parts).rstrip() + "\n"


def _introduction(results: dict[str, Any]) -> str:
    seconds = sum(table["seconds"] for table in results["tables"].values())
    return f"""# Published survival methods on the same kind of patients

For research only, not for clinical decisions. Written by one command, {seconds / 60:.0f} minutes of one core:

    python Testing/benchmarks/papers_survival.py TABLES_FOLDER

Two published methods are run as their papers word them (`BraTSOSLib/survival/papers`), beside a plain model of age and
resection, on **{results["splits"]} random 80:20 splits** of each table, by patient and stratified by category.
Features are chosen, values scaled and every model fitted inside a split's training part. The same methods run on any
table: `bratsos train survival --method distilled-mlp|forest --table … --cross-validate`.

- **Do et al. 2022** (`distilled-mlp`): of all features the one with the highest max(C, 1 − C), Harrell's concordance
  index on the training patients, joins age and resection. Teacher: 4 hidden layers of 32; student: 2 of 32; both give
  log-odds of the three categories and log-days; Adam, batch 4, 100 epochs. The student learns in two ways, and both:
  it *starts from the teacher's weights* (the paper's wording; first two hidden layers and the output layer, as the
  paper does not say how a deeper network's weights enter), or it *learns the teacher's softened outputs* (Hinton;
  temperature 2, half of the cross-entropy's weight). *Student alone* has the same network and budget without a teacher.
- **Privileged features**: a teacher that sees age, resection and the 8 best features; its student sees age and
  resection alone, as if nothing else were to be had from a new patient.
- **Anand et al. 2020** (`forest`): all radiomic families (first order, texture matrices, shape), standardised,
  importance from 250 extremely randomised trees, the 32 most important, random-forest regressor of days (100 trees).
  A second one lets age and resection compete.
- **Age + resection**: logistic regression of the category (its days are the categories' mean survival weighted by
  their probabilities) and ridge regression of log-days. *The same for everybody* is the training patients' median and
  commonest category.
"""


def _comparable() -> str:
    return """## What can be compared with the published figures, and what cannot

- **Other patients.** The papers fitted on the 236 patients of BraTS 2020 with known survival and were measured by the
  organisers on 29 (validation) and on test patients, whose survival was never published. Here a fifth of the 236 is
  held out, again and again. The cohort is the same, the patients measured are not.
- **29 patients are few.** The 95 % interval of an accuracy of 0.483 on 29 patients reaches from 0.29 to 0.67 and
  holds every accuracy on this page. A published difference of five patients between two students proves little.
- **Other features.** `brats20_ibsi_wt` has the papers' patients, but 206 features of the whole tumour by the Image
  Biomarker Standardisation Initiative, from one image; the papers used 2,065 and 1,022 pyradiomics features of four
  images and several label combinations. `brats19_regions` has 31 volumes, surfaces, ratios and positions of the
  regions for 210 of these patients. `t1_nec_original_glcm_MaximumProbability`, which Do et al. chose, is in neither.
  `upenn_gbm_captk` has 1,728 features of four images and three regions, of another cohort (127 patients in common).
- **What the papers leave open** (network widths, loss, learning rate, how weights are handed over, which epoch is
  kept, number of trees) is this library's choice. Nothing was tuned on these splits: the settings are the first ones.
- **Accuracy** is that of the category of the predicted days, as the BraTS evaluation counts it; where a model has a
  class output of its own, the accuracy of that stands beside it.
- Fifty splits overlap, so their standard deviation (in brackets) says how one split differs from the next; intervals
  of differences (in square brackets, 95 %) are corrected for the overlap (Nadeau and Bengio 2003).
- Predicted days of the networks are kept within the training patients' range; without that, a teacher of 8 features
  gave one patient in a thousand so many years that no squared error meant anything. The days are an exponential of
  predicted log-days, a median rather than a mean, which costs squared error against models of the mean.
- The tables share patients; each is evaluated within itself, nothing is joined.
"""


def _published() -> str:
    lines = [
        "## Published\n",
        "| source | measured on | n | accuracy [95 % exact] | MSE (days²) | median SE | SD of SE | Spearman |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for source, where, count, accuracy, *rest in PUBLISHED:
        interval = ""
        if count is not None:
            bounds = binomtest(round(float(accuracy) * count), count).proportion_ci()
            interval = f" [{bounds.low:.2f}, {bounds.high:.2f}]"
        lines.append(f"| {source} | {where} | {count or '–'} | {accuracy}{interval} | {' | '.join(rest)} |")
    return "\n".join(lines) + "\n"


def _values(table: Table, model: str, metric: str) -> np.ndarray:
    return np.array(table["metrics"][model][metric], dtype=np.float64)


def _measured(name: str, table: Table) -> str:
    resections = ", ".join(f"{count} {level}" for level, count in sorted(table["resections"].items()))
    lines = [
        f"### {name}\n",
        f"{table['patients']} patients ({resections}), {table['features']} features; {table['train']} to train, "
        f"{table['test']} to test. Mean over the splits, standard deviation in brackets.\n",
        "| model | " + " | ".join(TITLES[metric] for metric in METRICS) + " |",
        "| --- |" + " --- |" * len(METRICS),
    ]
    for model in table["metrics"]:
        cells = [shown(_values(table, model, metric), metric) for metric in METRICS]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    notes = "".join(f"\n{note[0].upper()}{note[1:]}." for note in table["notes"])
    return "\n".join(lines) + "\n" + notes + ("\n" if notes else "")


def _gap(table: Table, model: str, reference: str, metric: str) -> tuple[float, float, float]:
    pairs = _values(table, model, metric) - _values(table, reference, metric)
    return difference_interval(pairs, table["test"] / table["patients"])


def _gap_text(gap: tuple[float, float, float], metric: str) -> str:
    pattern = "{:+,.0f}" if metric == "mse" else "{:+.3f}"
    mean, low, high = (pattern.format(value).replace("-", MINUS) for value in gap)
    sure = gap[1] > 0 or gap[2] < 0
    return f"**{mean}** [{low}, {high}]" if sure else f"{mean} [{low}, {high}]"


def _gap_rows(rows: Iterator[tuple[str, str, Table, str, str]]) -> list[str]:
    lines = [
        "| table | model | " + " | ".join(TITLES[metric] for metric in COMPARED) + " |",
        "| --- |" + " --- |" * (1 + len(COMPARED)),
    ]
    last = ""
    for name, label, table, model, reference in rows:
        cells = [_gap_text(_gap(table, model, reference, metric), metric) for metric in COMPARED]
        lines.append(f"| {name if name != last else ''} | {label} | {' | '.join(cells)} |")
        last = name
    return lines


def _models(table: Table) -> list[str]:
    return [model for model in table["metrics"] if model not in (CONSTANT, LOGISTIC, RIDGE)]


def _against_baseline(tables: dict[str, Table]) -> str:
    rows = ((name, model, table, model, RIDGE) for name, table in tables.items() for model in _models(table))
    lines = [
        "## Against age + resection\n",
        "Each model minus ridge regression of log-days on age and resection, on the same test patients; in bold what "
        "excludes 0. A negative difference in MSE is better, all others better when positive.\n",
        *_gap_rows(rows),
    ]
    return "\n".join(lines) + "\n"


def _learned(table: Table) -> list[tuple[str, str]]:
    """Each student that has a teacher, and the same student alone."""
    pairs = [(STUDENTS[wording], STUDENTS["alone"]) for wording in ("paper", "hinton", "both")]
    return [*pairs, ("its student of age + resection", "student of age + resection alone")]


def _distillation(tables: dict[str, Table]) -> str:
    rows = (
        (name, model if model != "its student of age + resection" else f"{model}, of 8 privileged features", *rest)
        for name, table in tables.items()
        for model, alone in _learned(table)
        for rest in [(table, model, alone)]
    )
    lines = [
        "## What the teacher adds\n",
        "Each student minus the same student alone (same network, initial weights of its own, budget and inputs).\n",
        *_gap_rows(rows),
    ]
    return "\n".join(lines) + "\n"


def _choice(tables: dict[str, Table]) -> str:
    lines = [
        "## How the best feature fares on unseen patients\n",
        "The feature that each split chose, its concordance index where it was chosen and on the test patients (in the "
        "direction that it had there), and that of age alone.\n",
        "| table | features chosen; the most often | C, training | C, test | C of age, test |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, table in tables.items():
        chosen = table["choice"]
        feature, times = chosen["names"][0]
        means = " | ".join(
            f"{np.mean(chosen[part]):.3f} ({np.std(chosen[part]):.3f})" for part in ("train", "test", "age")
        )
        lines.append(f"| {name} | {len(chosen['names'])}; `{feature}`, {times} times | {means} |")
    return "\n".join(lines) + "\n"


def _count(gaps: list[tuple[float, float, float]]) -> str:
    above, below = sum(low > 0 for _, low, _ in gaps), sum(high < 0 for _, _, high in gaps)
    return f"{len(gaps)} comparisons, {above} above and {below} below 0 beyond their interval"


def _conclusions(tables: dict[str, Table]) -> str:
    against = [_gap(table, model, RIDGE, "c_index") for table in tables.values() for model in _models(table)]
    taught = [_gap(table, *pair, "c_index") for table in tables.values() for pair in _learned(table)]
    right = [_gap(table, *pair, "accuracy") for table in tables.values() for pair in _learned(table)]
    first = next(iter(tables.values()))
    learned = first["metrics"][STUDENTS["paper"]]
    lines = [
        "## What this says\n",
        f"- Against age + resection, C-index: {_count(against)}.",
        f"- Taught against alone: C-index, {_count(taught)}; accuracy, {_count(right)}.",
        f"- On the papers' own patients the distilled student reaches an accuracy of "
        f"{np.mean(learned['accuracy']):.3f} and a Spearman of {np.mean(learned['spearman']):.3f}; published, on 29 "
        "others: 0.483 and 0.104. The student alone is not the failure here that it is in the paper (0.31; below the "
        f"{np.mean(first['metrics'][CONSTANT]['class_accuracy']):.2f} of always the commonest category).",
    ]
    return "\n".join([*lines, *_reading()]) + "\n"


def _reading() -> list[str]:
    return []
