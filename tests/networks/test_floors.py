"""Groups of rows with one prediction and their floors, against published and hand-made values."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest

from sweep.networks.activations import lowest
from sweep.networks.floors import loss_floors, merged_floor, name_groups, partition
from sweep.networks.layers import Head
from sweep.networks.settings import resolve

heads: list[dict[str, object]] = [
    {"output": "linear", "loss": "mean_squared_error"},
    {"output": "linear", "loss": "mean_absolute_error"},
    {"output": "tanh", "loss": "mean_squared_error", "targets": "bipolar"},
    {"output": "relu", "loss": "binary_crossentropy"},
    {"output": "linear", "loss": {"name": "huber", "delta": 0.3}},
    {"output": "linear", "loss": {"name": "huber", "delta": 0.7}, "targets": "bipolar"},
    {"output": "tanh", "loss": "hinge", "targets": "bipolar"},
    {"output": "sigmoid", "loss": "hinge"},
    {"output": "sigmoid", "loss": "squared_hinge"},
    {"output": {"name": "elu", "alpha": 0.25}, "loss": "squared_hinge", "targets": "bipolar"},
    {"output": "softmax"},
    {"output": "softmax", "loss": "mean_squared_error"},
    {"output": "linear", "loss": "mean_absolute_error", "targets": "one_hot"},
    {"loss": {"name": "binary_crossentropy", "label_smoothing": 0.2}},
    {"output": "softmax", "loss": {"name": "categorical_crossentropy", "label_smoothing": 0.3}},
]


@pytest.mark.parametrize("settings", heads, ids=str)
@pytest.mark.parametrize("share", [0.0, 0.25, 1 / 3, 0.5, 0.8, 1.0])
def test_no_answer_has_a_lower_loss_than_the_floor(settings: dict[str, object], share: float) -> None:
    """Against every answer on a fine grid that the output can give."""
    head = resolve(settings).head
    tried = np.linspace(max(-1.0, lowest(head.activation)), 1.0, 100_001)
    answers = np.stack([1 - tried, tried], axis=1)[tried >= 0] if head.has_classes else tried[:, None]
    upper, lower = (head.coded([[y]]).astype(float) for y in (1, 0))
    losses = share * head.entry_losses(answers, upper) + (1 - share) * head.entry_losses(answers, lower)
    best = (losses.sum(axis=1) / head.averaged(answers.shape[1])).min()
    assert float(head.mixture_loss(share)) == pytest.approx(best, abs=2e-5)


def test_rows_that_merge_behind_a_softmax() -> None:
    c = resolve({"output": "softmax"})
    of_one = np.array([0.5, 1.0, 0.5, 0.0])
    p = np.stack([1 - of_one, of_one], axis=1).astype(np.float32)
    found = partition(p[None], c.targets(), np.ones((1, 4)), head=c.head, gap=1e-4)
    assert found.floors[0] == pytest.approx(math.log(2) / 2)
    assert name_groups(found.groups, ("00", "01", "10", "11")).tolist() == ["00+10"]
    assert merged_floor(c, "00+10") == pytest.approx(math.log(2) / 2)
    assert loss_floors(c.task, c.head) == loss_floors(c.task, head_of("binary_crossentropy"))


def test_fitted_rows_cost_what_no_answer_avoids() -> None:
    """A smoothed target is never met; a sigmoid never gives the -1 that a hinge loss wants of a 0."""
    smoothed = resolve({"loss": {"name": "binary_crossentropy", "label_smoothing": 0.2}})
    fitted = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    [(half, _), (three, _), (whole, _)] = loss_floors(smoothed.task, smoothed.head)
    third = -11 / 30 * math.log(11 / 30) - 19 / 30 * math.log(19 / 30)
    np.testing.assert_allclose([half, whole], [(math.log(2) + fitted) / 2, math.log(2)], rtol=1e-6)
    assert three == pytest.approx((3 * third + fitted) / 4, rel=1e-6)
    for c in (smoothed, resolve({"loss": "hinge"})):
        p = np.array([[[0.5], [0.5], [0.9], [0.1]]], np.float32)
        found = partition(p, c.targets(), np.ones((1, 4)), head=c.head, gap=1e-4)
        assert loss_floors(c.task, c.head)[0][0] == pytest.approx(found.floors[0], rel=1e-6)
        assert merged_floor(c, "00+01") == pytest.approx(found.floors[0])


def test_classes_are_merged_where_they_are_in_every_output() -> None:
    task = {"inputs": [[0.0], [1.0], [2.0], [3.0]], "targets": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]]}
    c = resolve({"task": task, "output": "softmax"})
    p = np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]], np.float32)  # row 2 is like them in one only
    found = partition(p[None], c.targets(), np.ones((1, 4)), head=c.head, gap=1e-4)
    assert name_groups(found.groups, ("a", "b", "c", "d")).tolist() == ["a+b"]
    assert found.floors[0] == pytest.approx(math.log(2) / 2)


def head_of(loss: str) -> Head:
    return resolve({"loss": loss}).head


def floor_of(sizes: list[tuple[int, int]], n_rows: int, loss: str = "binary_crossentropy") -> float:
    """The floor when groups of (zeros, ones) are merged and all other rows are fitted, by the definition."""
    ones = [k for _, k in sizes]
    n = [a + b for a, b in sizes]
    if loss == "mean_squared_error":
        return sum(m / n_rows * (k / m) * (1 - k / m) for m, k in zip(n, ones, strict=True))
    return -sum(k * math.log(k / m) + (m - k) * math.log(1 - k / m) for m, k in zip(n, ones, strict=True)) / n_rows


def found_floor(task: object, groups: list[list[int]], loss: str = "binary_crossentropy") -> tuple[float, str]:
    """The floor and names found for a network that gives each group of rows one prediction and fits the others."""
    c = resolve({"task": task})
    targets = c.targets()
    p = targets.copy()
    for i, rows in enumerate(groups):
        p[rows] = targets[rows].mean() + 0.001 * i
    found = partition(p[None], targets, np.ones((1, len(p))), head=head_of(loss), gap=1e-4)
    names = c.task.row_names
    assert names is not None
    return float(found.floors[0]), str(name_groups(found.groups, names)[0])


PARITY = {  # (zeros, ones) of one group among the eight rows of three-bit parity: its floor in nats
    (4, 4): 0.693147,
    (3, 4): 0.597545,
    (3, 3): 0.519860,
    (4, 2): 0.477386,
    (3, 2): 0.420632,
    (4, 1): 0.312752,
    (2, 2): 0.346574,
    (3, 1): 0.281168,
    (2, 1): 0.238693,
    (1, 1): 0.173287,
}


@pytest.mark.parametrize(("sizes", "floor"), list(PARITY.items()))
def test_floors_of_three_bit_parity(sizes: tuple[int, int], floor: float) -> None:
    task = {"name": "parity", "bits": 3}
    targets = resolve({"task": task}).targets()[:, 0]
    zeros, ones = np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)
    for first, second in ((zeros, ones), (ones, zeros)):
        rows = sorted([*first[: sizes[0]].tolist(), *second[: sizes[1]].tolist()])
        found, name = found_floor(task, [rows])
        assert found == pytest.approx(floor, abs=1e-6)
        assert name == "+".join(f"{row:03b}" for row in rows)


def test_floors_of_xor_and_of_constants() -> None:
    for loss, half, three, whole in (
        ("binary_crossentropy", math.log(2) / 2, 0.477386, math.log(2)),
        ("mean_squared_error", 0.125, 1 / 6, 0.25),
    ):
        assert found_floor("xor", [[0, 2]], loss) == (pytest.approx(half, abs=1e-6), "00+10")
        assert found_floor("xor", [[0, 1, 3]], loss) == (pytest.approx(three, abs=1e-6), "00+01+11")
        assert found_floor("xor", [[0, 1], [2, 3]], loss) == (pytest.approx(whole, abs=1e-6), "00+01 10+11")
        assert found_floor("xor", [], loss) == (0.0, "")
    for task in ("and", "or", "nand", "nor"):
        assert found_floor(task, [[0, 1, 2, 3]])[0] == pytest.approx(0.562335, abs=1e-6)


def all_partitions(rows: list[int]) -> list[list[list[int]]]:
    if not rows:
        return [[]]
    first, rest = rows[0], rows[1:]
    out: list[list[list[int]]] = []
    for n in range(len(rest) + 1):
        for others in itertools.combinations(rest, n):
            left = [r for r in rest if r not in others]
            out += [[[first, *others], *more] for more in all_partitions(left)]
    return out


@pytest.mark.parametrize("loss", ["binary_crossentropy", "mean_squared_error"])
@pytest.mark.parametrize("task", ["xor", "and", "full_adder"])
def test_every_partition_of_a_table_has_the_floor_of_its_mixed_groups(task: str, loss: str) -> None:
    targets = resolve({"task": task}).targets()[:, :1]
    n = len(targets)
    partitions = all_partitions(list(range(n)))[: 3000 : 1 if n == 4 else 10]
    p = np.zeros((len(partitions), n, 1), np.float32)
    for model, groups in enumerate(partitions):
        for i, rows in enumerate(groups):
            p[model, rows] = i / 10
    found = partition(p, targets, np.ones((len(p), n)), head=head_of(loss), gap=0.01)
    for model, groups in enumerate(partitions):
        sizes = [(int((targets[rows] == 0).sum()), int((targets[rows] == 1).sum())) for rows in groups]
        mixed = [size for size in sizes if min(size)]
        assert found.floors[model] == pytest.approx(floor_of(mixed, n, loss), abs=1e-12)
        is_in_mixed = np.zeros(n, bool)
        for rows, size in zip(groups, sizes, strict=True):
            is_in_mixed[rows] = min(size) > 0
        np.testing.assert_array_equal(found.groups[model, 0] >= 0, is_in_mixed)


def test_the_floor_is_the_lowest_loss_of_one_prediction_for_weighted_rows() -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 5, (50, 4)).astype(np.float64)
    counts[:, 1] += 1
    targets = np.array([[0], [1], [1], [0]], np.float32)
    p = np.full((50, 4, 1), 0.3, np.float32)
    q = np.linspace(1e-4, 1 - 1e-4, 9999)[:, None]
    ones, zeros = counts @ targets[:, 0], counts @ (1 - targets[:, 0])
    losses = {
        "binary_crossentropy": -(ones * np.log(q) + zeros * np.log(1 - q)),
        "mean_squared_error": ones * (1 - q) ** 2 + zeros * q**2,
    }
    for loss, by_prediction in losses.items():
        found = partition(p, targets, counts, head=head_of(loss), gap=0.01)
        np.testing.assert_allclose(found.floors, (by_prediction / counts.sum(axis=1)).min(axis=0), atol=2e-4)


def test_models_and_outputs_are_grouped_for_themselves() -> None:
    rng = np.random.default_rng(5)
    targets = resolve({"task": "full_adder"}).targets()
    p: npt.NDArray[np.float32] = (rng.integers(0, 4, (40, 8, 2)) / 4).astype(np.float32)
    counts = np.ones((40, 8))
    together = partition(p, targets, counts, head=head_of("binary_crossentropy"), gap=0.01)
    names = [f"{i:03b}" for i in range(8)]
    for model in range(40):
        alone = partition(p[model : model + 1], targets, counts[:1], head=head_of("binary_crossentropy"), gap=0.01)
        assert alone.floors[0] == together.floors[model]
        single = [
            partition(
                p[model : model + 1, :, o : o + 1],
                targets[:, o : o + 1],
                counts[:1],
                head=head_of("binary_crossentropy"),
                gap=0.01,
            )
            for o in (0, 1)
        ]
        assert np.mean([s.floors[0] for s in single]) == pytest.approx(together.floors[model])
        worded = " ".join(f"{o}:{g}" for o in (0, 1) for g in str(name_groups(single[o].groups, names)[0]).split())
        assert name_groups(together.groups[model : model + 1], names)[0] == worded


def test_a_chain_of_near_predictions_is_one_group() -> None:
    targets = np.array([[0], [1], [1], [0]], np.float32)
    p = np.array([[[0.40], [0.44], [0.48], [0.60]]], np.float32)
    found = partition(p, targets, np.ones((1, 4)), head=head_of("binary_crossentropy"), gap=0.05)
    assert name_groups(found.groups, ["00", "01", "10", "11"]).tolist() == ["00+01+10"]


def test_the_loss_of_a_mixture() -> None:
    np.testing.assert_allclose(
        head_of("binary_crossentropy").mixture_loss([0, 0.5, 1, 1 / 3]), [0, math.log(2), 0, 0.636514], atol=1e-6
    )


def test_no_models() -> None:
    targets = np.array([[0], [1]], np.float32)
    found = partition(
        np.zeros((0, 2, 1), np.float32), targets, np.zeros((0, 2)), head=head_of("mean_squared_error"), gap=0.1
    )
    assert found.groups.shape == (0, 1, 2) and found.floors.shape == (0,)
    assert len(name_groups(found.groups, ["0", "1"])) == 0


def test_a_row_that_was_not_drawn_joins_no_others() -> None:
    targets = np.array([[0], [1], [1], [0]], np.float32)
    p = np.array([[[0.40], [0.404], [0.408], [0.9]]], np.float32)
    counts = np.array([[2.0, 0.0, 1.0, 1.0]])
    found = partition(p, targets, counts, head=head_of("binary_crossentropy"), gap=0.005)
    assert found.floors.tolist() == [0.0] and (found.groups == -1).all()
