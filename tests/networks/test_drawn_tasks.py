"""Drawn tasks, the same everywhere; rows held out and scaled; classes in words."""

import hashlib
import math
from typing import Any

import numpy as np
import pytest

from sweep.networks.drawn_tasks import signatures
from sweep.networks.settings import resolve, settings_of
from sweep.networks.strict import cos_sin
from sweep.networks.task_settings import named_task, resolve_task
from sweep.runs.errors import SettingError


def test_cosine_and_sine_are_those_of_the_library_to_rounding() -> None:
    turns = np.random.default_rng(0).uniform(-3, 3, 10_000)
    cosine, sine = cos_sin(turns)
    np.testing.assert_allclose(cosine, np.cos(2 * math.pi * turns), atol=5e-15)
    np.testing.assert_allclose(sine, np.sin(2 * math.pi * turns), atol=5e-15)


def test_the_bytes_of_drawn_tables_are_pinned() -> None:
    drawn = [named_task(name, {"rows": 1000, "noise": 0.3, "seed": 7}).digest for name in signatures]
    assert hashlib.sha256("".join(drawn).encode()).hexdigest()[:12] == "d2b22776d221"


@pytest.mark.parametrize("name", signatures)
def test_a_longer_table_begins_with_a_shorter_one_and_another_seed_is_another(name: str) -> None:
    short, long, other = (named_task(name, {"rows": n, "seed": seed}) for n, seed in ((50, 0), (400, 0), (50, 1)))
    np.testing.assert_array_equal(short.inputs, long.inputs[:50])
    np.testing.assert_array_equal(short.targets, long.targets[:50])
    assert not np.isclose(short.inputs, other.inputs).any()
    assert 0.4 < long.targets.mean() < 0.6


def test_points_lie_where_they_should() -> None:
    still: dict[str, Any] = {"rows": 500, "noise": 0}
    x, side = (lambda t: (t.inputs, t.targets[:, 0] == 1))(named_task("circles", still))
    np.testing.assert_allclose(np.hypot(*x.T), np.where(side, 0.5, 1.0))
    x, side = (lambda t: (t.inputs, t.targets[:, 0] == 1))(named_task("moons", still))
    np.testing.assert_allclose(np.hypot(*(x - np.where(side[:, None], (1, 0.5), (0, 0))).T), 1)
    assert (x[~side, 1] >= 0).all() and (x[side, 1] <= 0.5).all()
    x, side = (lambda t: (t.inputs, t.targets[:, 0] == 1))(named_task("spirals", {**still, "turns": 1.5}))
    turns = np.arctan2(x[:, 1], x[:, 0]) / (2 * math.pi) - 1.5 * np.hypot(*x.T) - side / 2
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)
    x, side = (lambda t: (t.inputs, t.targets[:, 0] == 1))(named_task("quadrants", still))
    np.testing.assert_array_equal(side, x[:, 0] * x[:, 1] > 0)


def test_noise_is_normal_and_moves_points_alone() -> None:
    still, moved = (named_task("moons", {"rows": 5000, "noise": noise}) for noise in (0.0, 0.2))
    np.testing.assert_array_equal(still.targets, moved.targets)
    noise = moved.inputs - still.inputs
    np.testing.assert_allclose([noise.mean(), noise.std()], [0, 0.2], atol=0.01)
    assert abs((noise[:, 0] * noise[:, 1]).mean()) < 0.05 * 0.2**2


def test_rows_are_held_out_by_a_seed_of_their_own() -> None:
    whole = named_task("spirals", {"rows": 150})
    task = named_task("spirals", {"rows": 150, "test": 0.25})
    held_out = task.held_out
    assert held_out is not None and (task.n_rows, held_out.n_rows) == (112, 38)
    assert task.places is not None and held_out.places is not None
    assert sorted((*task.places, *held_out.places)) == list(range(150))
    np.testing.assert_array_equal(held_out.inputs, whole.inputs[list(held_out.places)])
    np.testing.assert_array_equal(task.targets, whole.targets[list(task.places)])
    other = named_task("spirals", {"rows": 150, "test": 0.25, "test_seed": 1})
    assert other.held_out is not None and set(other.held_out.places or ()) != set(held_out.places)
    assert whole == named_task(
        "spirals", {"rows": 150, "test": 0, "test_seed": 5}
    )  # without test rows a seed is unused


def test_inputs_are_scaled_by_the_rows_that_are_trained_on() -> None:
    rows = np.random.default_rng(0).normal(3, [1, 50, 0], (40, 3)).tolist()
    table: dict[str, Any] = {"inputs": rows, "targets": [[i % 2] for i in range(40)], "test": 0.5}
    plain, standard, minmax = (resolve_task({**table, "scale": scale}) for scale in ("none", "standard", "minmax"))
    np.testing.assert_allclose(standard.inputs.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(standard.inputs.std(axis=0), [1, 1, 0])
    np.testing.assert_allclose([minmax.inputs.min(axis=0), minmax.inputs.max(axis=0)], [[0, 0, 0], [1, 1, 0]])
    assert plain.held_out and standard.held_out
    wanted = (plain.held_out.inputs - plain.inputs.mean(axis=0))[:, :2] / plain.inputs.std(axis=0)[:2]
    np.testing.assert_allclose(standard.held_out.inputs[:, :2], wanted)
    assert len({plain.digest, standard.digest, minmax.digest}) == 3


def test_words_are_classes_in_the_order_of_the_alphabet() -> None:
    task = resolve_task({"inputs": [[1], [2], [3]], "classes": ["no", "yes", "maybe"]})
    assert task.class_names == ("maybe", "no", "yes")
    assert task.targets.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
    c = resolve({"task": {"inputs": [[1], [2]], "classes": ["b", "a"]}})
    assert (c.coding, c.n_outputs, c.task.targets.tolist()) == ("one_hot", 2, [[1], [0]])


@pytest.mark.parametrize(
    "task",
    [
        {"name": "moons", "rows": 30, "test": 0.5, "scale": "minmax"},
        {"name": "parity", "bits": 4, "test": 0.25, "test_seed": 3},
        {"name": "circles", "rows": 300},
        {"inputs": [[1], [2], [4]], "classes": ["a", "b", "a"]},
        {"inputs": [[1], [2], [4]], "targets": [[0], [1], [1]], "test": 0.3},
        {"inputs": [[1], [2], [4]], "targets": [[0], [1], [1]], "scale": "standard"},
        {"inputs": [[i] for i in range(300)], "classes": [i % 3 for i in range(300)]},
    ],
)
def test_settings_of_a_task_make_it_again(task: dict[str, Any]) -> None:
    c = resolve({"task": task})
    again = resolve(settings_of(c))
    assert again == c and again.id == c.id


@pytest.mark.parametrize(
    ("task", "place", "found"),
    [
        ({"name": "moons", "test": 1.0}, ("task", "test"), "found 1.0"),
        ({"name": "moons", "rows": 2, "test": 0.9}, ("task", "test"), "found 0.9, 2 of 2 rows"),
        ({"name": "moons", "scale": "max"}, ("task", "scale"), "found 'max'"),
        ({"name": "moons", "rows": 65_537}, ("task", "rows"), "found 65537"),
        ({"name": "moons", "turns": 2}, ("task", "turns"), "moons has no argument turns"),
        ({"inputs": [[1]], "classes": ["a"]}, ("task", "classes"), "1 class"),
        ({"inputs": [[1], [2]], "classes": ["a", 3]}, ("task", "classes", 1), "found 3"),
        ({"inputs": [[1]], "targets": [[1]], "tset": 0.1}, ("task", "tset"), "no such key of a task"),
    ],
)
def test_what_is_wrong_is_named(task: dict[str, Any], place: tuple[str | int, ...], found: str) -> None:
    with pytest.raises(SettingError) as caught:
        resolve({"task": task})
    assert (caught.value.place, caught.value.found) == (place, found)
