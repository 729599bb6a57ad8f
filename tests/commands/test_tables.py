"""Tables that people have, from the file to the answer: thousands of rows, classes in words, rows held out."""

from pathlib import Path

import numpy as np
from support.folders import written
from support.many import predictions
from support.shell import call
from support.untyped import sweep

from sweep.networks.settings import resolve
from sweep.statistics.intervals import wilson

FLOWERS = """
fixed:
  task: {file: flowers.csv, classes: species, scale: standard, test: 0.25}
  output: softmax
  width: 3
  learning_rate: 0.02
  batch_size: 20
  epochs: 12
vary: {activation: [relu, tanh], seed: %d}
reliability: {success: test_accuracy >= 0.9}
"""


def flowers(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=n)
    points = rng.normal(size=(n, 4)) + 2.5 * np.eye(3, 4)[kinds]
    rows = zip(points.round(2).tolist(), kinds.tolist(), strict=True)
    return [f"{','.join(map(str, x))},{('lily', 'rose', 'aster')[k]}" for x, k in rows]


def table(folder: Path, lines: list[str]) -> None:
    (folder / "flowers.csv").write_text("a,b,c,d,species\n" + "\n".join(lines) + "\n")


def test_a_table_of_classes_is_swept_shown_replayed_and_verified(tmp_path: Path) -> None:
    table(tmp_path, flowers(120))
    out = tmp_path / "out"
    results = sweep.run(written(tmp_path, FLOWERS % 8, "mine.yaml"), out)
    runs = results.runs
    assert list(runs.columns).index("test_loss") == list(runs.columns).index("accuracy") + 1
    assert (runs["learned"] == (runs["test_accuracy"] >= 0.9)).all() and 0 < runs["learned"].sum() < len(runs)
    assert np.isfinite(runs["test_loss"]).all()
    c = results.configuration(runs["configuration"][0])
    assert (c.task.n_rows, c.task.n_test_rows, c.task.class_names) == (90, 30, ("aster", "lily", "rose"))
    assert set(runs["epochs_to_learn"].dropna()) <= set(c.evaluations.tolist())
    shown = call("show", str(out)).stdout
    assert "answers, by the class of each of the rows held out:" in shown
    assert "rows most often wrong, of how many seeds:" in shown
    replayed = call("replay", str(out), str(runs["run"][0]))
    assert replayed.exit_code == 0 and "every value equals the row's" in replayed.stdout
    assert "of 30 rows held out: loss " in replayed.stdout
    assert call("verify", str(out)).exit_code == 0
    (tmp_path / "flowers.csv").unlink()  # the folder has its own
    assert sweep.load(out).configuration(c.id) == c


def test_a_folder_that_grows_counts_each_run_once(tmp_path: Path) -> None:
    table(tmp_path, flowers(120))
    grown, whole = tmp_path / "grown", tmp_path / "whole"
    for n in (3, 8):
        sweep.run(written(tmp_path, FLOWERS % n, "mine.yaml"), grown)
    sweep.run(written(tmp_path, FLOWERS % 8, "mine.yaml"), whole)
    for name in ("runs.csv", "configurations.csv", "examples.npz"):
        assert (grown / name).read_bytes() == (whole / name).read_bytes()
    assert sum(e.tally.n for e in sweep.load(whole).examples if e.tally) == 16


def test_two_mistakes_in_ten_thousand_rows_are_two_messages_and_then_it_runs(tmp_path: Path) -> None:
    lines = flowers(10_000)
    spoilt = list(lines)
    spoilt[41], spoilt[7_000] = "1,2,x,4,rose", "1,2,3,4,"
    table(tmp_path, spoilt)
    path = written(tmp_path, (FLOWERS % 2).replace("epochs: 12", "epochs: 1"), "mine.yaml")
    refused = call("run", str(path), "--out", str(tmp_path / "out"))
    assert refused.exit_code == 2
    assert "flowers.csv:43: column 'c': found 'x'" in refused.stderr
    assert "flowers.csv:7002: column 'species': found nothing" in refused.stderr
    table(tmp_path, lines)
    runs = sweep.run(path, tmp_path / "out").runs
    assert len(runs) == 4 and (runs["accuracy"] > 0.5).all()


def test_rates_on_rows_held_out_are_those_of_another_training() -> None:
    """The share of seeds that reach a held-out accuracy, by the engine and by NumPy in float64."""
    settings = {
        "task": {"name": "spirals", "rows": 400, "turns": 0.75, "noise": 0.05, "test": 0.5},
        "width": 6,
        "activation": "tanh",
        "learning_rate": 0.03,
        "batch_size": 20,
        "epochs": 30,
    }
    c, n, threshold = resolve(settings), 256, 0.9
    ours = (sweep.train(settings, seeds=n)["test_accuracy"] >= threshold).sum()
    inputs, targets = c.test_inputs().astype(np.float64), c.test_targets() > 0.5
    theirs = ((predictions(c, n, seed=1, inputs=inputs) > 0.5) == targets).mean(axis=(1, 2)) >= threshold
    one, other = (wilson(int(k), n, 0.999) for k in (ours, theirs.sum()))
    assert one.low <= other.high and other.low <= one.high
    assert 0.1 < ours / n < 0.9
