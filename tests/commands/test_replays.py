"""One run again: equal to its row or not, the evidence for its outcome, the figure, the saved network."""

import csv
import importlib
import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import swept
from support.shell import call

import sweep
from sweep.commands import replay as replays
from sweep.commands.replay import evidence, marked_floors
from sweep.networks.floors import merged_floor
from sweep.networks.forward import predict
from sweep.networks.settings import resolve, settings_of
from sweep.report.page.surfaces import surface
from sweep.report.terminal.replay import describe_replay, sparkline, summarise_replay
from sweep.results.files import ResultsError
from sweep.training.keras.libraries import without_start_up_noise
from sweep.training.keras.saving import compiled_network, save_network

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's, in saving

EXPERIMENT = """
fixed: {epochs: 300, learning_rate: 0.02, dropout: 0.0, kernel_initializer: glorot_uniform}
cases:
  - {width: 2, depth: 3}
  - {width: 4, activation: leaky_relu, batch_size: 1, kernel_initializer: he_normal}
  - {width: 3, optimizer: {name: sgd, momentum: 0.9}, learning_rate: 1.0e+25}
  - {width: 2, dropout: 0.3, batch_size: 2, epochs: 40}
  - {task: half_adder, layers: [3, 2], encoding: bipolar}
  - {depth: 0, samples: 9}
vary: {seed: {first: 3, count: 20}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("replay"), EXPERIMENT)


def rows_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((folder / "runs.csv").read_text())))


def run_with(folder: Path, **wanted: str) -> str:
    """The first run whose row has these cells."""
    return next(r["run"] for r in rows_of(folder) if all(r[k] == v for k, v in wanted.items()))


def one_of_each(folder: Path) -> list[str]:
    chosen = {(r["configuration"], r["outcome"]): r["run"] for r in rows_of(folder)}
    return list(chosen.values())


def test_a_run_of_every_configuration_and_outcome_comes_out_again(folder: Path) -> None:
    results = sweep.load(folder)
    runs = one_of_each(folder)
    by_run = {r["run"]: r for r in rows_of(folder)}
    assert {by_run[run]["outcome"] for run in runs} >= {"learned", "dead", "stuck", "diverged", "unconverged"}
    for run in runs:
        again = sweep.replay(results, run)
        assert again.is_same and again.differences == ()
        assert (again.engine, again.trainer) == ("native on cpu", "native on cpu")
        row = by_run[run]
        assert (again.example.run, again.example.outcome) == (run, row["outcome"])
        if row["final_loss"]:
            assert np.float32(row["final_loss"]) == again.example.losses[-1]
        assert describe_replay(again)[1] == "trained again by native on cpu: every value equals the row's"


@pytest.mark.parametrize("column", ["final_loss", "margin", "p_01", "outcome", "dead_units", "epochs_to_learn"])
def test_a_changed_cell_is_found_and_named(folder: Path, tmp_path: Path, column: str) -> None:
    copy = tmp_path / "out"
    copy.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    rows = rows_of(folder)
    row = next(r for r in rows if r["outcome"] == "learned" and r["width"] == "4")
    before = row[column]
    changed = {"outcome": "stuck", "dead_units": "3", "epochs_to_learn": "7"}.get(column, "0.25")
    row[column] = changed
    text = io.StringIO()
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (copy / "runs.csv").write_text(text.getvalue())
    again = sweep.replay(sweep.load(copy), row["run"])
    assert [(d.column, d.in_row, d.now) for d in again.differences] == [(column, changed, before)]
    assert not again.is_same
    assert again.has_same_outcome == (column != "outcome")
    result = call("replay", copy, row["run"])
    assert result.exit_code == 1
    assert "trained again by native on cpu: 1 value DIFFERS from the row" in result.stdout
    assert f"  {column}: row {changed}, now {before}" in result.stdout.splitlines()


def test_what_the_terminal_shows_is_the_training(folder: Path) -> None:
    run = run_with(folder, outcome="stuck", merged_rows="00+01+11", width="2")
    result = call("replay", folder, run)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{run}: xor: 2-2-2 relu, adam 0.02, batch 4, 300 epochs, seed {run.partition('-')[2]}"
    assert re.fullmatch(
        r"stuck: at rest, no descent was found; the loss changed by [\d.e-]+ of itself over the last tenth; "
        r"rows 00\+01\+11 get one output, whose floor is 0\.477386 \(loss 0\.477\d+\)",
        lines[2],
    )
    again = sweep.replay(sweep.load(folder), run)
    e = again.example
    last = next(x for x in lines if x.startswith("  300") or x.startswith("300"))
    assert last.split()[2:] == [f"{p:.3f}" for p in e.predictions[-1, :, 0]]
    assert next(x for x in lines if x.startswith("loss  ")).split("  ")[1] == sparkline(e.losses)
    # which units are off on which rows, from the weights by hand
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    for layer, (kernel, bias) in enumerate(layers_of(e.weights, (2, 2, 2, 2, 1))[:-1], 1):
        x = x @ kernel + bias
        marks = ["".join("#" if s > 0 else "." for s in row) for row in x]
        (line,) = (y for y in lines if y.startswith(f"  layer {layer}: "))
        assert line.startswith(f"  layer {layer}: 00 {marks[0]}  01 {marks[1]}  10 {marks[2]}  11 {marks[3]}  ")
        assert f"  {sum((x[:, u] <= 0).all() for u in range(2))} of 2 off everywhere" in line
        x = np.maximum(x, 0)
    picture = [y for y in lines if "│" in y]
    assert len(picture) == 13
    assert "".join(c for y in picture for c in y.partition("│")[2] if c in "01") == "1001"


def layers_of(weights: Any, units: tuple[int, ...]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    start = 0
    for n, m in zip(units, units[1:], strict=False):
        kernel = weights[start : start + n * m].reshape(n, m).astype(float)
        start += n * m
        found.append((kernel, weights[start : start + m].astype(float)))
        start += m
    return found


def test_of_a_large_table_the_rows_that_came_out_worst_are_shown(tmp_path: Path) -> None:
    text = "fixed: {task: {name: parity, bits: 4}, width: 3, epochs: 300, learning_rate: 0.05}\nvary: {seed: 4}\n"
    results = sweep.load(swept(tmp_path, text, confirm=0))
    again = sweep.replay(results, str(results.runs["run"][1]))
    p, y = again.example.predictions[-1][:, 0], again.configuration.targets()[:, 0]
    wrong = np.flatnonzero((p > 0.5) != y)
    assert 0 < len(wrong) <= 8
    lines = describe_replay(again)
    (head,) = [line for line in lines if line.split()[:2] == ["epoch", "loss"]]
    shown = [int(x.partition("=")[0], 2) for x in head.split()[2:]]
    assert len(shown) == 8 and shown == sorted(shown) and set(wrong) <= set(shown)
    assert f"(the 8 worst of 16 rows; {len(wrong)} not on their side)" in lines
    others = sorted(set(range(16)) - set(shown))
    assert np.abs(p - y)[others].max() <= np.abs(p - y)[shown].min()
    (units,) = [line for line in lines if line.startswith("  layer 1: ")]
    assert re.findall(r"(\d{4}) [.#]{3}", units) == [f"{i:04b}" for i in shown]


def test_the_shades_of_the_surface_are_the_networks_answers(folder: Path) -> None:
    again = sweep.replay(sweep.load(folder), run_with(folder, outcome="learned", width="4"))
    picture = [y.partition("│")[2][:-1] for y in describe_replay(again) if "│" in y]
    x, y = np.linspace(-0.25, 1.25, 31), np.linspace(1.25, -0.25, 13)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    answers = predict(again.configuration, again.example.weights, points).reshape(13, 31)
    for line, row in zip(picture, answers, strict=True):
        for mark, p in zip(line, row, strict=True):
            assert mark in "01" or mark == " ░▒▓█"[min(4, int(p * 5))]


def test_each_outcome_has_its_evidence(folder: Path) -> None:
    results = sweep.load(folder)
    dead = sweep.replay(results, run_with(folder, outcome="dead", width="2", depth="3"))
    assert re.search(r"all 2 units of hidden layer \d are off on every row, .*; no gradient passes it", words(dead))
    learned = sweep.replay(results, run_with(folder, outcome="learned", width="4"))
    assert f"from epoch {learned.runs['epochs_to_learn'][0]:,} on (margin" in words(learned)
    diverged = sweep.replay(results, run_with(folder, outcome="diverged"))
    first = evidence(diverged).first_infinite
    assert first is not None and f"not finite from epoch {first:,} on" in words(diverged)
    kept = diverged.example.epochs
    before = kept < first
    assert np.isfinite(diverged.example.losses[before]).all()
    assert (
        not np.isfinite(diverged.example.losses[kept == first]).any()
        or not np.isfinite(diverged.example.predictions[kept == first]).all()
    )
    runs = results.runs
    unconverged = runs.loc[runs["outcome"] == "unconverged", "run"].tolist()
    hasty, flat = (
        next(
            x for x in (sweep.replay(results, run) for run in unconverged) if (evidence(x).change > 0.01) == is_falling
        )
        for is_falling in (True, False)
    )
    assert f"{evidence(flat).change:.1%} over the last tenth; but a descent was found, which lowers it" in words(flat)
    assert f"still falling: it changed by {evidence(hasty).change:.1%}" in words(hasty)
    late = hasty.example.losses[hasty.example.epochs >= 0.9 * hasty.configuration.epochs]
    assert evidence(hasty).change == pytest.approx(float((late.max() - late.min()) / late[-1]))


def words(again: replays.Replay) -> str:
    return "\n".join(describe_replay(again))


def test_floors_are_those_of_merged_rows() -> None:
    xor = resolve({})
    assert merged_floor(xor, "00+11+01") == pytest.approx(0.477386, abs=1e-6)
    assert merged_floor(xor, "00+01 10+11") == pytest.approx(np.log(2), abs=1e-6)
    assert merged_floor(resolve({"loss": "mean_squared_error"}), "00+01") == pytest.approx(0.125)
    half = resolve({"task": "half_adder"})
    assert merged_floor(half, "0:00+01") == pytest.approx(np.log(2) / 4, abs=1e-6)
    assert np.isnan(merged_floor(xor, "")) and np.isnan(merged_floor(resolve({"samples": 9}), "00+11"))


def test_the_floors_marked_in_the_figure(folder: Path) -> None:
    again = sweep.replay(sweep.load(folder), run_with(folder, outcome="stuck", merged_rows="00+01+11", width="2"))
    marked = marked_floors(again)
    assert list(marked) == ["all rows merged", "rows merged here", "2 of 4 rows merged"]
    assert list(marked.values()) == pytest.approx([np.log(2), 0.477386, np.log(2) / 2], abs=1e-6)
    settings = {**settings_of(again.configuration), "kernel_regularizer": "l2"}
    assert marked_floors(replace(again, configuration=resolve(settings))) == {}


# the figure


def test_the_figure_holds_the_training(folder: Path) -> None:
    again = sweep.replay(sweep.load(folder), run_with(folder, outcome="stuck", merged_rows="00+01+11", width="2"))
    picture = summarise_replay(again)
    e = again.example
    assert [r["epoch"] for r in picture.losses] == e.epochs.tolist()
    assert [r["loss"] for r in picture.losses] == e.losses.tolist()
    assert len(picture.predictions) == 4 * len(e.epochs)
    (surface,) = picture.surfaces
    assert len(surface.cells) == 61 * 61
    for cell in surface.cells[::500]:
        middle = np.array([[(cell["x"] + cell["x2"]) / 2, (cell["y"] + cell["y2"]) / 2]])
        assert cell["prediction"] == pytest.approx(
            float(predict(again.configuration, e.weights, middle)[0, 0]), abs=1e-4
        )
    for end in ("", "2"):
        border = np.array([[s[f"x{end}"], s[f"y{end}"]] for s in surface.border])
        assert predict(again.configuration, e.weights, border) == pytest.approx(0.5, abs=0.02)
    kernel, bias = layers_of(e.weights, (2, 2, 2, 2, 1))[0]
    for line in (s for s in surface.lines if s["layer"] == "of layer 1"):
        assert np.abs(np.array([line["x"], line["y"]]) @ kernel + bias).min() < 1e-6
    on = {(u["layer"], u["unit"], u["row"]) for u in picture.units if u["state"] == "on"}
    for layer, off in enumerate(again.units_off, 1):
        for (row, unit), is_off in np.ndenumerate(off):
            assert ((f"layer {layer}", unit + 1, ("00", "01", "10", "11")[row]) in on) != is_off


def test_figures_are_files_of_their_kind_and_the_same_again(folder: Path, tmp_path: Path) -> None:
    run = run_with(folder, outcome="stuck", width="2", depth="3")
    for name in ("a.png", "a.svg", "b.svg"):
        result = call("replay", folder, run, "--figure", tmp_path / name)
        assert (result.exit_code, result.stderr) == (0, f"drew {tmp_path / name}\n")
    png, svg = (tmp_path / "a.png").read_bytes(), (tmp_path / "a.svg").read_bytes()
    assert svg == (tmp_path / "b.svg").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[-8:-4] == b"IEND"
    assert int.from_bytes(png[16:20], "big") > 1000 and int.from_bytes(png[20:24], "big") > 600
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = "".join(root.itertext())
    assert "00 wants 0" in text and "units of layer 3" in text and run in text


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ({"outcome": "diverged"}, "not finite from epoch"),
        ({"task": "half_adder"}, "prediction of output 1"),
        ({"depth": "0"}, "prediction of each row"),
    ],
)
def test_other_kinds_of_runs_can_be_drawn(wanted: dict[str, str], shown: str, folder: Path, tmp_path: Path) -> None:
    assert call("replay", folder, run_with(folder, **wanted), "--figure", tmp_path / "a.svg").exit_code == 0
    assert shown in "".join(ElementTree.parse(tmp_path / "a.svg").getroot().itertext())


# the saved network


def test_a_saved_network_answers_as_the_row_says_and_is_the_configuration(folder: Path, tmp_path: Path) -> None:
    with without_start_up_noise():
        keras = importlib.import_module("keras")
    row = next(r for r in rows_of(folder) if r["outcome"] == "learned" and r["width"] == "4")
    result = call("replay", folder, row["run"], "--save", tmp_path / "mine.keras")
    assert result.exit_code == 0
    assert "its predictions equal the run's to rounding (largest difference " in result.stdout
    model = keras.models.load_model(tmp_path / "mine.keras", safe_mode=True)
    table = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    wanted = [float(row[f"p_{name}"]) for name in ("00", "01", "10", "11")]
    assert model.predict(table, verbose=0)[:, 0].tolist() == pytest.approx(wanted, abs=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.keras"]
    c = sweep.replay(sweep.load(folder), row["run"]).configuration
    assert resolve({**sweep.from_keras(model), "batch_size": 1, "epochs": 300}) == c


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": [3, 2], "dropout": 0.2, "use_bias": False, "activation": "tanh", "loss": "mean_squared_error"},
        {"activation": {"name": "leaky_relu", "negative_slope": 0.05}, "optimizer": {"name": "sgd", "momentum": 0.9}},
        {"kernel_initializer": {"name": "variance_scaling", "scale": 2.0, "mode": "fan_avg"}, "optimizer": "adamw"},
        {"depth": 0, "bias_initializer": {"name": "constant", "value": 0.25}, "task": "full_adder"},
    ],
)
def test_a_saved_network_is_imported_as_the_same_configuration(settings: dict[str, Any], tmp_path: Path) -> None:
    c = resolve(settings)
    weights = np.random.default_rng(0).normal(size=c.n_parameters).astype(np.float32)
    predictions = save_network(c, weights, tmp_path / "m.keras")
    assert predictions == pytest.approx(predict(c, weights, c.inputs().astype(float)), abs=1e-5)
    found = sweep.from_keras(compiled_network(c))
    assert resolve({**found, "task": settings.get("task", "xor")}) == c


@pytest.mark.parametrize(
    "settings",
    [
        {"output": "softmax"},
        {"output": "tanh", "loss": {"name": "huber", "delta": 0.5}, "targets": "bipolar"},
        {"output": {"activation": {"name": "elu", "alpha": 0.5}, "use_bias": False}, "loss": "hinge"},
        {"layers": [{"units": 3, "activation": "tanh", "dropout": 0.1}, {"units": 2, "use_bias": False}]},
        {"activation": {"name": "gelu", "approximate": True}, "output": "relu6", "loss": "squared_hinge"},
        {
            "output": "softmax",
            "loss": {"name": "categorical_crossentropy", "label_smoothing": 0.1},
            "kernel_regularizer": "l2",
            "learning_rate": {"name": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 100},
        },
        {"layers": [4, {"units": 2, "activation": {"name": "gelu", "approximate": True}}], "output": "linear"},
    ],
    ids=str,
)
def test_a_saved_network_of_another_kind_answers_alike(settings: dict[str, Any], tmp_path: Path) -> None:
    c = resolve(settings)
    weights = np.random.default_rng(0).normal(size=c.n_parameters).astype(np.float32)
    predictions = save_network(c, weights, tmp_path / "m.keras")
    assert predictions == pytest.approx(predict(c, weights, c.inputs().astype(float)), abs=1e-5)
    model = compiled_network(c)
    for variable, part in zip(
        model.trainable_variables, np.split(weights, np.cumsum([v.size for v in c.variables])[:-1]), strict=True
    ):
        variable.assign(part.reshape(variable.shape))
    assert resolve({**sweep.from_keras(model), "targets": c.coding}) == c
    loss, accuracy = model.evaluate(c.inputs(), c.targets(), verbose=0)
    if c.is_regularized:
        return
    n_entries = c.task.n_rows * c.head.averaged(c.n_outputs)
    losses = c.head.entry_losses(predictions.astype(float), c.targets().astype(float))
    assert loss == pytest.approx(losses.sum() / n_entries, rel=1e-5)
    if c.coding != "bipolar":  # Keras's own binary accuracy knows targets 0 and 1 only
        assert accuracy == pytest.approx(float(c.head.accuracy(predictions, c.targets())))


def test_a_network_that_diverged_is_not_called_equal(folder: Path, tmp_path: Path) -> None:
    result = call("replay", folder, run_with(folder, outcome="diverged"), "--save", tmp_path / "m.keras")
    assert result.exit_code == 1
    assert "its predictions DIFFER from the run's" in result.stdout


# engines, mistakes, imports


def test_keras_trains_it_again_and_no_equal_bits_are_claimed(folder: Path) -> None:
    run = run_with(folder, outcome="dead", width="2", depth="3")
    again = sweep.replay(sweep.load(folder), run, engine="keras")
    assert (again.engine, again.is_same, again.has_same_outcome) == ("keras on cpu", False, True)
    line = describe_replay(again)[1]
    assert line == (
        "trained again by keras on cpu, the row by native on cpu: the same outcome; "
        "equal bits are not to be expected (--engine native)"
    )
    assert call("replay", folder, run, "--engine", "keras").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["width=4"], "width=4: no run; allowed: <configuration>-<seed>"),
        (["width=4-99"], "width=4-99: c"),
        (["width=7-3"], "width=7: no width 7; allowed: "),
        (["c-3"], "c: 6 configurations fit; allowed: an id"),
        (["width=4-3", "--figure", "a.jpg"], "a.jpg: found the ending .jpg; allowed: .png, .svg"),
        (["width=4-3", "--save", "a.h5"], "a.h5: found the ending .h5; allowed: .keras"),
        (["width=4-3", "--engine", "quick"], "engine: found quick; allowed: auto, native"),
    ],
)
def test_mistakes_are_one_message(folder: Path, arguments: list[str], message: str) -> None:
    result = call("replay", folder, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_a_seed_that_was_not_run_is_answered_with_those_that_were(folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"has no run with seed 99; allowed: 3 4 5 6 7 8 9 10 \.\.\. 22"):
        sweep.replay(sweep.load(folder), "width=4-99")


def test_a_native_run_is_replayed_and_drawn_without_tensorflow(folder: Path, tmp_path: Path) -> None:
    arguments = ["replay", str(folder), "width=4-3", "--figure", str(tmp_path / "a.svg")]
    code = (
        f"import json, sys\nfrom sweep.cli import app\napp({arguments!r}, standalone_mode=False)\n"
        "print(json.dumps(sorted({'tensorflow', 'keras', 'jax'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


# other outputs


@pytest.mark.parametrize(
    ("settings", "ends", "border", "head"),
    [
        ({"output": "tanh", "loss": "mean_squared_error", "targets": "bipolar"}, -1, 0.0, "00=-1"),
        ({"output": "softmax"}, 0, 0.5, "00=0"),
        ({"output": "relu", "loss": "mean_squared_error"}, 0, 0.5, "00=0"),
    ],
)
def test_pictures_and_words_have_the_targets_of_the_head(
    settings: dict[str, Any], ends: int, border: float, head: str, tmp_path: Path
) -> None:
    text = json.dumps({"fixed": {"epochs": 60, "learning_rate": 0.05, **settings, "seed": 4}})
    folder = swept(tmp_path, text)
    (row, *_) = rows_of(folder)
    again = sweep.replay(sweep.load(folder), row["run"])
    picture = summarise_replay(again)
    assert picture.ends[0] == ends and picture.ends[1] >= 1 and picture.border == border
    c = again.configuration
    assert [s.low for s in picture.surfaces] == [ends] * c.n_outputs
    for output, shown in enumerate(picture.surfaces):
        assert [r["target"] for r in shown.rows] == c.targets()[:, output].tolist()
        assert all(ends <= cell["prediction"] <= 1 for cell in shown.cells)
    assert any(head in line for line in describe_replay(again))


def test_the_pages_surface_of_two_classes_is_that_of_the_upper_target(tmp_path: Path) -> None:
    text = json.dumps({"fixed": {"epochs": 200, "learning_rate": 0.05, "output": "softmax", "seed": 4}})
    results = sweep.load(swept(tmp_path, text))
    learned = [e for e in results.folder.read_examples() if e.outcome == "learned"]
    c = results.configuration(learned[0].configuration)
    answers = surface(c, learned[0].weights)
    assert answers is not None
    at = {0: 24 // 6, 1: 24 - 24 // 6 - 1}  # the cells nearest to the rows of the table: it has a quarter around it
    for (x, y), (target,) in zip(c.task.inputs, c.task.targets, strict=True):
        assert (answers[at[int(y)], at[int(x)]] > 0.5) == (target == 1)
