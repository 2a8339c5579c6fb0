"""`evaluate survival`: every metric against lifelines, scipy or brute force; bad tables; the page."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from BraTSOSLib.cli import main
from BraTSOSLib.errors import InputError
from BraTSOSLib.survival import censored_metrics
from BraTSOSLib.survival.calibration import calibration_error, coverage
from BraTSOSLib.survival.categories import CATEGORIES, class_indices
from BraTSOSLib.survival.censored_metrics import Concordance
from BraTSOSLib.survival.metrics import concordance_index
from BraTSOSLib.survival.table_evaluation import evaluate_table, read_forecasts, read_truth

P_COLUMNS = ["p_short", "p_medium", "p_long"]


def cohort(count: int = 90, seed: int = 0, censoring: bool = True) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and truths of patients whose survival follows the predicted days loosely."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(150, 800, count).round()
    days = np.ceil(predicted * random.lognormal(0, 0.7, count) / 10) * 10
    leaving = random.integers(50, 1500, count).astype(float)
    events = (days <= leaving) if censoring else np.ones(count, dtype=bool)
    chances = random.dirichlet([2, 2, 2], count)
    cases = [f"{number:03d}" for number in range(count)]
    predictions = pd.DataFrame(
        {
            "case": cases,
            "category": np.array(CATEGORIES)[chances.argmax(axis=1)],
            **dict(zip(P_COLUMNS, chances.T, strict=True)),
            "days": predicted,
            "days_low": predicted * 0.5,
            "days_high": predicted * 1.8,
            "risk": -predicted + random.normal(0, 60, count),
        }
    )
    truth = pd.DataFrame(
        {"case": cases, "days": np.minimum(days, leaving) if censoring else days, "event": events.astype(int)}
    )
    return predictions, truth


@pytest.fixture
def tables(tmp_path):
    """The same as files, each in an order of its own."""
    predictions, truth = cohort()
    predictions.to_csv(tmp_path / "predictions.csv", index=False)
    truth.sample(frac=1, random_state=1).to_csv(tmp_path / "truth.csv.gz", index=False)
    return tmp_path / "predictions.csv", tmp_path / "truth.csv.gz"


def values_of(evaluation) -> dict[str, float]:
    return dict(zip(evaluation.metrics["metric"], evaluation.metrics["value"], strict=True))


@pytest.mark.parametrize("censoring", [False, True])
def test_metrics_that_others_compute_too(censoring):
    lifelines = pytest.importorskip("lifelines")
    predictions, truth = cohort(censoring=censoring)
    found = values_of(evaluate_table(predictions, truth, resamples=1))
    days, events = truth["days"].to_numpy(), truth["event"].to_numpy(dtype=bool)
    predicted = predictions["days"].to_numpy()
    assert found["c_index"] == pytest.approx(lifelines.utils.concordance_index(days, predicted, events), abs=1e-12)
    assert found["c_index_risk"] == pytest.approx(
        lifelines.utils.concordance_index(days, -predictions["risk"], events), abs=1e-12
    )
    assert found["spearman"] == pytest.approx(spearmanr(days[events], predicted[events]).statistic, abs=1e-12)
    errors = (days - predicted)[events] ** 2
    assert found["mse"] == pytest.approx(errors.mean())
    assert found["median_se"] == pytest.approx(np.median(errors))
    assert found["sd_se"] == pytest.approx(errors.std(ddof=1))
    known = events | (days > 450)
    true = class_indices(days)[known]
    chances = predictions[P_COLUMNS].to_numpy()
    assert found["accuracy"] == pytest.approx((chances.argmax(axis=1)[known] == true).mean())
    assert found["log_loss"] == pytest.approx(-np.log(chances[known, true]).mean())
    assert ("accuracy_ipcw" in found) == censoring
    whole = coverage(days, predicted * 0.5, predicted * 1.8, events)
    assert found["coverage"] == pytest.approx(whole["value"])
    assert found["calibration_error"] == calibration_error(days, chances, events)


def graf(days, events, outlived, stated, horizon, late):
    """The weighted Brier score, patient by patient, with the censoring curve counted out by hand."""

    def followed(day: float, through: bool) -> float:
        value = 1.0
        for moment in sorted(set(days)):
            if moment < day or (through and moment == day):
                at_risk = sum((d > moment) or (d == moment and not e) for d, e in zip(days, events, strict=True))
                leaving = sum((d == moment) and not e for d, e in zip(days, events, strict=True))
                value *= 1 - leaving / at_risk if at_risk else 1
        return value

    total = 0.0
    for day, died, alive, chance, passed in zip(days, events, outlived, stated, late, strict=True):
        if passed:
            total += (alive - chance) ** 2 / followed(horizon, horizon == 450)
        elif died:
            total += (alive - chance) ** 2 / followed(day, False)
    return total / len(days)


def test_brier_score_by_hand():
    predictions, truth = cohort(40, seed=3)
    days, events = truth["days"].to_numpy(), truth["event"].to_numpy(dtype=bool)
    chances = predictions[P_COLUMNS].to_numpy()
    found = values_of(evaluate_table(predictions, truth, resamples=1))
    expected = {
        300: graf(days, events, days >= 300, 1 - chances[:, 0], 300, days >= 300),
        450: graf(days, events, days > 450, chances[:, 2], 450, days > 450),
    }
    assert found["brier_300"] == pytest.approx(expected[300], abs=1e-12)
    assert found["brier_450"] == pytest.approx(expected[450], abs=1e-12)
    assert found["brier_integrated"] == pytest.approx((expected[300] + expected[450]) / 2)
    assert found["brier_integrated"] == pytest.approx(censored_metrics.integrated_brier_score(days, events, chances))


def test_weighting_undoes_censoring():
    predictions, truth = cohort(4000, seed=5, censoring=False)
    days, chances = truth["days"].to_numpy(), predictions[P_COLUMNS].to_numpy()
    leaving = np.random.default_rng(6).integers(50, 1200, 4000)
    chosen = chances.argmax(axis=1)

    def judged(days, events):
        return [
            censored_metrics.brier_score(days, events, chances, 300),
            censored_metrics.brier_score(days, events, chances, 450),
            censored_metrics.accuracy(days, events, chosen, censoring_weights=True),
            censored_metrics.log_loss(days, events, chances, censoring_weights=True),
        ]

    complete = judged(days, np.ones(4000, dtype=bool))
    assert judged(np.minimum(days, leaving), days <= leaving) == pytest.approx(complete, abs=0.03)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 65, 200])
def test_concordance_on_samples_equals_that_of_their_patients(count):
    random = np.random.default_rng(count)
    for _ in range(5):
        days = random.integers(1, max(3, count // 2), count).astype(float)
        events, scores = random.random(count) < 0.6, random.integers(0, max(2, count // 3), count).astype(float)
        drawn = random.integers(0, count, (4, count))
        counts = np.stack([np.bincount(row, minlength=count) for row in drawn])
        judge = Concordance(days, events, scores)
        for rows, found in [(np.arange(count), judge.index()), *zip(drawn, judge.index(counts), strict=True)]:
            try:
                expected = concordance_index(days[rows], scores[rows], events[rows])
            except InputError:
                expected = np.nan
            assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_other_metrics_on_samples_equal_those_of_their_patients():
    predictions, truth = cohort(50, seed=7)
    days, events = truth["days"].to_numpy(), truth["event"].to_numpy(dtype=bool)
    predicted, chances = predictions["days"].to_numpy(), predictions[P_COLUMNS].to_numpy()
    drawn = np.random.default_rng(8).integers(0, 50, (6, 50))
    counts = np.stack([np.bincount(row, minlength=50) for row in drawn])
    chosen = chances.argmax(axis=1)
    found = {
        "spearman": censored_metrics.spearman(days, events, predicted, counts),
        **censored_metrics.squared_errors(days, events, predicted, counts),
        "brier": censored_metrics.brier_score(days, events, chances, 450, counts),
        "accuracy": censored_metrics.accuracy(days, events, chosen, counts, censoring_weights=True),
        "log_loss": censored_metrics.log_loss(days, events, chances, counts),
    }
    for number, rows in enumerate(drawn):
        d, e, p, c = days[rows], events[rows], predicted[rows], chances[rows]
        expected = {
            "spearman": spearmanr(d[e], p[e]).statistic,
            **censored_metrics.squared_errors(d, e, p),
            "brier": censored_metrics.brier_score(d, e, c, 450),
            "accuracy": censored_metrics.accuracy(d, e, chosen[rows], censoring_weights=True),
            "log_loss": censored_metrics.log_loss(d, e, c),
        }
        for name, value in expected.items():
            assert found[name][number] == pytest.approx(value, rel=1e-9), name
        errors = (d[e] - p[e]) ** 2
        assert found["median_se"][number] == pytest.approx(np.median(errors))
        assert found["sd_se"][number] == pytest.approx(errors.std(ddof=1))


def test_bootstrap_interval_of_the_mean_squared_error():
    predictions, truth = cohort(80, seed=9, censoring=False)
    row = evaluate_table(predictions, truth, resamples=2000).metrics.set_index("metric").loc["mse"]
    errors = ((truth["days"] - predictions["days"]) ** 2).to_numpy()
    means = np.random.default_rng(1).choice(errors, (4000, 80)).mean(axis=1)
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), rel=0.05)
    assert row["low"] < row["value"] < row["high"]


def test_what_is_without_any_input():
    predictions, truth = cohort(censoring=False)
    shares = np.bincount(class_indices(truth["days"].to_numpy()), minlength=3) / len(truth)
    same = predictions.assign(**dict(zip(P_COLUMNS, shares, strict=True)), category=CATEGORIES[shares.argmax()])
    told = evaluate_table(predictions, truth, resamples=1).metrics.set_index("metric")["uninformed"]
    shown = values_of(evaluate_table(same, truth, resamples=1))
    for name in ("accuracy", "log_loss", "brier_300", "brier_450", "brier_integrated"):
        assert told[name] == pytest.approx(shown[name]), name


def test_groups_are_lifelines_own():
    lifelines = pytest.importorskip("lifelines")
    from lifelines.statistics import multivariate_logrank_test

    predictions, truth = cohort()
    groups = evaluate_table(predictions, truth, resamples=1).groups
    test = multivariate_logrank_test(truth["days"], predictions["category"], truth["event"])
    assert groups.p_value == pytest.approx(test.p_value)
    for group in groups.groups:
        rows = (predictions["category"] == group.category).to_numpy()
        curve = lifelines.KaplanMeierFitter().fit(truth["days"][rows], truth["event"][rows])
        assert group.median == (None if np.isinf(curve.median_survival_time_) else curve.median_survival_time_)
        assert (group.patients, group.deaths) == (rows.sum(), truth["event"][rows].sum())
        assert group.at_risk(300.0) == (truth["days"][rows] >= 300).sum()


def test_confusion_counts_only_whose_category_is_known():
    predictions, truth = cohort()
    evaluation = evaluate_table(predictions, truth, resamples=1)
    known = (truth["event"] == 1) | (truth["days"] > 450)
    expected = pd.crosstab(
        pd.Categorical.from_codes(class_indices(truth["days"].to_numpy())[known], CATEGORIES),
        pd.Categorical(predictions["category"][known], CATEGORIES),
        dropna=False,
    )
    assert evaluation.confusion.tolist() == expected.to_numpy().tolist()
    assert evaluation.counts()["category_unknown"] == (~known).sum()
    assert str((~known).sum()) in evaluation.notes[0]


def test_baseline_is_compared_on_the_same_resampled_patients():
    predictions, truth = cohort()
    alike = evaluate_table(predictions, truth, baseline=predictions, resamples=50).metrics
    assert (alike[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    noisy = predictions.assign(days=np.random.default_rng(2).permutation(predictions["days"]))
    rows = evaluate_table(predictions, truth, baseline=noisy, resamples=200).metrics.set_index("metric")
    alone = values_of(evaluate_table(noisy, truth, resamples=1))
    assert rows.loc["c_index", "baseline"] == pytest.approx(alone["c_index"])
    assert rows.loc["c_index", "difference"] == pytest.approx(rows.loc["c_index", "value"] - alone["c_index"])
    assert rows.loc["c_index", "difference_low"] > 0
    assert rows.loc["mse", "difference_high"] < 0
    # A model that gives days alone can be a baseline.
    short = noisy[["case", "days"]].iloc[5:]
    evaluation = evaluate_table(predictions, truth, baseline=short, resamples=20)
    rows = evaluation.metrics.set_index("metric")
    assert np.isnan(rows.loc["log_loss", "difference"])
    assert np.isfinite(rows.loc["mse", "difference"])
    assert evaluation.counts()["cases"] == len(predictions) - 5
    assert "5 more are left out" in " ".join(evaluation.notes)


def test_cases_of_one_side_are_listed_and_rows_without_category_not_judged():
    predictions, truth = cohort(20)
    predictions.loc[3, ["category", *P_COLUMNS, "days", "days_low", "days_high", "risk"]] = None
    truth = pd.concat([truth.iloc[2:], pd.DataFrame({"case": ["new"], "days": [100.0], "event": [1]})])
    evaluation = evaluate_table(predictions, truth, resamples=1)
    assert evaluation.only_prediction == ("000", "001")
    assert evaluation.only_truth == ("new",)
    assert evaluation.withheld == ("003",)
    assert evaluation.counts()["cases"] == 17


def test_names_of_cases_are_text(tables):
    forecasts, truth = read_forecasts(tables[0]), read_truth(tables[1])
    assert forecasts.cases[:2] == ["000", "001"]
    assert set(truth.cases) == set(forecasts.cases)


def test_command(tables, tmp_path, capsys):
    predictions, truth = (str(path) for path in tables)
    out = [str(tmp_path / name) for name in ("metrics.csv", "page.html")]
    options = ["--csv", out[0], "--html", out[1], "--resamples", "50", "--baseline", predictions]
    assert main(["evaluate", "survival", predictions, truth, *options]) == 0
    shown = capsys.readouterr().out
    table = pd.read_csv(out[0])
    assert "C-index, by predicted days" in shown
    assert "150" not in shown.splitlines()[0]
    assert set(table.columns) >= {"metric", "value", "low", "high", "n", "uninformed", "difference"}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    curves = find_spec("lifelines") is not None
    assert page.count("data:image/svg+xml;base64,") == 2 + curves
    assert "For research only" in page
    for source in ("http://", "https://", "<script", 'src="/'):
        assert source not in page
    assert main(["evaluate", "survival", predictions, truth, "--resamples", "20", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["metrics"]["c_index"]["value"] == pytest.approx(float(table.set_index("metric")["value"]["c_index"]))
    assert set(content["calibration"]["categories"]) == set(CATEGORIES)
    assert content["confusion"]["short"].keys() == set(CATEGORIES)


def test_names_are_escaped_on_the_page(tmp_path):
    from BraTSOSLib.survival.table_evaluation.page import write_page

    predictions, truth = cohort(12)
    predictions["case"] = truth["case"] = [f"<b>{name}" for name in truth["case"]]
    write_page(tmp_path / "page.html", evaluate_table(predictions, truth, resamples=2))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>0" not in page
    assert "&lt;b&gt;0" in page


def test_page_of_a_few_patients_with_days_alone(tmp_path):
    from BraTSOSLib.survival.table_evaluation.page import write_page

    predictions, truth = cohort(3, censoring=False)
    evaluation = evaluate_table(predictions[["case", "days"]], truth, resamples=5)
    write_page(tmp_path / "page.html", evaluation)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "3 patients judged" in page
    assert "too narrow" in page
    assert "Calibration error" not in page.split("<section")[0]
    write_page(tmp_path / "again.html", evaluate_table(predictions[["case", "days"]], truth, resamples=5))
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def changed(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p, t: (p.drop(columns="days"), t), ["'days'", "no column"]),
        (lambda p, t: (p.rename(columns={"case": "Fall"}), t), ["'case'", "'Fall'"]),
        (lambda p, t: (p.drop(columns="p_long"), t), ["'p_long'", "together"]),
        (lambda p, t: (p.drop(columns="days_low"), t), ["'days_low'", "together"]),
        (lambda p, t: (changed(p, 4, "p_short", 0.9), t), ["row 5", "'004'", "add up to 1"]),
        (lambda p, t: (p.assign(**{c: p[c] * 100 for c in P_COLUMNS}), t), ["row 1", "per cent?"]),
        (lambda p, t: (changed(p, 2, "p_short", None), t), ["'p_short'", "row 3", "missing"]),
        (lambda p, t: (changed(p, 2, "days", np.inf), t), ["'days'", "row 3", "infinite"]),
        (lambda p, t: (changed(p, 2, "days", "long"), t), ["'days'", "row 3", "'long'", "not a number"]),
        (lambda p, t: (changed(p, 2, "days", -4), t), ["'days'", "row 3", "-4"]),
        (lambda p, t: (changed(p, 2, "days_high", 1.0), t), ["row 3", "ascending"]),
        (lambda p, t: (changed(p, 2, "category", "middling"), t), ["'category'", "row 3", "'middling'"]),
        (lambda p, t: (pd.concat([p, p.iloc[[7]]]), t), ["row 91", "'007'", "row 8"]),
        (lambda p, t: (changed(p, 6, "case", " "), t), ["row 7", "no name"]),
        (lambda p, t: (p.assign(category=None), t), ["no prediction"]),
        (lambda p, t: (p.iloc[:0], t), ["no rows"]),
        (lambda p, t: (p, t.drop(columns="event")), ["'event'", "no column"]),
        (lambda p, t: (p, changed(t, 2, "event", 2)), ["'event'", "row 3", "2"]),
        (lambda p, t: (p, changed(t, 2, "days", None)), ["'days'", "row 3", "missing"]),
        (lambda p, t: (p, t.assign(case=[f"x{c}" for c in t["case"]])), ["no judgeable case in common", "x000"]),
        (lambda p, t: (p, t.assign(event=0)), ["None of the 90", "died"]),
    ],
)
def test_bad_tables(spoil, words, tmp_path, capsys):
    predictions, truth = spoil(*cohort())
    paths = [str(tmp_path / name) for name in ("predictions.csv", "truth.csv")]
    for frame, path in zip((predictions, truth), paths, strict=True):
        frame.to_csv(path, index=False)
    assert main(["evaluate", "survival", *paths, "--html", str(tmp_path / "out" / "page.html")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err, err
    assert not (tmp_path / "out").exists()


def test_a_column_twice_is_refused_in_a_file(tmp_path):
    (tmp_path / "twice.csv").write_text("case,days,days,event\na,1,2,1\n")
    with pytest.raises(InputError, match="'days' more than once"):
        read_truth(tmp_path / "twice.csv")
    (tmp_path / "semicolons.csv").write_text("case;days;event\na;1;1\n")
    with pytest.raises(InputError, match="semicolons"):
        read_truth(tmp_path / "semicolons.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_truth(tmp_path / "none.csv")


def test_outputs_never_overwrite_inputs(tables, capsys):
    predictions, truth = (str(path) for path in tables)
    assert main(["evaluate", "survival", predictions, truth, "--csv", truth]) == 2
    assert "one of the tables" in capsys.readouterr().err


def test_months_are_noticed():
    predictions, truth = cohort()
    assert "months" in " ".join(evaluate_table(predictions, truth.assign(days=truth["days"] / 30.4), resamples=1).notes)


def test_without_lifelines_the_rest_is_still_judged(monkeypatch, tmp_path):
    import sys

    from BraTSOSLib.survival.table_evaluation.page import write_page

    monkeypatch.setitem(sys.modules, "lifelines", None)
    evaluation = evaluate_table(*cohort(30), resamples=2)
    assert evaluation.groups is None
    assert "lifelines" in " ".join(evaluation.notes)
    write_page(tmp_path / "page.html", evaluation)
    assert "Observed survival by predicted category" not in (tmp_path / "page.html").read_text(encoding="utf-8")
