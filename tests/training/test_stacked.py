"""All seeds at once under JAX: against plain `fit` step by step, neighbours, kinds of layers, what goes another way."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import stacked_models
from support.stacked_models import XOR, dropped, given_weights, hot_for_one, keras, of_many_parts, table

import sweep
from sweep.networks.snapshots import snapshot_epochs
from sweep.runs.errors import SettingError


def stacked(build: Callable[..., Any], data: Any = XOR, **options: Any) -> Any:
    given: dict[str, Any] = {"seeds": 3, "epochs": 3, "batch_size": 4, "quiet": True, "engine": "stacked"}
    return sweep.train(build=build, data=data, **(given | options))


def test_every_epoch_is_that_of_fit_with_the_same_start_and_row_order(tmp_path: Any) -> None:
    from sweep.training.stacked.program import row_order

    x, y = table()
    weights = np.arange(10, dtype=np.float32) / 5
    runs = stacked(given_weights, (x, y, weights), epochs=12, out=tmp_path / "out")
    curves = sweep.load(tmp_path / "out").folder.read_curves()
    for run in runs.itertuples():
        model, losses, errors = given_weights(run.seed), [], []
        for epoch in range(13):
            loss, error = model.evaluate(x, y, sample_weight=weights, verbose=0)
            losses.append(loss)
            errors.append(error)
            order = np.asarray(row_order(run.seed, epoch, len(x)))
            assert sorted(order) == list(range(len(x)))
            given = {"batch_size": 4, "sample_weight": weights[order], "shuffle": False}
            model.fit(x[order], y[order], **given, verbose=0)
        assert curves[run.run].steps.tolist() == snapshot_epochs(12, 1).tolist()
        np.testing.assert_allclose(curves[run.run].metrics["loss"], losses, rtol=2e-5)
        np.testing.assert_allclose(curves[run.run].metrics["mae"], errors, rtol=2e-5)
        assert abs(losses[-1] - losses[0]) > 0.1 and run.engine == "stacked function given_weights"


def test_a_model_that_diverges_disturbs_none_and_company_changes_nothing() -> None:
    together = stacked(hot_for_one, seeds=6, success="loss < 0.1").set_index("seed")
    assert together["outcome"].eq("diverged").tolist() == [False, True, False, False, True, False]
    alone = stacked(hot_for_one, seeds=[5, 2], success="loss < 0.1").set_index("seed")
    columns = ["loss", "p_00", "p_11", "accuracy"]
    np.testing.assert_allclose(together.loc[[2, 5], columns], alone[columns], rtol=1e-6)
    assert together["loss"].dropna().nunique() == 4  # a seed of its own for each


def test_a_function_that_cannot_be_imported_travels_by_the_description_of_its_models() -> None:
    described = stacked(lambda seed: dropped(seed), epochs=2)
    imported = stacked(dropped, epochs=2)
    columns = ["seed", "outcome", "loss", "accuracy", "p_00", "margin"]
    pd.testing.assert_frame_equal(described[columns], imported[columns])

    def of_ones_own(seed: int) -> Any:
        model = dropped(seed)
        model.set_weights([w + seed for w in model.get_weights()])
        return model

    with pytest.raises(SettingError, match="gives models that are more than their description; allowed: auto, fit"):
        stacked(of_ones_own)


def test_layers_inputs_outputs_and_losses_of_every_kind() -> None:
    rng = np.random.default_rng(1)
    x = {"picture": rng.normal(size=(9, 4, 4, 1)).astype(np.float32), "words": rng.integers(0, 6, (9, 5))}
    y = {"kind": rng.integers(0, 3, 9), "size": rng.normal(size=9).astype(np.float32)}
    runs = stacked(of_many_parts, (x, y), seeds=2, success="kind_accuracy >= 0.1", test=0.3)
    told = {"loss", "kind_loss", "size_loss", "kind_accuracy", "test_loss", "test_kind_accuracy", "dead_units"}
    assert told <= set(runs) and runs[sorted(told)].notna().all(axis=None)
    assert runs["loss"].to_numpy() == pytest.approx(runs["kind_loss"] + 0.5 * runs["size_loss"], rel=1e-5)


def test_what_cannot_be_traced_is_fitted_and_a_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    runs = stacked(stacked_models.untraceable, engine="auto", quiet=False, seeds=2, epochs=1)
    assert set(runs["engine"]) == {"function untraceable"}
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("one seed after the other")]
    assert len(told) == 1 and "Doubtful" in told[0], told
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(SettingError, match="engine: found stacked, but Keras computes in mixed_float16"):
            stacked(dropped)
    finally:
        keras.config.set_dtype_policy("float32")


def test_settings_vary_and_a_folder_goes_on(tmp_path: Any) -> None:
    vary = {"units": [2, 3], "epochs": [1, 2]}
    results = stacked(dropped, vary=vary, seeds=2, out=tmp_path / "out")
    assert results.configurations["n_runs"].tolist() == [2] * 4
    assert results.manifest.engine == "stacked function dropped"
    grown = stacked(dropped, vary=vary, seeds=3, out=tmp_path / "out").runs
    old = grown[grown["seed"] < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, results.runs)


SCRIPT = """
import numpy as np
from support.stacked_models import XOR, dropped
from sweep.runs.success import Success
from sweep.training.keras.built import Job
from sweep.training.stacked import work
from sweep.training.stacked.models import build_each

worker = work.Stacked("cpu")
job = Job(dropped, XOR, None, Success.parse("accuracy >= 1"))
settings = {"epochs": 3, "batch_size": 3}

def losses(n_at_once, is_apart=None):
    prepared = work.Prepared(job, settings, [0], worker._device)
    prepared.most, prepared.is_apart = n_at_once, is_apart
    states, crashed = build_each(job, settings, list(range(5)), prepared.structure)
    given = prepared.run(states, list(range(5)))
    return [run.numbers["loss"] for run in given], prepared

whole, _ = losses(8)
np.testing.assert_allclose(losses(2)[0], whole, rtol=1e-6)
np.testing.assert_allclose(losses(8, True)[0], whole, rtol=1e-6)
work._memory = lambda device: 20_000.0
found, prepared = losses(8)
assert prepared.most < 5, prepared.most
np.testing.assert_allclose(found, whole, rtol=1e-6)
"""


def test_blocks_halves_and_one_after_the_other_give_the_same(tmp_path: Any) -> None:
    environment = {**__import__("os").environ, "KERAS_BACKEND": "jax", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
