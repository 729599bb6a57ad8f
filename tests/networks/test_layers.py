"""Layers that differ, and the head: what a configuration says of them."""

from dataclasses import replace

import numpy as np
import pytest

from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
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


def test_the_head_judges_entries_by_their_side() -> None:
    head = resolve({}).head
    predictions, targets = np.array([[0.5], [0.75], [0.25]], np.float32), np.array([[0], [1], [1]], np.float32)
    assert head.sides(predictions, targets).ravel().tolist() == [0.0, 0.5, -0.5]
    assert head.margin(predictions, targets) == np.float32(-0.5)
    assert head.accuracy(predictions, targets) == pytest.approx(2 / 3)
    np.testing.assert_allclose(head.entry_losses(predictions.astype(float), targets.astype(float))[1], -np.log(0.75))
