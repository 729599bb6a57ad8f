"""Layers that differ, and the head: what a configuration says of them."""

from dataclasses import replace

import numpy as np
import pytest

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Head, Layer
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named


def unlike(**changes: object) -> Configuration:
    """4-2, where the second hidden layer differs from the first."""
    c = resolve({"layers": [4, 2], "activation": "tanh"})
    second: Layer = replace(c.layers[1], **changes)  # pyright: ignore[reportArgumentType]
    return replace(c, layers=(c.layers[0], second, c.layers[2]))


@pytest.mark.parametrize(
    ("changes", "column", "label"),
    [
        ({"units": 3}, "width", "4-3"),
        ({"activation": Named("relu")}, "activation", "tanh-relu"),
        ({"dropout": 0.5}, "dropout", "0.0-0.5"),
        ({"use_bias": False}, "use_bias", "true-false-true"),
        ({"kernel_initializer": Named("he_normal")}, "kernel_initializer", "glorot_uniform-he_normal-glorot_uniform"),
        ({"bias_initializer": Named("ones")}, "bias_initializer", "zeros-ones-zeros"),
    ],
)
def test_what_differs_between_layers_shows_in_id_and_labels(
    changes: dict[str, object], column: str, label: object
) -> None:
    usual, c = resolve({"layers": [4, 2], "activation": "tanh"}), unlike(**changes)
    assert c.id != usual.id
    assert c.labels() == {**usual.labels(), column: label}


def test_an_output_layer_of_its_own_kind_is_another_configuration() -> None:
    c = resolve({})
    other = replace(c, layers=(c.layers[0], replace(c.output, use_bias=False)))
    assert other.id not in (c.id, resolve({"use_bias": False}).id)
    assert other.n_parameters == c.n_parameters - 1
    linear = resolve({"depth": 0})
    alone = replace(linear, layers=(replace(linear.output, use_bias=False),))
    assert alone == resolve({"depth": 0, "use_bias": False})


def test_variables_are_keyed_by_their_place_in_a_network_with_every_bias() -> None:
    c = unlike(use_bias=False)
    assert [(v.shape, v.place) for v in c.variables] == [((2, 4), 0), ((4,), 1), ((4, 2), 2), ((2, 1), 4), ((1,), 5)]


numbers = np.array([[[0.9], [0.2], [1.5]], [[0.1], [-3.0], [0.6]]], np.float32)


def head_of(**settings: object) -> Head:
    return resolve(settings).head


def test_margins_of_each_coding() -> None:
    targets = np.array([[1], [0], [1]], np.float32)
    usual = head_of(output="linear", loss="mean_squared_error")
    np.testing.assert_allclose(usual.sides(numbers, targets)[:, :, 0], [[0.8, 0.6, 1], [-0.8, 1, 0.2]], rtol=1e-6)
    bipolar = head_of(output="linear", loss="mean_squared_error", targets="bipolar")
    signs = np.array([[1], [-1], [1]], np.float32)
    np.testing.assert_allclose(bipolar.sides(numbers, signs)[:, :, 0], [[0.9, -0.2, 1], [0.1, 1, 0.6]], rtol=1e-6)
    assert bipolar.accuracy(numbers, signs).tolist() == [2 / 3, 1.0]
    classes = head_of(output="linear", loss="mean_squared_error", targets="one_hot")
    three = np.array([[[0.7, 0.2, 0.1], [0.3, 0.4, 5.0], [0.5, 0.5, 0.0]]], np.float32)
    true = np.eye(3, dtype=np.float32)[[0, 2, 1]]
    np.testing.assert_allclose(classes.sides(three, true)[0, :, 0], [0.5, 1.0, 0.0], rtol=1e-6)
    assert (classes.margin(three, true).tolist(), classes.accuracy(three, true).tolist()) == ([0.0], [2 / 3])


@pytest.mark.parametrize("coding", vocabulary.target_codings)
def test_what_is_no_number_is_not_right(coding: str) -> None:
    head = head_of(output="linear", loss="mean_squared_error", targets=coding)
    broken = np.array([[[np.nan, 0.0]], [[0.0, np.nan]], [[np.nan, np.nan]]], np.float32)
    assert np.isnan(head.margin(broken, np.array([[1, 0]], np.float32))).all()


def test_targets_as_the_head_codes_them() -> None:
    assert resolve({"output": "softmax"}).targets().tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    bipolar = resolve({"output": "tanh", "loss": "hinge", "targets": "bipolar"})
    assert bipolar.targets().tolist() == [[-1], [1], [1], [-1]]
    given = {"inputs": [[0.1], [2.0]], "targets": [[0, 1, 0], [1, 0, 0]]}
    assert resolve({"task": given, "output": "softmax"}).targets().tolist() == given["targets"]


def test_the_head_judges_entries_by_their_side() -> None:
    head = resolve({}).head
    predictions, targets = np.array([[0.5], [0.75], [0.25]], np.float32), np.array([[0], [1], [1]], np.float32)
    assert head.sides(predictions, targets).ravel().tolist() == [0.0, 0.5, -0.5]
    assert head.margin(predictions, targets) == np.float32(-0.5)
    assert head.accuracy(predictions, targets) == pytest.approx(2 / 3)
    np.testing.assert_allclose(head.entry_losses(predictions.astype(float), targets.astype(float))[1], -np.log(0.75))
