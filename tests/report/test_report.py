"""The page and its figures: data halves by value, equal bytes for equal tables, hostile words that stay text."""

import json
import os
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.folders import swept, written
from support.shell import call

import sweep
from sweep.commands import importance
from sweep.experiment.dimensions import Choices
from sweep.experiment.experiment import Experiment
from sweep.networks import floors
from sweep.networks.forward import predict
from sweep.networks.settings import resolve
from sweep.networks.task_settings import named_task
from sweep.report.page import details, figures, methods, page, surfaces
from sweep.report.page.template_files import template
from sweep.results.files import ResultsError
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import by_name, outcomes, outcomes_of
from sweep.statistics.intervals import confidence_sequence, wilson
from sweep.training.cohorts import train_cohorts

HOSTILE_GRID = """
fixed: {epochs: 40}  # </script><img src=x onerror="document.title='owned'">
vary:
  width: [2, 4, 8]
  depth: [0, 1]
  learning_rate: [0.05, 1.0e+30]
  optimizer: [adam, {name: sgd, momentum: 0.9}]
  seed: 6
reliability: {target: 0.2}
"""
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("finished"), HOSTILE_GRID)


def table_of(**columns: Any) -> pd.DataFrame:
    n = len(next(iter(columns.values())))
    given = {"configuration": [f"c{i}" for i in range(n)], "trial": range(n), "verdict": ["unreliable"] * n}
    return pd.DataFrame(given | columns)


def data_of(html: str) -> Any:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


# the data halves ------------------------------------------------------------------------------------------------------


def test_levels_are_in_order_and_many_numbers_are_binned() -> None:
    words = figures.find_levels(table_of(optimizer=["sgd", "adam", "sgd"]).iloc[[1, 0, 2]], "optimizer")
    assert (words.names, words.codes.tolist()) == (("sgd", "adam"), [1, 0, 0])
    some = figures.find_levels(table_of(samples=pd.array([None, 40, 4], "Int64")), "samples")
    assert (some.names, some.codes.tolist()) == (("4", "40", "none"), [2, 1, 0])
    many = figures.find_levels(table_of(rate=np.linspace(0, 1, 80)), "rate")
    assert len(many.names) == figures.n_bins
    assert np.bincount(many.codes).tolist() == [10] * figures.n_bins


def test_the_most_important_hyperparameter_is_ranked_first() -> None:
    table = table_of(a=[0, 0, 1, 1], b=[0, 1, 0, 1], success_rate=[0.0, 0.2, 0.8, 1.0])
    # means 0.1 and 0.9 around 0.5: 4 x 0.16 of a total of 0.68; b has the rest
    ranked = figures.rank_columns(table, ["b", "a"])
    assert [name for name, _ in ranked] == ["a", "b"]
    assert [share for _, share in ranked] == pytest.approx([0.64 / 0.68, 0.04 / 0.68])
    assert figures.map_layout(table.rename(columns={"b": "width"}), ["a", "width"]) == ("width", "a")


def test_a_cell_of_the_map_has_its_interval_or_says_how_many_it_pools() -> None:
    table = table_of(
        width=[2, 4, 4], success_rate=[0.1, 0.5, 0.9], ci_low=[0.0, 0.4, 0.8], ci_high=[0.2, 0.6, 1.0],
        verdict=["unreliable", "unreliable", "reliable"],
    )  # fmt: skip
    first, second = figures.summarise_map(table, ["width"])
    assert (first["x"], first["success_rate"], first["ci_low"], first["verdict"]) == ("2", 0.1, 0.0, "unreliable")
    assert (second["success_rate"], second["ci_low"], second["n_configurations"]) == (0.7, None, 2)
    assert second["verdict"] == "mixed"


def test_final_losses_are_counted_and_what_is_above_the_axis_is_in_the_last_bin() -> None:
    outcome = np.array(["learned", "stuck", "stuck", "stuck", "diverged"])
    bins = figures.summarise_final_losses(outcome, np.array([0.0, 0.346, 0.347, 7.0, np.nan]))
    assert bins == [
        {"outcome": "learned", "low": 0.0, "high": 0.0125, "n_runs": 1},
        {"outcome": "stuck", "low": 0.3375, "high": 0.35, "n_runs": 2},
        {"outcome": "stuck", "low": 0.9875, "high": 1.0, "n_runs": 1},
    ]


def test_floors_are_those_of_groups_of_unlike_target() -> None:
    entropy, square = (resolve({"loss": loss}).head for loss in ("binary_crossentropy", "mean_squared_error"))
    parity = [x for x, _ in floors.loss_floors(named_task("parity", {"bits": 3}), entropy)]
    known = [0.173287, 0.238693, 0.281168, 0.312752, 0.346574, 0.420632, 0.477386, 0.519860, 0.597545, 0.693147]
    assert parity == pytest.approx(known, abs=1e-6)
    squared = [x for x, _ in floors.loss_floors(named_task("xor", {}), square)]
    assert squared == pytest.approx([0.125, 1 / 6, 0.25])
    assert floors.loss_floors(named_task("half_adder", {}), entropy) == []


def test_no_floors_are_drawn_that_a_regularizer_lifts() -> None:
    usual, lifted = (resolve({"kernel_regularizer": name}) for name in ("none", "l2"))
    assert page.known_floors({usual.id: usual}) == floors.loss_floors(usual.task, usual.head) != []
    assert page.known_floors({usual.id: usual, lifted.id: lifted}) == []


def test_a_map_with_room_for_far_more_than_there_are_is_sparse() -> None:
    full = table_of(width=[2, 2, 4, 4], depth=[1, 2, 1, 2], rate=[0.1] * 4)
    assert not figures.is_sparse(full, ["width", "depth"])
    drawn = full.assign(rate=[0.1, 0.2, 0.3, 0.4])
    assert figures.is_sparse(drawn, ["width", "depth", "rate"])


def test_the_methods_paragraph_names_the_interval_by_its_source() -> None:
    for name in ("wilson", "beta-binomial"):
        method = {"wilson": wilson, "beta-binomial": confidence_sequence}[name](1, 2, 0.95).method
        assert method == name and re.search(r"\d{4}\)$", methods.interval_names[method])


def test_marginals_are_those_of_the_importances_the_largest_share_first() -> None:
    table = pd.DataFrame(
        {
            "configuration": [f"c{i}" for i in range(4)],
            "trial": range(4),
            "depth": [1, 2, 1, 2],
            "width": [2, 2, 4, 4],
            "n_parameters": [9, 15, 17, 37],
            "n_runs": 4,
            "success_rate": [0.25, 0.5, 1.0, 1.0],
        }
    )
    learned = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    runs = pd.DataFrame(
        [(f"c{i}", seed, bool(learned[i][seed])) for i in range(4) for seed in range(4)],
        columns=["configuration", "seed", "learned"],
    )
    experiment = Experiment(vary={"depth": Choices((1, 2)), "width": Choices((2, 4))})
    found = importance.find_importances(table, runs, experiment)
    assert found is not None
    records = importance.summarise_marginals(found)
    assert [(r["column"], r["level"], r["success_rate"]) for r in records] == [
        *(("width", "2", 0.375), ("width", "4", 1.0)),
        *(("depth", "1", 0.625), ("depth", "2", 0.75)),
    ]
    # means 0.375 and 1 around 0.6875 against a sum of squares of 0.421875
    (width,) = (e for e in found.effects if e.names == ("width",))
    assert width.found == pytest.approx(4 * 0.3125**2 / 0.421875) and records[0]["share"] == width.share
    narrow = wilson(3, 8, 0.95)
    assert records[0]["ci_low"] < float(narrow.low) and records[0]["ci_high"] > float(narrow.high)
    assert importance.find_importances(table.assign(width=2, depth=1), runs, experiment) is None


def test_pareto_front_and_counts() -> None:
    table = table_of(
        n_parameters=[9, 9, 13, 17], success_rate=[0.5, 0.5, 0.4, 0.8],
        ci_low=[0.3, 0.3, 0.2, 0.6], ci_high=[0.7, 0.7, 0.6, 0.9],
    )  # fmt: skip
    records = figures.summarise_pareto(table)
    assert [(r["n_parameters"], r["n_configurations"], r["is_front"]) for r in records] == [
        (9, 2, True), (13, 1, False), (17, 1, True),
    ]  # fmt: skip


def test_learning_and_predictions_are_counted() -> None:
    table = table_of(epochs=[32, 64])
    place = np.array([0, 0, 1])
    counted = details.count_learned_by_epoch(table, place, pd.Series([1, None, 64], dtype="Int64"))
    assert counted.shape == (2, 33)
    assert (counted[0, 0], counted[0, 1], counted[0, -1]) == (0, 1, 1)
    assert (counted[1, -2], counted[1, -1]) == (0, 1)
    bins = details.count_predictions(place, pd.Series([0.0, np.nan, 1.0], dtype="float32"), 2)
    assert (bins[0, 0], bins[1, -1], bins.sum()) == (1, 1, 2)


# surfaces -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        *({"activation": name, "depth": 2, "width": 3} for name in ("relu", "elu", "selu", "tanh", "gelu", "silu")),
        {"activation": {"name": "leaky_relu", "negative_slope": 0.1}, "layers": [4, 2]},
        {"activation": "softplus", "encoding": "bipolar", "use_bias": False},
        {"activation": "softsign", "kernel_initializer": {"name": "variance_scaling", "scale": 2.0}},
        {"activation": "sigmoid", "optimizer": {"name": "sgd", "nesterov": True, "momentum": 0.9}},
        {"task": "half_adder", "depth": 0},
    ],
    ids=str,
)
def test_a_network_answers_on_the_page_as_it_was_trained(settings: dict[str, Any]) -> None:
    from sweep.training.choice import choose

    configuration = resolve({**settings, "epochs": 20, "learning_rate": 0.05})
    cohort = Cohort(configuration, np.arange(2, dtype=np.uint32))
    ((_, measured, _),) = train_cohorts(choose("native", "cpu", [configuration]), [cohort], 1)
    predictions = predict(configuration, measured.weights[1], configuration.inputs().astype(float))
    np.testing.assert_allclose(predictions, measured.predictions[1, -1], atol=2e-6)


def test_a_surface_has_the_first_input_across_and_the_second_up() -> None:
    configuration = resolve({"depth": 0})
    grid = surfaces.surface(configuration, np.array([10.0, 0.0, -5.0], np.float32))  # the first input, at 0.5
    assert grid is not None
    assert (grid[:, 0] < 0.01).all() and (grid[:, -1] > 0.99).all()
    both = surfaces.surface(resolve({"depth": 0, "encoding": "bipolar"}), np.array([10.0, 0.0, 0.0], np.float32))
    assert both is not None  # encoded, the middle is 0: the same border
    assert (both[:, : surfaces.n_cells // 2] < 0.5).all() and (both[:, surfaces.n_cells // 2 :] > 0.5).all()
    assert surfaces.surface(resolve({"task": "parity", "depth": 0}), np.zeros(4, np.float32)) is None  # no plane
    assert surfaces.surface(resolve({}), np.zeros(3, np.float32)) is None  # weights of another network


# words ----------------------------------------------------------------------------------------------------------------


def test_latex_and_methods(finished: Path) -> None:
    results = sweep.load(finished)
    material = page.read_material(results)
    latex = methods.latex_table(material.table, material.answer, 0.95)
    head, *rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(rows) == min(20, len(material.table))
    assert {line.count("&") for line in (head, *rows)} == {head.count("&")}
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", latex)
    assert columns is not None and len(columns[1]) == head.count("&") + 1
    text = methods.describe_methods(results, material.answer, material.experiment)
    assert f"{len(material.runs):,} networks in all" in text and "Wilson" in text and "6 random seeds" in text


def test_the_methods_say_what_all_configurations_share() -> None:
    """So that whoever reads them can build the networks: what is fixed and what nobody named."""
    table = pd.DataFrame(
        {"trial": 0, "task": "xor", "width": "4-2", "activation": ["relu", "tanh"], "dropout": 0.0, "n_runs": 3}
    )
    answer: Any = SimpleNamespace(columns=("activation",))
    assert methods._shared_words(table, answer) == ", width 4-2, dropout 0"  # pyright: ignore[reportPrivateUsage]


# the page -------------------------------------------------------------------------------------------------------------


def test_the_page_is_the_same_for_the_same_tables(finished: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(finished, tmp_path / HOSTILE.replace("/", "")))
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["timings_seconds"] = {"training": 1e9, "tables": 0.5, "other": 0}
    manifest["files"]["study.journal"] = "0" * 64
    (copy / "manifest.json").write_text(json.dumps(manifest))
    html = page.build(sweep.load(finished))
    assert page.build(sweep.load(copy)) == html
    assert str(finished) not in html and str(tmp_path) not in html
    table = sweep.load(copy).configurations
    table.loc[0, "verdict"] = "unreliable"
    table.to_csv(copy / "configurations.csv", index=False)
    assert page.build(sweep.load(copy)) != html


def test_the_page_asks_for_nothing(finished: Path) -> None:
    html = page.build(sweep.load(finished))
    assert not re.search(r"""(src|href)=["']?(https?:|//|\w+\.(js|css|png))""", html)
    assert "default-src 'none'" in html and "url(http" not in html and "@import" not in html
    assert set(re.findall(r'https?://[^"\s<]+', html)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_hostile_words_stay_text(copy: Path) -> None:
    for name in ("configurations.csv", "runs.csv"):
        text = (copy / name).read_text()
        (copy / name).write_text(text.replace(",xor,", f",{HOSTILE},").replace(",adam,", ",<b>adam&amp;</b>,"))
    html = page.build(sweep.load(copy))
    assert "<img" not in html and "<b>adam" not in html
    data = data_of(html)
    assert data["task"][0] == HOSTILE
    assert "<b>adam&amp;</b>" in next(c["levels"] for c in data["columns"] if c["name"] == "optimizer")
    assert html.count("</script>") == html.count("<script")


def test_the_data_of_the_page_holds_every_run(finished: Path) -> None:
    results = sweep.load(finished)
    data = data_of(page.build(results))
    rows = data["details"]["rows"]
    assert len(rows) == len(results.configurations) == len(data["ids"])
    assert {"L", "V"} <= {letter for row in rows for letter in row["o"]}  # learned and diverged runs are among them
    runs = results.runs.set_index(["configuration", "seed"])["outcome"]
    for identity, row, n_learned in zip(data["ids"], rows, data["n_learned"], strict=True):
        assert row["o"] == "".join(by_name[runs[identity, seed]].letter for seed in range(6))
        assert row["q"][-1] == n_learned
        assert {outcomes[e["o"]] for e in row["e"]} == set(runs[identity])


def test_unequal_numbers_of_seeds_and_seeds_with_gaps(copy: Path) -> None:
    results = sweep.load(copy)
    first, second = results.configurations["configuration"][:2]
    runs = results.runs
    is_gone = (runs["configuration"] == first) & (runs["seed"] == 2) | (runs["configuration"] == second)
    runs[~is_gone].to_csv(copy / "runs.csv", index=False)
    data = data_of(page.build(sweep.load(copy)))
    assert data["details"]["rows"][0]["s"] == [0, 1, 3, 4, 5]
    assert data["details"]["rows"][1]["o"] == ""
    assert data["details"]["rows"][2]["s"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "fixed: {epochs: 5, seed: 1}",
        "vary: {task: [xor, {name: parity, bits: 3}], samples: [null, 8], epochs: [5], seed: 2}",
        "fixed: {task: {inputs: [[0.5, 2], [1, 3]], targets: [[0, 1], [1, 0]]}, epochs: 5}\n"
        "vary: {layers: [[2], [3, 2]]}",
        "vary: {learning_rate: {low: 0.001, high: 0.1, log: true}, epochs: [5], seed: 2}\n"
        "study: {sampler: random, trials: 20}",
    ],
)
def test_small_experiments_have_a_page_too(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    html = page.build(sweep.load(swept(tmp_path, text)))
    data = data_of(html)
    rows = data["details"]["rows"]
    assert len(rows) > 0
    has_plane = ["parity" not in task for task in data["task"]]
    assert [all("z" in e for e in row["e"]) for row in rows] == has_plane


# the commands ---------------------------------------------------------------------------------------------------------


def test_report_writes_the_page_and_the_figures(finished: Path) -> None:
    result = call("report", finished, "--figures")
    assert (result.exit_code, result.stdout) == (0, f"look: {finished / 'report.html'}\n")
    names = {p.stem for p in (finished / "figures").iterdir()}
    assert names == {"map", "curves", "final_losses", "marginals", "pareto"}
    for name in names:
        assert (finished / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        svg = (finished / "figures" / f"{name}.svg").read_text()
        assert svg.startswith("<svg") and "var(--" not in svg and "<image" not in svg


def test_page_and_figures_are_made_anew_with_the_tables(tmp_path: Path) -> None:
    text = "fixed: {{epochs: 20}}\nvary: {{width: [2, 4], seed: {n}}}"
    out = swept(tmp_path, text.format(n=2))
    drawn = [out / "report.html", out / "figures" / "map.svg"]
    assert not any(path.exists() for path in drawn)
    assert call("report", out, "--figures").exit_code == 0
    for path in drawn:
        os.utime(path, (1, 1))  # older than the tables, whatever the clock counts in
    result = call("run", written(tmp_path, text.format(n=5)), "--out", out)
    assert result.exit_code == 0 and f"look: {out / 'report.html'}" in result.stdout
    assert drawn[0].read_text() == page.build(sweep.load(out)) and "each under 5 random seeds" in drawn[0].read_text()
    assert min(path.stat().st_mtime for path in drawn) >= (out / "configurations.csv").stat().st_mtime
    (out / "report.html").unlink()
    sweep.run(written(tmp_path, text.format(n=6)), out)
    assert not (out / "report.html").exists()  # only where one was


def test_pictures_of_one_page_share_no_ids(finished: Path) -> None:
    found = re.findall(r'\bid="([^"]+)"', page.build(sweep.load(finished)))
    assert len(found) == len(set(found))


def test_report_refuses_what_is_no_results_folder(tmp_path: Path) -> None:
    result = call("report", tmp_path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no results folder" in result.stderr


def test_dashboard_says_what_is_missing(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    result = call("dashboard", finished)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install 'xor-sweep[dashboard]'" in result.stderr


def test_dashboard_needs_a_study(copy: Path) -> None:
    from sweep.commands import dashboard

    (copy / "study.journal").unlink()
    with pytest.raises(ResultsError, match="study"):
        dashboard.serve(sweep.load(copy), 8099, lambda address: None)


def test_every_page_has_the_colours_of_the_outcomes() -> None:
    head = template("head.html").render()
    assert all(f".o-{o.name} {{ --o: {o.colour}; }}" in head for o in outcomes_of("network"))
