"""What the page says of the mistakes of one configuration: which class its seeds take for which, and on which rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.report.mistakes import class_names, max_shown_classes, row_words, tally_of

max_rows = 10


def summarise_mistakes(identity: str, known: Mapping[str, Configuration], kept: Sequence[Example]) -> Any:
    """The mistakes of this configuration's runs, None where they were not counted.

    `confusion`: a row for each class, of it the shares of answers and their counts, empty where there are too many
    classes or none; `rows`: those most often wrong, in words, by how many of `n` runs.
    """
    c = known.get(identity)
    counted = None if c is None else tally_of(c, kept)
    if c is None or counted is None:
        return None
    n = len(counted.confusion)
    shown = range(n) if 2 <= n <= max_shown_classes else range(0)
    order = np.argsort(-counted.wrong, kind="stable")[:max_rows].tolist()
    totals = counted.confusion.sum(axis=1).tolist()
    return {
        "configuration": identity,
        "n": counted.n,
        "n_test_rows": c.task.n_test_rows,
        "classes": class_names(c, n) if shown else [],
        "confusion": [
            [(count, count / totals[k] if totals[k] else 0.0) for count in counted.confusion[k].tolist()] for k in shown
        ],
        "rows": [{"words": row_words(c, row), "n": int(counted.wrong[row])} for row in order if counted.wrong[row] > 0],
    }
