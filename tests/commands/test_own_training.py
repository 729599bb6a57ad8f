"""Any Keras model at all: `sweep.train(build=..., data=...)` against plain Keras, its folder, its messages."""

import hashlib
import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.shell import call

import sweep
from sweep import api
from sweep.commands import train_model
from sweep.commands.model_table import judge
from sweep.results.files import ResultsError
from sweep.results.lock import locked
from sweep.runs.errors import SettingError
from sweep.runs.outcomes import failures
from sweep.statistics.intervals import wilson
from sweep.training.keras import marking, own_model
from sweep.training.keras.libraries import without_start_up_noise
from sweep.training.keras.own_model import Fit, Job, Probe

with without_start_up_noise():
    keras = importlib.import_module("keras")
K: Any = keras.layers
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = np.array([[0], [1], [1], [0]], np.float32)
OR = np.array([[0], [1], [1], [1]], np.float32)


def compiled(*layers: Any, loss: Any = "binary_crossentropy", rate: float = 0.05) -> Any:
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(keras.optimizers.Adam(rate), loss, run_eagerly=True)  # nothing to be compiled: quick
    return model


def build(seed: int) -> Any:
    return compiled(K.Dense(3, "relu"), K.Dropout(0.2), K.Dense(1, "sigmoid"))


def build_linear(seed: int) -> Any:
    """Has learned OR before it is trained."""
    right = {"kernel_initializer": keras.initializers.Constant(4), "bias_initializer": keras.initializers.Constant(-2)}
    return compiled(K.Dense(1, "sigmoid", **right))


def trained(function: Any = build, y: Any = XOR, **options: Any) -> Any:
    given: dict[str, Any] = {"seeds": 2, "epochs": 2, "batch_size": 2, "quiet": True}
    return sweep.train(build=function, data=(X, y), **(given | options))


def test_a_run_is_what_plain_keras_does_with_its_seed() -> None:
    table = trained(seeds=[7, 3])
    assert table["seed"].tolist() == [3, 7]
    for seed, loss, accuracy in zip(table["seed"], table["final_loss"], table["accuracy"], strict=True):
        keras.utils.set_random_seed(seed)
        model = build(seed)
        model.fit(X, XOR, epochs=2, batch_size=2, verbose=0)
        assert loss == pytest.approx(model.evaluate(X, XOR, verbose=0), rel=1e-6)
        assert accuracy == ((model.predict(X, verbose=0) > 0.5) == XOR).mean()
    assert table["run"].tolist() == ["build-3", "build-7"]
    assert table["n_parameters"].tolist() == [13, 13]
    assert list(table) == [
        *("run", "epochs", "batch_size", "seed", "engine", "n_parameters", "final_loss", "accuracy", "learned"),
        *("margin", "epochs_to_learn", "outcome", "merged_rows", "dead_units_initial", "dead_units", "dead_layer"),
        *("p_00", "p_01", "p_10", "p_11"),
    ]


def test_learned_is_a_training_accuracy_of_one_or_what_the_caller_says() -> None:
    table = trained(build_linear, OR, epochs=1, seeds=2)
    assert table["learned"].tolist() == [True, True]
    assert table["outcome"].tolist() == ["learned", "learned"]
    seen: list[float] = []

    def below(model: Any, x: Any, y: Any) -> bool:
        assert x is X and y is OR
        seen.append(float(model.evaluate(x, y, verbose=0)))
        return seen[-1] < 1e-9

    strict = trained(build_linear, OR, epochs=1, seeds=2, learned=below)
    assert strict["learned"].tolist() == [False, False]
    assert strict["accuracy"].tolist() == [1.0, 1.0]
    # asked before training and after each epoch; the first seed also while the time is taken
    assert [seen[-3], seen[-1]] == pytest.approx(table["final_loss"].tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("last", "loss", "y"),
    [
        (lambda: K.Dense(2, "softmax"), "sparse_categorical_crossentropy", OR.ravel().astype(int)),
        (lambda: K.Dense(2, "softmax"), "categorical_crossentropy", np.concatenate([1 - OR, OR], axis=1)),
        (lambda: K.Dense(1), "logits", OR.ravel()),
        (lambda: K.Dense(1, "sigmoid"), "mean_squared_error", OR),
    ],
)
def test_accuracy_is_that_of_the_loss(last: Any, loss: str, y: Any) -> None:
    def made(seed: int) -> Any:
        given = keras.losses.BinaryCrossentropy(from_logits=True) if loss == "logits" else loss
        return compiled(last(), loss=given, rate=1.0)

    job = Job(made, (X, y), 1, 4, None)
    model = made(0)
    if model.count_params() == 3:  # one output
        model.set_weights([np.array([[0.5], [0.5]]), np.array([-0.25])])  # right logits between 0 and 0.5
        assert own_model.read_answers(own_model.Watch(model, job))[0] == 1.0
    else:
        model.set_weights([np.zeros((2, 2)), np.array([0.0, 9.0])])  # always 1
        assert own_model.read_answers(own_model.Watch(model, job))[0] == 0.75


def still(*layers: Any, loss: Any = "binary_crossentropy") -> Any:
    """A function whose model never changes: the kernels and biases of its layers are the numbers given."""

    def made(seed: int) -> Any:
        model = keras.Sequential([keras.Input((2,)), *(layer for layer, _ in map(as_layer, layers))])
        model.set_weights([np.array(w, np.float32) for _, pair in map(as_layer, layers) for w in pair])
        model.compile(keras.optimizers.SGD(0.0), loss, run_eagerly=True)
        return model

    def as_layer(given: tuple[str, Any, Any]) -> tuple[Any, tuple[Any, Any]]:
        activation, kernel, bias = given
        return K.Dense(len(bias), activation), (kernel, bias)

    return made


def test_columns_are_those_of_runs_csv() -> None:
    # the first unit answers 0 1 1 2, the second is off on every row; logits -0.5 0.5 0.5 1.5
    half_off = ("relu", [[1, -1], [1, -1]], [0, 0])
    row = trained(still(half_off, ("sigmoid", [[1], [1]], [-0.5])), OR, seeds=1).iloc[0]
    p = 1 / (1 + np.exp([0.5, -0.5, -0.5, -1.5]))
    assert row[["p_00", "p_01", "p_10", "p_11"]].tolist() == pytest.approx(p.tolist())
    assert row["margin"] == pytest.approx(2 * p[1] - 1)
    found = row[["outcome", "epochs_to_learn", "merged_rows", "dead_units_initial", "dead_units"]].tolist()
    assert found == ["learned", 0, "", 1, 1] and pd.isna(row["dead_layer"])
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    same = trained(still(half_off, ("linear", [[1], [1]], [-0.5]), loss=logits), OR.ravel(), seeds=1).iloc[0]
    assert same[["p_00", "margin", "accuracy"]].tolist() == pytest.approx(row[["p_00", "margin", "accuracy"]].tolist())


def test_a_layer_that_is_off_as_a_whole_is_dead_and_rows_are_merged() -> None:
    off = ("relu", [[-1, -1], [-1, -1]], [0, 0])
    row = trained(still(("tanh", [[1], [1]], [0]), ("relu", [[-1]], [0]), ("sigmoid", [[1]], [0])), seeds=1).iloc[0]
    assert row[["outcome", "dead_units", "dead_layer", "merged_rows"]].tolist() == ["dead", 1, 1, ""]
    assert pd.isna(row["epochs_to_learn"])
    row = trained(still(("relu", [[1], [1]], [0]), off[:1] + ([[-1]], [0]), ("sigmoid", [[1]], [0])), seeds=1).iloc[0]
    assert row["dead_layer"] == 2
    row = trained(still(("sigmoid", [[0], [0]], [0])), X[:, :1] * 0 + XOR, seeds=1).iloc[0]
    assert row[["outcome", "merged_rows", "dead_units"]].tolist() == ["stuck", "00+01+10+11", 0]
    assert row["final_loss"] == pytest.approx(np.log(2))


def test_epochs_to_learn_is_the_first_from_which_the_criterion_holds_to_the_end() -> None:
    asked: list[int] = []

    def learned(model: Any, x: Any, y: Any) -> bool:
        asked.append(len(asked))
        return asked[-1] in (2, 5, 7, 8)  # 0 and 1 are asked while the time is taken, 2 before training

    table = trained(seeds=1, epochs=6, learned=learned)
    assert asked == list(range(9))
    assert table["epochs_to_learn"].tolist() == [5]


def test_columns_that_a_model_does_not_have_are_left_out() -> None:
    table = trained(lambda seed: compiled(K.Dense(2, "softmax"), loss="sparse_categorical_crossentropy"), OR, seeds=1)
    left_out = {"margin", "merged_rows", "p_00"}
    assert not left_out & set(table) and {"accuracy", "epochs_to_learn", "dead_layer"} <= set(table)

    def parted(seed: int) -> Any:
        start = keras.Input((2,))
        first = K.Dense(2, "relu", kernel_initializer=keras.initializers.Constant(-1))(start)
        end = K.Dense(1, "sigmoid")(K.Concatenate()([start, first]))
        model = keras.Model(start, end)
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    table = trained(parted, seeds=1)
    assert table["dead_units_initial"].tolist() == [2]
    assert "dead_layer" not in table  # the inputs go round it
    assert table["outcome"].tolist() != ["dead"]


def test_units_of_a_convolution_are_its_channels_and_frozen_weights_are_no_parameters() -> None:
    def made(seed: int) -> Any:
        kernel = keras.initializers.Constant(np.array([[[1.0, -1.0]]]))
        convolution = K.Conv1D(2, 1, activation="relu", kernel_initializer=kernel, trainable=False)
        return compiled(K.Reshape((2, 1)), convolution, K.Flatten(), K.Dense(1, "sigmoid"))

    row = trained(made, seeds=1).iloc[0]
    assert row[["dead_units_initial", "dead_units", "n_parameters"]].tolist() == [1, 1, 5]


def test_rows_are_looked_at_in_pieces_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(first, len(part)) for first, part in marking.pieces(np.zeros(7), 3)] == [(0, 3), (3, 3), (4, 3)]
    on_for_the_first_row = ("relu", [[-1], [-1]], [0.5])
    made = still(
        on_for_the_first_row,
        (
            "sigmoid",
            [
                [-9],
            ],
            [1],
        ),
    )
    whole = trained(made, OR, seeds=1)
    assert whole[["dead_units", "learned"]].iloc[0].tolist() == [0, True]
    monkeypatch.setattr(marking, "looked_at_once", 3)
    monkeypatch.setattr(own_model, "answered_at_once", 3)
    pd.testing.assert_frame_equal(trained(made, OR, seeds=1), whole)


def test_lists_and_frames_are_data() -> None:
    whole = trained(build_linear, seeds=1)
    lists = sweep.train(
        build=build_linear, data=(X.tolist(), XOR.tolist()), seeds=1, epochs=2, batch_size=2, quiet=True
    )
    frames = (pd.DataFrame(X), pd.Series(XOR.ravel()))
    framed = sweep.train(build=build_linear, data=frames, seeds=1, epochs=2, batch_size=2, quiet=True)
    pd.testing.assert_frame_equal(lists, whole)
    pd.testing.assert_frame_equal(framed, whole)


def course(losses: Any, *, learned: bool = False, is_finite: bool = True) -> Fit:
    return Fit(0, 9, list(losses), 0.5, is_finite, learned)


def test_outcomes_follow_the_rules_of_the_loss() -> None:
    job = Job(build, (X, XOR), 1000, 4, None)
    t = np.array(job.snapshots) / 1000
    at_rest = 0.3466 + 0.35 * np.exp(-30 * t)
    found = judge(
        job,
        [
            course(at_rest),
            course(0.7 - 0.3 * t),
            course(0.5 + 0.1 * np.cos(40 * np.pi * t)),
            course(at_rest, learned=True),
            course(np.where(t < 0.5, 0.7, np.nan), is_finite=False),
        ],
    )
    assert found == ["stuck", "unconverged", "unsettled", "learned", "diverged"]


def test_a_model_that_diverges_is_a_row() -> None:
    def hot(seed: int) -> Any:
        model = keras.Sequential([keras.Input((2,)), K.Dense(3), K.Dense(1)])
        model.compile(keras.optimizers.SGD(1e30), "mean_squared_error", run_eagerly=True)
        return model

    table = trained(hot, seeds=1, epochs=4)
    assert table["outcome"].tolist() == ["diverged"] and not table["learned"].any()
    assert math.isnan(table["final_loss"][0])


def test_models_of_several_inputs_and_of_ones_own_class() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = K.Dense(1, "sigmoid")

        def call(self, inputs: Any) -> Any:
            return self.last(keras.ops.concatenate([inputs["a"], inputs["b"]], axis=-1))

    def made(seed: int) -> Any:
        model = Own()
        model.compile("adam", "binary_crossentropy", run_eagerly=True)
        return model

    parts = {"a": X[:, :1], "b": X[:, 1:]}
    table = sweep.train(build=made, data=(parts, OR), seeds=1, epochs=2, quiet=True)
    assert table["n_parameters"].tolist() == [3]


# what is said


def test_time_progress_and_answer_are_said(seen: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    trained(seeds=5, epochs=30, quiet=False)
    assert capsys.readouterr().err.splitlines() == [
        "5 seeds x 30 epochs; 9 parameters; this process; about 1 s",
        "learned by 1 of 5 seeds: 20.0% (3-63%), 95% interval (Wilson)",
        "the others: unconverged 80.0% (4)",
    ]
    trained(quiet=True)
    assert capsys.readouterr().err == ""


def test_runs_that_are_all_alike_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    def fixed(seed: int) -> Any:
        keras.utils.set_random_seed(1)
        return build_linear(seed)

    words = "every seed gave the same run"
    trained(fixed, seeds=2, quiet=False)
    assert words in capsys.readouterr().err
    trained(build, seeds=2, quiet=False)
    assert words not in capsys.readouterr().err


def test_a_probe_knows_how_long_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 11.0, 20.0, 20.25])  # 2 s for the first epoch, 1 s for two, 0.25 s for the loss
    monkeypatch.setattr(own_model.time, "perf_counter", lambda: next(clock))
    job = Job(build, (X, XOR), 30, 4, None)
    tried = own_model.probe(job, 0)
    assert tried.seconds == 2 + 30 * 0.5 + len(job.snapshots) * 0.25


def not_compiled(seed: int) -> Any:
    return keras.Sequential([keras.Input((2,)), K.Dense(1)])


def wide(seed: int) -> Any:
    return compiled(K.Dense(3, "sigmoid"))


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no function": ({"build": "model"}, "build: found str; allowed: a function of a seed"),
    "no model": ({"build": int}, "build: returned int; allowed: a compiled Keras model"),
    "not compiled": ({"build": not_compiled}, "build: returned a model that is not compiled"),
    "no pair": ({"data": X}, r"data: found ndarray; allowed: \(x, y\)"),
    "shapes": ({"build": wide}, "data: the model cannot be trained on it: .*; allowed: x and y that fit the model"),
    "rows": ({"data": (X, XOR[:3])}, "data: the model cannot be trained on it: .*"),
    "columns": ({"data": (X[:, :1], XOR)}, r"data: the model cannot be trained on it: [^\x1b]*$"),
    "not finite": ({"data": (X + np.inf, XOR)}, "data: x has numbers that are not finite; allowed: "),
    "no rows": ({"data": (X[:0], XOR[:0])}, "data: x has no rows; allowed: "),
    "words": ({"data": (X.astype(str), XOR)}, "data: x of type <U32; allowed: arrays of numbers"),
    "unequal rows": ({"data": ([[0], [0, 1]], [0, 1])}, "data: no arrays: .*; allowed: "),
    "signs": ({"data": (X, 2 * XOR - 1)}, "data: targets from -1 to 1, which the model's loss cannot take; allowed: "),
    "classes": (
        {"build": lambda seed: compiled(K.Dense(2), loss="sparse_categorical_crossentropy"), "data": (X, 2 * OR)},
        "data: targets from 0 to 2, which .*; allowed: class numbers, .*, from 0 to 1",
    ),
    "epochs": ({"epochs": 0}, "epochs: found 0; allowed: a whole number from 1 up"),
    "batch": ({"batch_size": 2.5}, "batch_size: found 2.5; allowed: a whole number from 1 up"),
    "criterion": ({"learned": 0.9}, "learned: found float; allowed: a function of model, x and y"),
    "no accuracy": ({"data": (X, XOR * 0.3)}, "learned: none, and the model's loss and targets have no accuracy"),
    "seeds": ({"seeds": 0}, "seeds: 0 seeds from 0"),
    "a seed": ({"seeds": [3, -1]}, "seeds.*: found -1; allowed: a seed"),
    "workers": ({"workers": 0}, "workers: found 0; allowed: a whole number from 1 up"),
    "elsewhere": (
        {"build": lambda seed: build(seed), "workers": 2},
        "workers: found 2, but <lambda> is no function at the head of a module, so another process cannot import it",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_message(name: str) -> None:
    options, message = MISTAKES[name]
    given: dict[str, Any] = {"build": build, "data": (X, XOR), "seeds": 2, "epochs": 2, "batch_size": 2, "quiet": True}
    with pytest.raises(SettingError, match=message):
        sweep.train(**(given | options))


def test_settings_or_a_function() -> None:
    with pytest.raises(TypeError, match="needs settings, or build=function"):
        sweep.train(seeds=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="build"):
        sweep.train({"width": 2}, build=build)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="engine"):
        sweep.train(build=build, data=(X, XOR), engine="native")  # pyright: ignore[reportCallIssue]


def test_what_a_function_raises_names_its_seed() -> None:
    def picky(seed: int) -> Any:
        if seed == 1:
            raise KeyError("no such layer")
        return build(seed)

    with pytest.raises(KeyError) as caught:
        trained(picky)
    assert caught.value.__notes__ == ["in the run of seed 1"]


def test_a_function_at_a_prompt_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(build, "__module__", "__main__")
    with pytest.raises(SettingError, match="build is defined in a notebook or at a prompt"):
        trained(workers=2)


# the folder


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nothing is trained: the seeds that would have been, in order."""
    trained_seeds: list[int] = []

    def quick(job: Job, seed: int) -> Fit:
        trained_seeds.append(seed)
        losses = np.linspace(0.7, 1 / (seed + 3), len(job.snapshots)).tolist()
        return Fit(seed, 9, losses, 0.25 * seed, True, seed == 4)

    monkeypatch.setattr(train_model, "fit", quick)
    monkeypatch.setattr(api, "probe", lambda job, seed: Probe(job.build.__name__, 9, 0.1))
    return trained_seeds


def test_a_folder_is_gone_on_with(tmp_path: Path, seen: list[int]) -> None:
    out = tmp_path / "mine"
    whole = trained(seeds=3)
    trained(seeds=2, out=out)
    lines = (out / "runs.jsonl").read_text().splitlines()
    (out / "runs.jsonl").write_text(lines[0] + "\n" + lines[1][:40])  # stopped while the second was being written
    seen.clear()
    again = trained(seeds=3, out=out)
    assert seen == [1, 2]
    pd.testing.assert_frame_equal(again, whole)
    read = pd.read_csv(out / "runs.csv").astype(whole.dtypes.to_dict())
    pd.testing.assert_frame_equal(read, whole)
    assert [json.loads(line)["seed"] for line in (out / "runs.jsonl").read_text().splitlines()] == [0, 1, 2]
    pd.testing.assert_frame_equal(trained(seeds=[2], out=out), whole[2:].reset_index(drop=True))
    assert seen == [1, 2]
    assert pd.read_csv(out / "runs.csv")["seed"].tolist() == [0, 1, 2]  # whatever was asked for last
    names = ["configurations.csv", "manifest.json", "report.html", "runs.csv", "runs.jsonl", "training.json"]
    assert sorted(p.name for p in out.iterdir()) == names


def test_an_interruption_says_what_is_kept(
    tmp_path: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = train_model.fit

    def interrupted(job: Job, seed: int) -> Fit:
        if seed == 2:
            raise KeyboardInterrupt
        return quick(job, seed)

    monkeypatch.setattr(train_model, "fit", interrupted)
    for out, kept in ((tmp_path / "mine", "kept in "), (None, "nothing is kept, without out=FOLDER")):
        with pytest.raises(KeyboardInterrupt):
            trained(seeds=4, out=out)
        assert f"interrupted after 2 of 4 seeds: {kept}" in capsys.readouterr().err
    monkeypatch.setattr(train_model, "fit", quick)
    seen.clear()
    trained(seeds=4, out=tmp_path / "mine")
    assert seen == [2, 3]


def test_a_folder_of_something_else_is_refused(tmp_path: Path, seen: list[int]) -> None:
    out = tmp_path / "mine"
    trained(seeds=1, out=out)
    for options, name in (
        ({"epochs": 4}, "epochs"),
        ({"batch_size": 4}, "batch_size"),
        ({"y": OR}, "data"),
        ({"function": build_linear}, "build, model"),
        ({"learned": lambda model, x, y: True}, "learned"),
    ):
        with pytest.raises(ResultsError, match=f"holds another training: {name} differ"):
            trained(seeds=1, out=out, **options)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ResultsError, match="file: is a file; allowed: a folder"):
        trained(out=tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ResultsError, match=r"has files already, and none is training\.json"):
        trained(out=tmp_path / "other")
    (out / "runs.jsonl").write_text('{"seed": 0}\n')
    with pytest.raises(ResultsError, match=r"runs\.jsonl: cannot be read"):
        trained(seeds=1, out=out)


@pytest.mark.parametrize("command", ["verify", "audit", "rescue", "replay", "compare", "dashboard"])
def test_commands_say_why_they_cannot_use_the_folder(command: str, tmp_path: Path, seen: list[int]) -> None:
    trained(seeds=1, out=tmp_path / "mine")
    others = {"rescue": ["c1"], "replay": ["c1-0"], "compare": ["a", "b"]}
    done = call(command, str(tmp_path / "mine"), *others.get(command, []))
    assert done.exit_code == 2
    assert "runs of a network that a function of one's own builds" in done.output
    assert len(done.output.splitlines()) == 1


def test_the_folder_has_an_answer_a_table_and_a_page(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    table = trained(seeds=[4, 1, 2, 0], out=out)
    loaded = sweep.load(out)
    expected = table.sort_values("seed").reset_index(drop=True)
    pd.testing.assert_frame_equal(loaded.runs, expected, check_dtype=False)
    n_learned = int(table["learned"].sum())
    row = loaded.configurations.iloc[0]
    rate = wilson(n_learned, 4, 0.95)
    assert (row["n_runs"], row["n_learned"], row["n_parameters"]) == (4, n_learned, 13)
    assert (row["ci_low"], row["ci_high"]) == (round(float(rate.low), 6), round(float(rate.high), 6))
    assert sum(row[f"n_{name}"] for name in failures) == 4 - n_learned
    pd.testing.assert_frame_equal(pd.read_csv(out / "configurations.csv"), loaded.configurations, check_dtype=False)
    for name, digest in loaded.manifest.files.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    assert loaded.manifest.versions["keras"] == keras.__version__
    page = (out / "report.html").read_text()
    assert f"{n_learned} of 4 seeds learned" in page and "0.3466 (2 merged)" in page
    (out / "report.html").unlink()
    done = call("report", out, "--figures")
    assert done.exit_code == 0, done.output
    assert (out / "report.html").read_text() == page
    assert {path.name for path in (out / "figures").iterdir()} >= {"learned.svg", "curves.png", "final_losses.svg"}
    done = call("show", out)
    assert done.exit_code == 0, done.output
    assert f"learned by {n_learned} of 4 seeds" in done.output
    for refused in (lambda: sweep.rescue(loaded, "build"), lambda: sweep.replay(loaded, "build-1")):
        with pytest.raises(ResultsError, match="runs of a network that a function of one's own builds"):
            refused()
    done = call("show", out, "--json")
    assert json.loads(done.output)[0]["n_learned"] == n_learned


def test_a_page_of_a_network_that_learns_or_has_a_loss_of_its_own(tmp_path: Path) -> None:
    """The share learned reaches 1; a loss that is not in nats has axes of its own and no floors."""

    def build(seed: int) -> Any:
        return compiled(K.Dense(1), loss="mean_squared_error")

    trained(build, 30 * XOR, seeds=3, learned=lambda model, x, y: True, out=tmp_path / "mine")
    page = (tmp_path / "mine" / "report.html").read_text()
    assert "3 of 3 seeds learned (100%" in page and "Half of all seeds had learned after 0 epochs" in page
    assert "merged)" not in page
    assert ">500<" in page  # an axis up to some hundreds


def test_an_unfinished_training_says_so(tmp_path: Path, seen: list[int]) -> None:
    out = tmp_path / "mine"
    trained(seeds=2, out=out)
    line = (out / "runs.jsonl").read_text().splitlines()[0]
    with (out / "runs.jsonl").open("a") as file:
        file.write(json.dumps({**json.loads(line), "seed": 2}) + "\n")
    for command in ("show", "report"):
        done = call(command, out)
        assert done.exit_code == 2
        assert done.output.strip() == f"{out}: an unfinished training, 3 runs so far; the same sweep.train goes on"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("training.json", "[]"),
        ("training.json", '{"build": 3}'),
        ("runs.jsonl", "nonsense\n"),
        ("runs.jsonl", '{"seed": 0, "n_parameters": 9, "losses": [1], "accuracy": 1, "is_finite": 1, "learned": 1}\n'),
        ("runs.jsonl", ""),
        ("runs.csv", "run\n"),
        ("runs.csv", None),
        ("manifest.json", "{"),
        ("manifest.json", '{"floors": 3}'),
        ("manifest.json", '{"floors": [[1, 2, 3]]}'),
        ("manifest.json", '{"versions": 3}'),
        ("manifest.json", '{"files": [1]}'),
    ],
)
def test_a_damaged_folder_is_one_message(name: str, content: str | None, tmp_path: Path, seen: list[int]) -> None:
    out = tmp_path / "mine"
    trained(seeds=2, out=out)
    (out / name).unlink()
    if content is not None:
        (out / name).write_text(content)
    for command in ("show", "report"):
        if (command, name) == ("show", "manifest.json"):
            continue  # says nothing that is in it
        done = call(command, out)
        assert done.exit_code == 2, done.output
        assert len(done.output.splitlines()) == 1
        assert str(out) in done.output


def test_one_training_at_a_time_in_a_folder(tmp_path: Path, seen: list[int]) -> None:
    out = tmp_path / "mine"
    trained(seeds=1, out=out)
    with locked(out / ".lock"), pytest.raises(ResultsError, match="in use by another"):
        trained(seeds=1, out=out)


def test_another_model_of_the_same_name_is_another_training() -> None:
    described = [own_model.describe(compiled(K.Dense(1, activation))) for activation in ("sigmoid", "tanh", "sigmoid")]
    rates = [own_model.describe(compiled(K.Dense(1), rate=rate)) for rate in (0.1, 0.2)]
    keras.utils.clear_session()
    first = own_model.describe(compiled(K.Dense(1)))
    keras.utils.clear_session()
    assert own_model.describe(compiled(K.Dense(1))) == first
    assert described[0] != described[1] and rates[0] != rates[1]


# processes


def test_processes_give_the_same_rows_and_leave_the_environment_alone() -> None:
    before = dict(os.environ)
    together = trained(epochs=1, workers=2)
    assert dict(os.environ) == before
    pd.testing.assert_frame_equal(together, trained(epochs=1, workers=1))


SCRIPT = """
import numpy as np, keras, sweep

def build(seed):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    return model

{guard}
    runs = sweep.train(build=build, data=(np.eye(2)[:, :1], np.eye(2)[:, :1]), seeds=2, epochs=2, workers=2)
    print(len(runs))
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_script_needs_its_guard(is_guarded: bool, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(SCRIPT.replace("{guard}", 'if __name__ == "__main__":' if is_guarded else "if True:"))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=600)
    if is_guarded:
        assert (done.returncode, done.stdout) == (0, "2\n")
    else:
        assert done.returncode == 1
        assert "in a script, the call of sweep.train under if __name__" in done.stderr
