"""Which rows of a table networks get wrong, and which class they take for which; counted over the runs of an outcome.

Notation: predictions `[.., row, output]`, targets `[row, output]`; confusion `[class, answer]`, in how many answers a
row of the class was given that one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.layers import Head

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

# rows and classes of the largest tables that are counted
max_rows = 4096
max_classes = 32


@dataclass(frozen=True)
class Tally:
    """What so many runs of a configuration that ended alike got wrong; `first` and `last`: the range of their seeds.

    wrong: by how many of them each row, those held out after the others, `[row]`; confusion: over the rows held out, or
    where there are none over the table, `[class, answer]`, of size 0 where the outputs are no classes.
    """

    n: int
    first: int
    last: int
    wrong: Integers
    confusion: Integers

    def merged(self, other: "Tally") -> "Tally":
        """The tally of both; of two that overlap, one counts runs of the other again, and the larger has them all."""
        are_alike = self.wrong.shape == other.wrong.shape and self.confusion.shape == other.confusion.shape
        if not are_alike or (self.first <= other.last and other.first <= self.last):
            return self if self.n >= other.n else other
        return Tally(
            self.n + other.n,
            min(self.first, other.first),
            max(self.last, other.last),
            self.wrong + other.wrong,
            self.confusion + other.confusion,
        )

    def packed(self) -> Integers:
        """The tally as one row of numbers."""
        numbers = np.array([self.n, self.first, self.last, len(self.confusion)], np.int64)
        return np.concatenate([numbers, self.confusion.ravel(), self.wrong])


def unpacked(numbers: Integers) -> Tally | None:
    """The tally that `packed` made numbers of; None for no numbers. Raises `ValueError` for other ones."""
    if not len(numbers):
        return None
    n, first, last, n_classes = numbers[:4].tolist()
    end = 4 + n_classes**2
    return Tally(n, first, last, numbers[end:], numbers[4:end].reshape(n_classes, n_classes))


def are_counted(c: Configuration) -> bool:
    """Whether the mistakes of a configuration's runs are counted: not of Boolean tables, whose rows have columns."""
    n_rows = c.task.n_rows + c.task.n_test_rows
    return 16 < n_rows <= max_rows and not (c.task.is_boolean and c.task.is_small)


def classes(head: Head, values: Floats) -> Integers:
    """The classes that predictions, or targets, `[.., row, output]` stand for, from 0: `[.., row]`."""
    if head.has_classes:
        return values.argmax(axis=-1)
    return (values[..., 0] > np.float32(head.border)).astype(np.int64)


def are_wrong(head: Head, predictions: Floats, targets: Floats) -> npt.NDArray[np.bool_]:
    """Whether each row has an answer that is not right: `[.., row]`."""
    if head.has_classes:
        return classes(head, predictions) != classes(head, targets)
    border = np.float32(head.border)
    return ((predictions > border) != (targets > border)).any(axis=-1)


def confusion(head: Head, predictions: Floats, targets: Floats) -> Integers:
    """How often rows of each class got each answer; of size 0 for several outputs that are no classes."""
    n = predictions.shape[-1] if head.has_classes else 2
    if (predictions.shape[-1] > 1 and not head.has_classes) or n > max_classes:
        return np.zeros((0, 0), np.int64)
    pairs = classes(head, targets) * n + classes(head, predictions)
    return np.bincount(pairs.ravel(), minlength=n * n).reshape(n, n)


def tally(c: Configuration, seeds: npt.NDArray[np.uint32], predictions: Floats, tested: Floats) -> Tally:
    """The tally of runs under these seeds, by their last predictions of the table and of the rows held out."""
    pairs = (predictions, c.targets()), (tested, c.test_targets())
    wrong = [are_wrong(c.head, p, y).sum(axis=0) for p, y in pairs]
    judged = pairs[1] if c.task.n_test_rows else pairs[0]
    return Tally(len(seeds), int(seeds.min()), int(seeds.max()), np.concatenate(wrong), confusion(c.head, *judged))
