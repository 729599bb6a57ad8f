"""Tasks: the tables, by hand, and what a table of one's own may hold."""

import itertools
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.networks.settings import resolve
from sweep.networks.task_settings import named_task
from sweep.networks.tasks import Task, signatures, table_task
from sweep.runs.errors import SettingError


@pytest.mark.parametrize(
    ("name", "column"),
    [("xor", "0110"), ("and", "0001"), ("or", "0111"), ("nand", "1110"), ("nor", "1000"), ("xnor", "1001")],
)
def test_two_bit_tasks(name: str, column: str):
    task = named_task(name, {})
    assert task.label == name
    assert task.inputs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert task.row_names == ("00", "01", "10", "11")
    assert task.targets.tolist() == [[int(y)] for y in column]


def test_parity_majority_and_adders():
    assert [y for (y,) in named_task("parity", {"bits": 3}).targets] == [0, 1, 1, 0, 1, 0, 0, 1]
    assert [y for (y,) in named_task("parity", {"bits": 1}).targets] == [0, 1]
    assert [y for (y,) in named_task("majority", {}).targets] == [0, 0, 0, 1, 0, 1, 1, 1]
    assert sum(y for (y,) in named_task("majority", {"bits": 4}).targets) == 5  # two of four is no majority
    assert named_task("half_adder", {}).targets.tolist() == [[0, 0], [1, 0], [1, 0], [0, 1]]
    for row, (total, carry) in zip(
        named_task("full_adder", {}).inputs, named_task("full_adder", {}).targets, strict=True
    ):
        assert total + 2 * carry == sum(row)


def test_multiplexer_chooses_a_data_bit():
    small = named_task("multiplexer", {})
    assert [y for (y,) in small.targets] == [0, 0, 1, 1, 0, 1, 0, 1]  # address, then data 0 and 1
    large = named_task("multiplexer", {"bits": 6})
    assert large.n_rows == 64
    for bits, (y,) in zip(large.inputs, large.targets, strict=True):
        assert y == bits[2 + int(2 * bits[0] + bits[1])]


def test_labels_name_every_argument():
    assert named_task("parity", {"bits": 3}).label == named_task("parity", {}).label == "parity(bits=3)"
    assert named_task("majority", {"bits": 5}).label == "majority(bits=5)"


@pytest.mark.parametrize("name", signatures)
def test_every_task_is_boolean_with_rows_counting_upwards(name: str):
    task = named_task(name, {})
    assert task.is_boolean
    assert task.inputs.tolist() == [list(row) for row in itertools.product((0.0, 1.0), repeat=task.n_inputs)]
    assert task.targets.shape == (task.n_rows, task.n_outputs)


def test_a_given_table():
    task = table_task([[0.5, -0.0], [-2, 3]], [[0, 1], [1, 1]])
    assert (task.n_rows, task.n_inputs, task.n_outputs) == (2, 2, 2)
    assert task.inputs.tolist() == [[0.5, 0.0], [-2.0, 3.0]]
    assert str(task.inputs[0][1]) == "0.0"  # not -0.0: one table, one label
    assert task.label == table_task(((0.5, 0), (-2.0, 3)), [[0.0, 1.0], [1.0, 1.0]]).label
    assert len(task.label) == len("table-") + 6
    assert task.label != table_task([[0.5, 0], [-2, 3]], [[0, 1], [1, 0]]).label
    assert not task.is_boolean
    assert task.row_names is None


def test_a_boolean_table_has_row_names_unless_rows_repeat():
    assert table_task([[1, 0], [0, 0]], [[1], [0]]).row_names == ("10", "00")
    repeated = table_task([[1, 0], [1, 0]], [[1], [0]])
    assert repeated.is_boolean
    assert repeated.row_names is None


@pytest.mark.parametrize(
    ("inputs", "targets", "place"),
    [
        ([[0]] * 65_537, [[0]] * 65_537, ("inputs",)),
        ([[0] * 4097], [[0]], ("inputs", 0)),
        ([], [], ("inputs",)),
        ([[]], [[0]], ("inputs", 0)),
        ([[0], [1]], [[0]], ("targets",)),
        ([[0], [1, 2]], [[0], [0]], ("inputs", 1)),
        ([[0], [1]], [[0], [0, 1]], ("targets", 1)),
        ([[0], [1]], [[0], [0.5]], ("targets", 1, 0)),
        ([[0]], [["0"]], ("targets", 0, 0)),
        ([[float("nan")]], [[0]], ("inputs", 0, 0)),
        ([[float("-inf")]], [[0]], ("inputs", 0, 0)),
        ([[1e39]], [[0]], ("inputs", 0, 0)),
        ([[10**400]], [[0]], ("inputs", 0, 0)),
        ([[True]], [[0]], ("inputs", 0, 0)),
        ("01", [[0], [0]], ("inputs",)),
        ([0, 1], [[0], [0]], ("inputs", 0)),
        ({"a": 1}, [[0]], ("inputs",)),
        (None, [[0]], ("inputs",)),
        ([[0]], 3, ("targets",)),
    ],
)
def test_tables_that_cannot_be(inputs: Any, targets: Any, place: tuple[str | int, ...]):
    with pytest.raises(SettingError) as caught:
        table_task(inputs, targets)
    assert caught.value.place == place


def test_the_largest_table():
    assert named_task("parity", {"bits": 8}).n_rows == 256
    many = table_task(np.arange(65_536.0)[:, None], np.zeros((65_536, 1)))
    assert many.n_rows == 65_536 and not many.is_small


def test_a_table_is_what_its_rows_are():
    one, other = (table_task([[0.5], [x]], [[0], [1]]) for x in (2.0, 3.0))
    assert one == table_task(np.array([[0.5], [2.0]]), np.array([[0], [1]])) and hash(one) == hash(replace(one))
    assert one != other and one != replace(one, held_out=other) != replace(one, held_out=one)
    with pytest.raises(ValueError, match="read-only"):
        one.inputs[0, 0] = 1.0


def test_a_table_with_rows_held_out_is_named_by_its_digest():
    held_out = table_task([[1.0]], [[1]])
    task = replace(table_task([[0.0], [1.0]], [[0], [1]]), held_out=held_out)
    assert (task.n_rows, task.n_test_rows, task.is_small) == (2, 1, False)
    assert task.plain() == {"rows": task.digest} and task.label == f"table-{task.digest[:6]}"
    c = resolve({"task": task})
    assert json.loads(c.canonical_json())["task"] == {"rows": task.digest}
    assert c.test_inputs().tolist() == [[1.0]] and c.test_targets().tolist() == [[1.0]]
    assert (len(c.kept), c.evaluations.tolist()) == (1, c.snapshots.tolist())
    assert resolve({}).test_inputs().shape == (0, 2)


def test_a_task_checks_itself():
    with pytest.raises(SettingError, match="found 2; allowed: 0 or 1"):
        Task(np.zeros((1, 1)), np.full((1, 1), 2, np.uint8))


@pytest.mark.parametrize(
    ("name", "arguments", "place"),
    [
        ("xro", {}, ()),
        ("xor", {"bits": 2}, ("bits",)),
        ("parity", {"bits": 9}, ("bits",)),
        ("parity", {"bits": 2.5}, ("bits",)),
        ("multiplexer", {"bits": 4}, ("bits",)),
    ],
)
def test_names_and_arguments_that_cannot_be(name: str, arguments: dict[str, object], place: tuple[str, ...]):
    with pytest.raises(SettingError) as caught:
        named_task(name, arguments)
    assert caught.value.place == place
