"""What networks get wrong: counted over seeds by hand, the same whole, in pieces and counted twice."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep.networks.layers import Head
from sweep.networks.measurements import Example, merge_examples
from sweep.networks.mistakes import Tally, are_counted, are_wrong, confusion, tally, unpacked
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named
from sweep.report.mistakes import describe_mistakes, tally_of

softmax = Head(Named("softmax"), Named("categorical_crossentropy"), "one_hot")
flowers: dict[str, Any] = {
    "inputs": [[i, i % 3] for i in range(20)],
    "classes": [("aster", "lily", "rose")[i % 3] for i in range(20)],
    "test": 0.2,
}


def test_classes_are_taken_for_one_another() -> None:
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2, 2]]
    answers = np.eye(3, dtype=np.float32)[[[0, 2, 2, 1], [0, 1, 1, 1]]]  # [model, row, output]
    assert are_wrong(softmax, answers, targets).tolist() == [[False, True, False, True], [False, False, True, True]]
    assert confusion(softmax, answers, targets).tolist() == [[2, 0, 0], [0, 1, 1], [0, 3, 1]]


@pytest.mark.parametrize(("coding", "answers"), [("binary", [[0.2], [0.6], [0.4]]), ("bipolar", [[-1.0], [0.1], [-2]])])
def test_one_output_has_two_classes(coding: str, answers: list[list[float]]) -> None:
    head = Head(Named("linear"), Named("mean_squared_error"), coding)
    p, y = np.array(answers, np.float32), head.coded([[0], [0], [1]])
    assert are_wrong(head, p, y).tolist() == [False, True, True]
    assert confusion(head, p, y).tolist() == [[1, 1], [1, 0]]


def test_several_outputs_are_no_classes() -> None:
    head = Head(Named("sigmoid"), Named("binary_crossentropy"), "binary")
    p = np.array([[0.9, 0.1], [0.9, 0.9]], np.float32)
    y = np.array([[1, 0], [1, 0]], np.float32)
    assert are_wrong(head, p, y).tolist() == [False, True]
    assert confusion(head, p, y).shape == (0, 0)


def random_tally(seeds: list[int]) -> Tally:
    c = resolve({"task": flowers, "output": "softmax"})
    p, tested = (
        np.stack([np.random.default_rng([seed, n]).random((n, 3)).astype(np.float32) for seed in seeds])
        for n in (c.task.n_rows, c.task.n_test_rows)
    )
    return tally(c, np.array(seeds, np.uint32), p, tested)


def same(a: Tally, b: Tally) -> bool:
    return a.packed().tolist() == b.packed().tolist()


def test_a_tally_is_the_same_whole_in_pieces_and_counted_twice() -> None:
    whole, first, last = random_tally([1, 2, 5, 9]), random_tally([1, 2]), random_tally([5, 9])
    assert same(first.merged(last), whole) and same(last.merged(first), whole)
    assert same(whole.merged(last), whole) and same(first.merged(whole), whole)
    read = unpacked(whole.packed())
    assert read is not None and same(read, whole) and unpacked(np.zeros(0, np.int64)) is None
    assert (whole.n, whole.first, whole.last, len(whole.wrong)) == (4, 1, 9, 20)
    assert whole.confusion.sum() == 4 * 4  # of each run the four rows held out
    assert 0 < whole.wrong.min() or whole.wrong.max() <= 4


def example(seed: int, outcome: str, counted: Tally | None) -> Example:
    none = np.zeros(0, np.float32)
    return Example("c1", seed, outcome, np.zeros(0, np.int64), none, none, none, counted)


def test_examples_keep_the_tally_of_all() -> None:
    kept = [
        example(5, "stuck", random_tally([5, 9])),
        example(3, "learned", None),
        example(1, "stuck", random_tally([1, 2])),
    ]
    stuck, learned = merge_examples(kept)
    assert (stuck.seed, learned.seed, learned.tally) == (1, 3, None)
    assert stuck.tally is not None and same(stuck.tally, random_tally([1, 2, 5, 9]))


def test_which_tables_are_counted() -> None:
    assert are_counted(resolve({"task": {"name": "moons", "rows": 17}}))
    assert are_counted(resolve({"task": {"name": "parity", "bits": 5, "test": 0.5}}))
    assert not are_counted(resolve({"task": {"name": "moons", "rows": 16}}))
    assert not are_counted(resolve({"task": {"name": "parity", "bits": 5}}))
    assert not are_counted(resolve({"task": {"name": "moons", "rows": 4097}}))


def test_the_rows_most_often_wrong_have_their_numbers_and_inputs() -> None:
    c = resolve({"task": flowers, "output": "softmax"})
    assert c.task.held_out is not None and c.task.held_out.places is not None and c.task.places is not None
    wrong = np.zeros(20, np.int64)
    wrong[[2, 18]] = 3, 7
    counted = Tally(8, 0, 7, wrong, np.array([[8, 0, 0], [0, 14, 2], [0, 1, 7]]))
    trained, tested = c.task.places[2], c.task.held_out.places[2]
    assert describe_mistakes(c, counted) == [
        "answers, by the class of each of the rows held out:",
        "  class  aster  lily  rose",
        "  aster      8     0     0",
        "   lily      0    14     2",
        "   rose      0     1     7",
        "rows most often wrong, of how many seeds:",
        f"  7 of 8  row {tested}, held out ({tested} {tested % 3}: {('aster', 'lily', 'rose')[tested % 3]})",
        f"  3 of 8  row {trained} ({trained} {trained % 3}: {('aster', 'lily', 'rose')[trained % 3]})",
    ]
    of_two = [replace(example(1, "stuck", counted), configuration=c.id), example(0, "learned", None)]
    found = tally_of(c, of_two)
    assert found is not None and same(found, counted) and tally_of(resolve({}), of_two) is None
