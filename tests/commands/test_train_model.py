"""Any Keras model at all: `sweep.train(build=..., data=...)` against plain Keras; columns, folder, messages."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.shell import call
from support.untyped import sweep

from sweep.results.files import ResultsError
from sweep.results.lock import locked
from sweep.runs.errors import SettingError
from sweep.training.keras import built, marking
from sweep.training.keras.built import Job
from sweep.training.keras.libraries import without_start_up_noise

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
    given: dict[str, Any] = {"seeds": 2, "epochs": 2, "batch_size": 2, "quiet": True, "engine": "fit"}
    return sweep.train(build=function, data=(X, y), **(given | options))


def test_a_run_is_what_plain_keras_does_with_its_seed() -> None:
    table = trained(seeds=[7, 3])
    assert table["seed"].tolist() == [3, 7]
    for seed, loss, accuracy in zip(table["seed"], table["loss"], table["accuracy"], strict=True):
        keras.utils.set_random_seed(seed)
        model = build(seed)
        model.fit(X, XOR, epochs=2, batch_size=2, verbose=0)
        assert loss == pytest.approx(model.evaluate(X, XOR, verbose=0), rel=1e-6)
        assert accuracy == ((model.predict(X, verbose=0) > 0.5) == XOR).mean()
    assert set(table["engine"]) == {"function build"}
    columns = [c for c in table if c not in ("course", "merged_rows", "epochs_to_learn", "dead_layer")]
    assert columns == [
        *("run", "trial", "configuration", "epochs", "batch_size", "data", "model", "seed", "engine", "device"),
        *("learned", "outcome", "accuracy", "dead_units", "dead_units_initial", "loss", "margin"),
        *("p_00", "p_01", "p_10", "p_11", "seconds", "attempts"),
    ]


def test_success_is_a_training_accuracy_of_one_or_what_the_caller_says() -> None:
    table = trained(build_linear, OR, epochs=1, seeds=2)
    assert table["outcome"].tolist() == ["learned", "learned"]
    seen: list[float] = []

    def below(model: Any, x: Any, y: Any) -> bool:
        assert x is X and y is OR
        seen.append(float(model.evaluate(x, y, verbose=0)))
        return seen[-1] < 1e-9

    strict = trained(build_linear, OR, epochs=1, seeds=2, success=below)
    assert strict["outcome"].tolist() == ["missed", "missed"] and strict["success"].tolist() == [0.0, 0.0]
    assert strict["accuracy"].tolist() == [1.0, 1.0]
    # asked before training and after each epoch; the first seed also while the time is taken
    assert [seen[-3], seen[-1]] == pytest.approx(table["loss"].tolist(), rel=1e-5)
    by_loss = trained(build_linear, OR, epochs=1, seeds=2, success=f"loss < {seen[-3] * 1.01:.6f}")
    assert by_loss["learned"].all() and by_loss["epochs_to_learn"].notna().all()


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

    model = made(0)
    if model.count_params() == 3:  # one output
        model.set_weights([np.array([[0.5], [0.5]]), np.array([-0.25])])  # right logits between 0 and 0.5
        wanted = 1.0
    else:
        model.set_weights([np.zeros((2, 2)), np.array([0.0, 9.0])])  # always 1
        wanted = 0.75
    job = Job(made, (X, y), None, built.asked)
    assert built.Watch(model, job, {"epochs": 1, "batch_size": 4}).numbers()["accuracy"] == wanted


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


def test_columns_say_what_a_network_of_the_vocabulary_would() -> None:
    # the first unit answers 0 1 1 2, the second is off on every row; logits -0.5 0.5 0.5 1.5
    half_off = ("relu", [[1, -1], [1, -1]], [0, 0])
    row = trained(still(half_off, ("sigmoid", [[1], [1]], [-0.5])), OR, seeds=1).iloc[0]
    p = 1 / (1 + np.exp([0.5, -0.5, -0.5, -1.5]))
    assert row[["p_00", "p_01", "p_10", "p_11"]].tolist() == pytest.approx(p.tolist())
    assert row["margin"] == pytest.approx(2 * p[1] - 1)
    assert row[["outcome", "epochs_to_learn", "dead_units_initial", "dead_units"]].tolist() == ["learned", 0, 1, 1]
    assert "dead_layer" not in row and "merged_rows" not in row
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    same = trained(still(half_off, ("linear", [[1], [1]], [-0.5]), loss=logits), OR.ravel(), seeds=1).iloc[0]
    assert same[["p_00", "margin", "accuracy"]].tolist() == pytest.approx(row[["p_00", "margin", "accuracy"]].tolist())


def test_a_layer_that_is_off_as_a_whole_is_named_and_rows_are_merged() -> None:
    off = ("relu", [[-1, -1], [-1, -1]], [0, 0])
    row = trained(still(("tanh", [[1], [1]], [0]), ("relu", [[-1]], [0]), ("sigmoid", [[1]], [0])), seeds=1).iloc[0]
    assert row[["outcome", "course", "dead_units", "dead_layer"]].tolist() == ["missed", "at rest", 1, 1]
    row = trained(still(("relu", [[1], [1]], [0]), off[:1] + ([[-1]], [0]), ("sigmoid", [[1]], [0])), seeds=1).iloc[0]
    assert row["dead_layer"] == 2
    row = trained(still(("sigmoid", [[0], [0]], [0])), X[:, :1] * 0 + XOR, seeds=1).iloc[0]
    assert row[["outcome", "course", "merged_rows"]].tolist() == ["missed", "at rest", "00+01+10+11"]
    assert row["loss"] == pytest.approx(np.log(2))


def test_epochs_to_learn_is_the_first_from_which_the_criterion_holds_to_the_end() -> None:
    asked: list[int] = []

    def learned(model: Any, x: Any, y: Any) -> bool:
        asked.append(len(asked))
        return asked[-1] in (2, 5, 7, 8)  # 0 and 1 are asked while the time is taken, 2 before training

    table = trained(seeds=1, epochs=6, success=learned)
    assert asked == list(range(9))
    assert table["epochs_to_learn"].tolist() == [5]


def test_columns_that_a_model_does_not_have_are_left_out() -> None:
    table = trained(lambda seed: compiled(K.Dense(2, "softmax"), loss="sparse_categorical_crossentropy"), OR, seeds=1)
    left_out = {"margin", "merged_rows", "p_00"}
    assert not left_out & set(table) and {"accuracy", "dead_units"} <= set(table)

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


def test_units_of_a_convolution_are_its_channels() -> None:
    def made(seed: int) -> Any:
        kernel = keras.initializers.Constant(np.array([[[1.0, -1.0]]]))
        convolution = K.Conv1D(2, 1, activation="relu", kernel_initializer=kernel, trainable=False)
        return compiled(K.Reshape((2, 1)), convolution, K.Flatten(), K.Dense(1, "sigmoid"))

    row = trained(made, seeds=1).iloc[0]
    assert row[["dead_units_initial", "dead_units"]].tolist() == [1, 1]
    assert built.n_trained(made(0)) == 5  # frozen weights are no parameters


def test_rows_are_looked_at_in_pieces_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [(first, len(part)) for first, part in marking.pieces(np.zeros(7), 3)] == [(0, 3), (3, 3), (4, 3)]
    made = still(("relu", [[-1], [-1]], [0.5]), ("sigmoid", [[-9]], [1]))  # on for the first row alone
    whole = trained(made, OR, seeds=1).drop(columns="seconds")
    assert whole[["dead_units", "learned"]].iloc[0].tolist() == [0, True]
    monkeypatch.setattr(marking, "looked_at_once", 3)
    monkeypatch.setattr(built, "answered_at_once", 3)
    pd.testing.assert_frame_equal(trained(made, OR, seeds=1).drop(columns="seconds"), whole)


def test_lists_and_frames_are_data() -> None:
    whole = trained(build_linear, seeds=1).drop(columns="seconds")
    for data in ((X.tolist(), XOR.tolist()), (pd.DataFrame(X), pd.Series(XOR.ravel()))):
        table = sweep.train(build=build_linear, data=data, seeds=1, epochs=2, batch_size=2, quiet=True, engine="fit")
        columns = [c for c in whole if c not in ("run", "configuration", "data", "seconds")]
        pd.testing.assert_frame_equal(table[columns], whole[columns])


def test_a_model_that_diverges_is_a_row() -> None:
    def hot(seed: int) -> Any:
        model = keras.Sequential([keras.Input((2,)), K.Dense(3), K.Dense(1)])
        model.compile(keras.optimizers.SGD(1e30), "mean_squared_error", run_eagerly=True)
        return model

    table = trained(hot, seeds=1, epochs=4)
    assert table["outcome"].tolist() == ["diverged"] and not table["learned"].any()
    assert table["loss"].isna().all()


def test_models_of_several_inputs_and_of_ones_own_class() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.last = K.Dense(1, "sigmoid")

        def call(self, inputs: Any) -> Any:
            return self.last(keras.ops.concatenate([inputs["a"], inputs["b"]], axis=-1))

    def made(seed: int) -> Any:
        model = Own()
        model.compile("adam", "binary_crossentropy", run_eagerly=True, metrics=["mae"])
        return model

    parts = {"a": X[:, :1], "b": X[:, 1:]}
    table = sweep.train(build=made, data=(parts, OR), seeds=1, epochs=2, quiet=True, engine="fit")
    assert {"loss", "accuracy", "mae"} <= set(table) and "dead_units" not in table


def test_rows_that_are_only_evaluated() -> None:
    held = (X[:1], OR[:1])
    table = trained(build_linear, OR, seeds=1, test=held, success="test_accuracy >= 1")
    assert table["test_accuracy"].tolist() == [1.0] and table["learned"].all()
    keras.utils.set_random_seed(0)
    model = build_linear(0)
    model.fit(X, OR, epochs=2, batch_size=2, verbose=0)
    assert table["test_loss"][0] == pytest.approx(model.evaluate(*held, verbose=0), rel=1e-5)
    shared = marking.held_out((np.arange(10.0), np.arange(10.0)), 0.3)
    assert [len(x) for x, _ in shared] == [7, 3]
    assert sorted(np.concatenate([x for x, _ in shared]).tolist()) == list(range(10))
    assert trained(build_linear, OR, seeds=1, test=0.25)["test_accuracy"].notna().all()


def made_wide(seed: int, units: int, rate: float) -> Any:
    return compiled(K.Dense(units, "tanh"), K.Dense(1, "sigmoid"), rate=rate)


def test_settings_vary_and_so_may_the_epochs(tmp_path: Path) -> None:
    vary = {"units": [1, 3], "epochs": [1, 2]}
    with pytest.raises(TypeError, match="rate"):  # every seed raises: the function lacks a setting
        trained(made_wide, vary=vary, out=tmp_path / "bad")
    results = trained(made_wide, vary=vary | {"rate": [0.01]}, out=tmp_path / "out")
    table = results.configurations
    assert list(table.columns)[2:8] == ["batch_size", "data", "model", "units", "epochs", "rate"]
    assert len(table) == 4 and table["n_runs"].tolist() == [2] * 4
    keras.utils.set_random_seed(1)
    model = made_wide(1, 3, 0.01)
    model.fit(X, XOR, epochs=2, batch_size=2, verbose=0)
    rows = results.runs.query("units == 3 and epochs == 2 and seed == 1")
    assert rows["loss"].tolist() == pytest.approx([model.evaluate(X, XOR, verbose=0)], rel=1e-6)
    assert (tmp_path / "out" / "report.html").exists()


def test_an_exception_costs_one_run() -> None:
    def picky(seed: int) -> Any:
        if seed in (0, 2):
            raise KeyError("no such layer")
        return build(seed)

    assert trained(picky, seeds=4)["outcome"].isin(["crashed"]).tolist() == [True, False, True, False]
    with pytest.raises(KeyError, match="no such layer"):
        trained(picky, seeds=[0, 2])


def test_what_keras_computes_in_is_what_the_caller_set() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        seen: list[str] = []

        def learned(model: Any, x: Any, y: Any) -> bool:
            seen.append(model.compute_dtype)
            return True

        trained(seeds=1, success=learned)
    finally:
        keras.config.set_dtype_policy(before)
    assert set(seen) == {"float64"}


# what is said


def test_time_and_answer_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    def fixed(seed: int) -> Any:
        keras.utils.set_random_seed(1)
        return build_linear(seed)

    trained(fixed, OR, seeds=3, quiet=False)
    first, *others = (line for line in capsys.readouterr().err.splitlines() if not line.startswith("train "))
    assert first.startswith("3 seeds x 2 epochs; 3 parameters; this process; about ")
    assert others == [
        "learned by 3 of 3 seeds: 100.0% (43-100%), 95% interval (Wilson)",
        "no seed failed",
        "every seed gave the same numbers, so this says nothing of others: does build fix a seed?",
    ]
    trained(quiet=True)
    assert capsys.readouterr().err == ""
    trained(seeds=2, quiet=False)
    assert "every seed gave" not in capsys.readouterr().err


def test_a_probe_knows_how_long_a_run_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 2.0, 10.0, 11.0, 20.0, 20.25])  # 2 s for the first epoch, 1 s for two, 0.25 s for the numbers
    monkeypatch.setattr(built.time, "perf_counter", lambda: next(clock))
    tried = built.probe(Job(build, (X, XOR), None, lambda *_: True), {"epochs": 30, "batch_size": 4}, 0)
    assert tried.seconds == 2 + 30 * 0.5 + len(built.snapshot_epochs(30, 1)) * 0.25


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
    "criterion": ({"success": 0.9}, "success: found 0.9; allowed: one comparison, .* or a function of model, x and y"),
    "no accuracy": ({"data": (X, XOR * 0.3)}, "success: found accuracy >= 1, but the model, .* give loss; allowed: "),
    "no number": ({"success": "auc > 0.9"}, "success: found auc > 0.9, but the model, .* give loss, accuracy; allowed"),
    "test": ({"test": 1.5}, "test: found 1.5; allowed: .x, y., or a share of the rows between 0 and 1"),
    "test rows": ({"test": (X[:0], XOR[:0])}, "test: x has no rows"),
    "test pair": ({"test": 3}, "test: found int"),
    "seeds": ({"seeds": 0}, "seeds: 0 seeds from 0"),
    "a seed": ({"seeds": [3, -1]}, "seeds.*: found -1; allowed: a seed"),
    "workers": ({"workers": 0}, "workers: found 0; allowed: a whole number from 1 up"),
    "engine": ({"engine": "native"}, "engine: found 'native'; allowed: auto, stacked, fit"),
    "device": ({"device": "gpu"}, "device: found gpu with the engine fit; allowed: cpu, or the engine stacked"),
    "workers at once": ({"engine": "stacked", "workers": 2}, "workers: found 2 with the engine stacked; allowed: "),
    "a function at once": (
        {"engine": "stacked", "success": lambda *_: True},
        "engine: found stacked, but success is a function, which is asked of one model at a time; allowed: auto, fit",
    ),
    "elsewhere": (
        {"build": lambda seed: build(seed), "workers": 2},
        "workers: found 2, but <lambda> is no function at the head of a module, so another process cannot import it",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_one_message(name: str) -> None:
    options, message = MISTAKES[name]
    given: dict[str, Any] = {"build": build, "data": (X, XOR), "seeds": 2, "epochs": 2, "batch_size": 2, "quiet": True}
    given["engine"] = "fit"
    with pytest.raises(SettingError, match=message):
        sweep.train(**(given | options))


def test_settings_or_a_function() -> None:
    with pytest.raises(TypeError, match="needs settings, or build=function"):
        sweep.train(seeds=3)  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match="build"):
        sweep.train({"width": 2}, build=build)  # pyright: ignore[reportCallIssue]


def test_a_function_at_a_prompt_stays_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sys.modules["__main__"], "__file__", raising=False)
    monkeypatch.setattr(build, "__module__", "__main__")
    with pytest.raises(SettingError, match="build is defined in a notebook or at a prompt"):
        trained(workers=2)


# the folder


def test_a_folder_is_like_any_other(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    table = trained(seeds=2, out=out)
    names = {"configurations.csv", "configurations.jsonl", "examples.npz", "experiment.yaml", "manifest.json"}
    assert {p.name for p in out.iterdir()} - {"study.journal"} == names | {"report.html", "runs.csv"}
    assert "sweep.train of the function build" in (out / "experiment.yaml").read_text()
    grown = trained(seeds=4, out=out)
    assert grown[["run", "loss", "seconds"]][:2].equals(table[["run", "loss", "seconds"]])  # not trained again
    curves = sweep.load(out).folder.read_curves()
    assert set(curves) == set(grown["run"])
    for row in grown.itertuples():
        assert curves[row.run].steps.tolist() == [0, 1, 2]
        assert curves[row.run].metrics["loss"][-1] == np.float32(row.loss)
    for command in (["show"], ["report", "--figures"], ["verify"]):
        done = call(command[0], out, *command[1:])
        assert done.exit_code == 0, done.output
    assert {path.name for path in (out / "figures").iterdir()} >= {"shares.svg", "course-0.png"}
    page = (out / "report.html").read_text()
    assert "By step, the median and the middle 80%" in page and "accuracy, over the seeds that gave it" in page
    for command in ("audit", "rescue", "replay"):
        others = {"rescue": [grown["configuration"][0]], "replay": [grown["run"][0]]}
        done = call(command, out, *others.get(command, []))
        assert done.exit_code == 2 and "function build" in done.output and len(done.output.splitlines()) == 1


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "mine"
    trained(seeds=1, out=out)
    for options, name in (
        ({"epochs": 4}, "fixed.epochs: there 2, here 4"),
        ({"batch_size": 4}, "fixed.batch_size: there 2, here 4"),
        ({"y": OR}, "fixed.data: there "),
        ({"function": build_linear}, "fixed.model: there "),
        ({"success": lambda model, x, y: True}, "success.metric: there accuracy, here success"),
        ({"test": 0.25}, "fixed.data"),
    ):
        with pytest.raises(ResultsError, match=f"holds another experiment\n(.*\n)*.*{name}"):
            trained(seeds=1, out=out, **options)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(ResultsError, match=r"holds other files and no experiment.yaml"):
        trained(out=tmp_path / "other")
    with locked(out / ".lock"), pytest.raises(ResultsError, match="in use by another"):
        trained(seeds=1, out=out)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "training.json").write_text("{}")
    done = call("show", tmp_path / "old")
    assert done.exit_code == 2 and "as an earlier version kept them" in done.output


def test_an_interruption_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(seed: int) -> Any:
        if seed == 1:
            raise KeyboardInterrupt
        return build(seed)

    with pytest.raises(KeyboardInterrupt):
        trained(interrupted, seeds=2, out=tmp_path / "mine")
    assert "interrupted; with a folder the same call goes on" in capsys.readouterr().err


def test_another_model_of_the_same_name_is_another_training() -> None:
    described = [built.describe(compiled(K.Dense(1, activation))) for activation in ("sigmoid", "tanh", "sigmoid")]
    rates = [built.describe(compiled(K.Dense(1), rate=rate)) for rate in (0.1, 0.2)]
    keras.utils.clear_session()
    first = built.describe(compiled(K.Dense(1)))
    keras.utils.clear_session()
    assert built.describe(compiled(K.Dense(1))) == first
    assert described[0] != described[1] and rates[0] != rates[1]


# processes


def test_processes_give_the_same_rows_and_leave_the_environment_alone() -> None:
    before = dict(os.environ)
    together = trained(epochs=1, workers=2)
    assert dict(os.environ) == before
    here = trained(epochs=1, workers=1)
    pd.testing.assert_frame_equal(together.drop(columns="seconds"), here.drop(columns="seconds"))


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
        assert done.stderr.count("Traceback") == 1  # of the process that called
        assert "in a script, the call under if __name__" in done.stderr
