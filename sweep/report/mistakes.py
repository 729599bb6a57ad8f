"""What networks got wrong, in words: the rows most often wrong with their inputs, which class was taken for which."""

from collections.abc import Sequence

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.networks.mistakes import Integers, Tally

max_shown_rows = 5
max_shown_inputs = 6
max_shown_classes = 10
max_name = 12


def tally_of(c: Configuration, kept: Sequence[Example]) -> Tally | None:
    """What all runs of a configuration got wrong, of its examples; None where that was not counted."""
    tallies = [e.tally for e in kept if e.configuration == c.id and e.tally is not None]
    n_rows = c.task.n_rows + c.task.n_test_rows
    tallies = [t for t in tallies if len(t.wrong) == n_rows and t.confusion.shape == tallies[0].confusion.shape]
    if not tallies:
        return None
    wrong, confusion = (sum(getattr(t, name) for t in tallies) for name in ("wrong", "confusion"))
    first, last = min(t.first for t in tallies), max(t.last for t in tallies)
    return Tally(sum(t.n for t in tallies), first, last, np.asarray(wrong), np.asarray(confusion))


def describe_mistakes(c: Configuration, tally: Tally) -> list[str]:
    """Both, of a configuration's runs or of one alone."""
    return [*describe_confusion(c, tally.confusion), *describe_rows(c, tally)]


def class_names(c: Configuration, n: int) -> list[str]:
    """What the classes are called."""
    return list(c.task.class_names or map(str, range(n)))


def row_words(c: Configuration, row: int) -> str:
    """A row by its number in the table, its inputs as they are learned, and its target.

    >>> from sweep.networks.settings import resolve
    >>> row_words(resolve({"task": {"inputs": [[1], [2.5]], "classes": ["lily", "rose"]}}), 1)
    'row 1 (2.5: rose)'
    """
    task, held_out = c.task, c.task.held_out
    is_test = row >= task.n_rows and held_out is not None
    table, at = (held_out, row - task.n_rows) if is_test and held_out else (task, row)
    inputs = " ".join(f"{x:.3g}" for x in table.inputs[at, :max_shown_inputs])
    more = " .." if task.n_inputs > max_shown_inputs else ""
    target = table.targets[at]
    if task.class_names is not None:
        said = task.class_names[int(target.argmax()) if len(target) > 1 else int(target[0])]
    else:
        said = "".join(map(str, target.tolist()[:max_shown_classes]))
    place = at if table.places is None else table.places[at]
    return f"row {place}{', held out' if is_test else ''} ({inputs}{more}: {said})"


def describe_rows(c: Configuration, tally: Tally) -> list[str]:
    """The rows most often wrong, a line each; rows count from 0."""
    order = np.argsort(-tally.wrong, kind="stable")
    shown = [row for row in order[:max_shown_rows].tolist() if tally.wrong[row] > 0]
    if not shown:
        return []
    if tally.n == 1:
        n = int((tally.wrong > 0).sum())
        more = f", and {n - len(shown):,} more" if n > len(shown) else ""
        return [f"wrong: {'; '.join(row_words(c, row) for row in shown)}{more}"]
    lines = [f"  {int(tally.wrong[row]):>{len(str(tally.n))},} of {tally.n:,}  {row_words(c, row)}" for row in shown]
    return ["rows most often wrong, of how many seeds:", *lines]


def describe_confusion(c: Configuration, confusion: Integers) -> list[str]:
    """Which class was taken for which: a table with a line for each class, a column for each answer."""
    n = len(confusion)
    if not 2 <= n <= max_shown_classes:
        return []
    names = [name[:max_name] for name in class_names(c, n)]
    of_rows = "the rows held out" if c.task.n_test_rows else "the table"
    cells = [["class", *names], *([name, *(f"{x:,}" for x in row)] for name, row in zip(names, confusion, strict=True))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in cells]
    return [f"answers, by the class of each of {of_rows}:", *(f"  {line}" for line in lines)]
