"""What every engine promises, run through each of them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.reference import trajectory

from sweep.networks.criterion import metric_values, ranges
from sweep.networks.measurements import Measurements, NetworkCohort, concatenate
from sweep.networks.randomness import Stream
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.success import Success, above_margin
from sweep.training.engine import Engine
from sweep.training.fused import FusedEngine
from sweep.training.initial import initial_weights
from sweep.training.keras.referee import KerasEngine
from sweep.training.native import NativeEngine

Settings = Mapping[str, Any]

# small batches, dropout and a partial last batch: every stream is in use; a rate that falls, weights that are penalized
noisy: Settings = {
    "width": 5,
    "depth": 2,
    "dropout": 0.25,
    "batch_size": 3,
    "epochs": 12,
    "learning_rate": {"name": "exponential_decay", "initial_learning_rate": 0.02, "decay_steps": 20, "decay_rate": 0.8},
    "kernel_regularizer": {"name": "l1_l2", "l1": 1e-4, "l2": 1e-3},
}
# the same with a drawn data set in place of dropout
drawn: Settings = {**noisy, "dropout": 0.0, "samples": 11}
# some seeds leave the finite numbers, others do not
explosive: Settings = {
    "task": {"inputs": [[1.0, 2.0], [3.0, -1.0], [-2.0, 2.0], [0.5, 0.5]], "targets": [[0], [1], [0], [1]]},
    "width": 4,
    "depth": 3,
    "activation": "linear",
    "kernel_initializer": {"name": "random_normal", "stddev": 1.0},
    "optimizer": "sgd",
    "learning_rate": 0.2,
    "batch_size": 3,
    "epochs": 40,
}


# what is judged otherwise than a sigmoid, and a direction for accuracy, loss, margin and largest error
HEADS: Mapping[str, tuple[Settings, tuple[str, ...]]] = {
    "sigmoid": ({}, (">=", "<", "<", "<=")),
    "tanh": ({"output": "tanh", "loss": "mean_squared_error", "targets": "bipolar"}, ("<", ">", ">=", "<")),
    "softmax": ({"output": "softmax"}, (">", "<=", "<=", ">")),
}


def block(*seeds: int) -> npt.NDArray[np.uint32]:
    return np.array(seeds, np.uint32)


def cohort(settings: Settings, *seeds: int, **streams: npt.NDArray[np.uint32]) -> NetworkCohort:
    return Cohort(resolve(settings), block(*seeds), streams={Stream[k.upper()]: v for k, v in streams.items()})


def assert_same_bits(found: Measurements, expected: Measurements) -> None:
    for field in fields(Measurements):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), field.name
        # equal numbers, zeros of the same sign; one NaN is as good as another
        np.testing.assert_array_equal(a, b, err_msg=field.name)
        np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]), err_msg=field.name)


def of_models(measured: Measurements, models: list[int]) -> Measurements:
    return Measurements(**{f.name: getattr(measured, f.name)[models] for f in fields(Measurements)})


def fused_engine() -> Engine:
    """On the device that FUSED_DEVICE names, the CPU without: `make gpu-check` sets it."""
    return FusedEngine(os.environ.get("FUSED_DEVICE", "cpu"))


engines: Mapping[str, Callable[[], Engine]] = {"native": NativeEngine, "fused": fused_engine, "keras": KerasEngine}


@pytest.fixture(params=engines)
def engine(request: pytest.FixtureRequest) -> Engine:
    return engines[request.param]()


class TestEngine:
    """The contract; a new engine is another entry of `engines`."""

    def test_says_what_it_is(self, engine: Engine) -> None:
        assert engine.name in engines
        assert engine.device == (os.environ.get("FUSED_DEVICE", "cpu") if engine.name == "fused" else "cpu")
        assert engine.piece_size >= 1
        assert isinstance(engine.is_threaded, bool)

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            noisy,
            {"depth": 0, "epochs": 1},
            {"layers": [4, 2], "task": "half_adder", "epochs": 2, "use_bias": False},
            {"task": {"name": "parity", "bits": 4}, "epochs": 70, "batch_size": 5},
        ],
    )
    def test_shapes_and_types(self, engine: Engine, settings: Settings) -> None:
        asked = cohort({"epochs": 3} | dict(settings), 7, 9)
        measured = engine.train(asked)
        assert measured.check(asked) is measured
        assert np.isfinite(measured.losses).all()
        assert ((measured.predictions >= 0) & (measured.predictions <= 1)).all()
        assert (measured.last_unlearned >= -1).all()
        assert (measured.last_unlearned <= asked.configuration.epochs).all()
        assert (measured.units_off <= np.array(asked.configuration.widths, np.int64)).all()

    def test_drawn_samples(self, engine: Engine) -> None:
        """Same seed, same bits; alone or in company; weights, order and samples each by a stream of its own."""
        seeds = list(range(50, 69))
        together = engine.train(cohort(drawn, *seeds))
        apart = [engine.train(piece) for piece in cohort(drawn, *seeds).split(7)]
        assert_same_bits(concatenate(apart), together)
        usual = engine.train(cohort(drawn, 50, 51))
        assert_same_bits(usual, of_models(together, [0, 1]))
        for purpose in ("weights", "order", "sample"):
            changed = engine.train(cohort(drawn, 50, 51, **{purpose: block(11, 12)}))
            assert (changed.weights != usual.weights).any(axis=1).all(), purpose
        other = block(8, 9)
        streams = {"weights": other, "order": other, "sample": other}
        assert_same_bits(engine.train(cohort(drawn, 1, 2, **streams)), engine.train(cohort(drawn, 8, 9)))

    def test_a_batch_of_all_samples_knows_no_order(self, engine: Engine) -> None:
        settings = {**drawn, "batch_size": "full"}
        moved = engine.train(cohort(settings, 1, 2, order=block(5, 6)))
        assert_same_bits(moved, engine.train(cohort(settings, 1, 2)))

    def test_same_seed_same_bits(self, engine: Engine) -> None:
        assert_same_bits(engine.train(cohort(noisy, 1, 2, 3)), engine.train(cohort(noisy, 1, 2, 3)))

    def test_different_seeds_different_weights(self, engine: Engine) -> None:
        measured = engine.train(cohort(noisy, *range(20)))
        assert len(np.unique(measured.weights, axis=0)) == 20
        assert len(np.unique(measured.losses[:, 0])) == 20

    def test_order_is_kept(self, engine: Engine) -> None:
        """Before training, a model's predictions are those of its seed's initial weights, in the cohort's order."""
        asked = cohort({"width": 3, "activation": "tanh", "epochs": 1}, 90, 3, 41, 3, 2**32 - 1)
        w = initial_weights(asked).astype(np.float64)
        hidden = np.tanh(asked.configuration.inputs() @ w[:, :6].reshape(-1, 2, 3) + w[:, None, 6:9])
        output = hidden @ w[:, 9:12, None] + w[:, None, 12:]
        np.testing.assert_allclose(engine.train(asked).predictions[:, 0], 1 / (1 + np.exp(-output)), rtol=1e-5)

    def test_alone_or_in_company(self, engine: Engine) -> None:
        seeds = list(range(50, 69))
        together = engine.train(cohort(noisy, *seeds))
        for size in (1, 7):
            apart = [engine.train(piece) for piece in cohort(noisy, *seeds).split(size)]
            assert_same_bits(concatenate(apart), together)

    def test_permuted_seeds_permuted_results(self, engine: Engine) -> None:
        seeds = list(range(18))
        places = [int(i) for i in np.random.default_rng(5).permutation(18)]
        permuted = engine.train(cohort(noisy, *[seeds[i] for i in places]))
        assert_same_bits(permuted, of_models(engine.train(cohort(noisy, *seeds)), places))

    def test_diverging_models_leave_their_neighbours_alone(self, engine: Engine) -> None:
        seeds = list(range(24))
        measured = engine.train(cohort(explosive, *seeds))
        is_finite = np.isfinite(measured.weights).all(axis=1)
        assert 4 <= is_finite.sum() <= 20
        healthy = [int(i) for i in np.flatnonzero(is_finite)]
        assert_same_bits(engine.train(cohort(explosive, *healthy)), of_models(measured, healthy))

    def test_what_is_not_a_number_is_not_learned(self, engine: Engine) -> None:
        asked = replace(
            cohort(explosive, *range(24)), success=above_margin(-1.0)
        )  # any number is above this margin, or at it
        measured = engine.train(asked)
        is_broken = np.isnan(measured.predictions[:, -1]).any(axis=(1, 2))
        assert is_broken.any()
        assert (measured.last_unlearned[is_broken] == asked.configuration.epochs).all()
        assert np.isnan(measured.losses[is_broken, -1]).all()

    def test_zero_learning_rate_changes_nothing(self, engine: Engine) -> None:
        for optimizer in ("sgd", "rmsprop", "adam", {"name": "sgd", "momentum": 0.9, "nesterov": True}):
            asked = cohort({**noisy, "optimizer": optimizer, "learning_rate": 0.0}, 4, 5, 6)
            measured = engine.train(asked)
            np.testing.assert_array_equal(measured.weights, initial_weights(asked))
            np.testing.assert_array_equal(
                measured.losses, measured.losses[:, :1].repeat(len(asked.configuration.snapshots), 1)
            )
            np.testing.assert_array_equal(measured.units_off, measured.units_off_initial)

    def test_a_purpose_of_its_own_for_each_stream(self, engine: Engine) -> None:
        usual = engine.train(cohort(noisy, 1, 2))
        for purpose, is_first in (("weights", False), ("order", True), ("dropout", True)):
            changed = engine.train(cohort(noisy, 1, 2, **{purpose: block(11, 12)}))
            same_start = (changed.predictions[:, 0] == usual.predictions[:, 0]).all()
            assert same_start == is_first, purpose
            assert (changed.weights != usual.weights).any(axis=1).all(), purpose

    def test_streams_decide_and_nothing_else_does(self, engine: Engine) -> None:
        other = block(8, 9)
        streams = {"weights": other, "order": other, "dropout": other}
        assert_same_bits(engine.train(cohort(noisy, 1, 2, **streams)), engine.train(cohort(noisy, 8, 9)))

    def test_full_batches_know_no_order(self, engine: Engine) -> None:
        settings = {**noisy, "dropout": 0.0, "batch_size": "full"}
        moved = engine.train(cohort(settings, 1, 2, order=block(5, 6), dropout=block(5, 6)))
        assert_same_bits(moved, engine.train(cohort(settings, 1, 2)))

    def test_without_shuffling_the_order_is_the_table_s(self, engine: Engine) -> None:
        settings = {**noisy, "shuffle": False}
        usual = engine.train(cohort(settings, 1, 2))
        assert_same_bits(engine.train(cohort(settings, 1, 2, order=block(5, 6))), usual)
        assert (usual.weights != engine.train(cohort(noisy, 1, 2)).weights).any(axis=1).all()
        asked = cohort({**settings, "dropout": 0.0, "optimizer": "sgd"}, 1, 2)
        for model, weights in enumerate(engine.train(asked).weights):
            np.testing.assert_allclose(weights, trajectory(asked, model)[-1], rtol=1e-4, atol=1e-5)

    def test_epochs_are_a_prefix(self, engine: Engine) -> None:
        """The state after k epochs is what a training of k epochs ends with."""
        long = cohort({**noisy, "epochs": 150}, 1, 2, 3)
        measured = engine.train(long)
        kept = long.configuration.snapshots.tolist()
        for epochs in (1, 15, 135):
            short = engine.train(cohort({**noisy, "epochs": epochs}, 1, 2, 3))
            at = kept.index(epochs)
            np.testing.assert_array_equal(short.predictions[:, -1], measured.predictions[:, at])
            np.testing.assert_array_equal(short.losses[:, -1], measured.losses[:, at])
        assert len(np.unique(measured.losses[0])) == len(kept) < 150

    @pytest.mark.parametrize("margin", [0.0, 0.3])
    def test_last_unlearned_epoch(self, engine: Engine, margin: float) -> None:
        asked = replace(
            cohort({"width": 8, "epochs": 25, "learning_rate": 0.05}, *range(32)), success=above_margin(margin)
        )
        assert list(asked.configuration.snapshots) == list(range(26))  # every epoch is kept, so it can be read off
        measured = engine.train(asked)
        signed = (2 * asked.configuration.targets() - 1) * (2 * measured.predictions - 1)
        is_learned = signed.min(axis=(2, 3)) > np.float32(margin)
        expected = [max(np.flatnonzero(~row), default=-1) for row in is_learned]
        np.testing.assert_array_equal(measured.last_unlearned, expected)
        assert 0 < is_learned[:, -1].sum() < 32

    @pytest.mark.parametrize("head", sorted(HEADS))
    def test_last_epoch_that_misses_a_criterion(self, engine: Engine, head: str) -> None:
        """Of every number that a criterion compares, read off all epochs; `native` in every direction."""
        settings, directions = HEADS[head]
        asked = cohort({"width": 8, "epochs": 25, "learning_rate": 0.05, **settings}, *range(32))
        measured, found = engine.train(asked), dict[str, int]()
        of_the_table = sorted(metric for metric in ranges if not metric.startswith("test_"))
        for metric, comparison in zip(of_the_table, directions, strict=True):
            values = metric_values(metric, asked.configuration, measured.predictions, measured.losses)
            threshold = 0.75 if metric == "accuracy" else float(np.median(values[:, -1]))  # some models reach it
            for sign in (">", ">=", "<", "<=") if engine.name == "native" else (comparison,):
                success = Success(metric, sign, threshold)
                expected = [max(np.flatnonzero(~row), default=-1) for row in success.holds(values)]
                last = engine.train(replace(asked, success=success)).last_unlearned
                np.testing.assert_array_equal(last, expected, err_msg=str(success))
                found[str(success)] = len(set(expected))
        assert sum(n > 1 for n in found.values()) >= len(found) - 1, found

    def test_a_table_that_is_learned_from_the_start(self, engine: Engine) -> None:
        settings = {
            "task": {"inputs": [[1.0], [-1.0]], "targets": [[1], [0]]},
            "depth": 0,
            "kernel_initializer": "ones",
        }
        assert engine.train(cohort({**settings, "epochs": 2}, 1)).last_unlearned.tolist() == [-1]

    def test_losses_are_those_of_the_predictions(self, engine: Engine) -> None:
        for loss in ("binary_crossentropy", "mean_squared_error"):
            asked = cohort({"task": "full_adder", "loss": loss, "epochs": 8, "batch_size": 3}, 1, 2)
            measured = engine.train(asked)
            p, y = measured.predictions.astype(np.float64), asked.configuration.targets()
            each = (p - y) ** 2 if loss == "mean_squared_error" else -np.log(np.where(y == 1, p, 1 - p))
            np.testing.assert_allclose(measured.losses, each.mean(axis=(2, 3)), rtol=2e-6)

    def test_cross_entropy_is_taken_from_logits(self, engine: Engine) -> None:
        """A logit of 50 against a target of 0 costs 50 nats and has the slope 1, however saturated the sigmoid is."""
        settings = {
            "task": {"inputs": [[0.0]], "targets": [[0]]},
            "depth": 0,
            "bias_initializer": {"name": "constant", "value": 50.0},
            "optimizer": "sgd",
            "learning_rate": 1.0,
            "epochs": 1,
        }
        asked = cohort(settings, 1)
        measured = engine.train(asked)
        np.testing.assert_array_equal(measured.losses, [[50.0, 49.0]])
        np.testing.assert_array_equal(measured.weights - initial_weights(asked), [[0.0, -1.0]])

    def test_units_that_are_off(self, engine: Engine) -> None:
        """ReLU with kernels of -1 and biases of 0 gives 0 on every row of XOR; tanh and linear have no such units."""
        settings: Settings = {"kernel_initializer": {"name": "constant", "value": -1.0}, "layers": [3, 2], "epochs": 2}
        for activation, wanted in (("relu", [3, 2]), ("tanh", [0, 0]), ("linear", [0, 0]), ("sigmoid", [0, 0])):
            measured = engine.train(cohort({**settings, "activation": activation}, 1, 2))
            assert measured.units_off_initial.tolist() == [wanted, wanted], activation
            assert measured.units_off.tolist() == [wanted, wanted], activation

    def test_units_off_follow_the_weights(self, engine: Engine) -> None:
        asked = cohort({"layers": [6, 5], "epochs": 30, "learning_rate": 0.05, "batch_size": 2}, *range(20))
        measured = engine.train(asked)
        for weights, found in (
            (initial_weights(asked), measured.units_off_initial),
            (measured.weights, measured.units_off),
        ):
            w = weights.astype(np.float64)
            first = np.maximum(asked.configuration.inputs() @ w[:, :12].reshape(-1, 2, 6) + w[:, None, 12:18], 0)
            second = first @ w[:, 18:48].reshape(-1, 6, 5) + w[:, None, 48:53]
            expected = np.stack([(x <= 0).all(axis=1).sum(axis=1) for x in (first, second)], axis=1)
            np.testing.assert_array_equal(found, expected)
        assert (measured.units_off != measured.units_off_initial).any()
