"""The tolerances of the outcomes and the certificate of rest: chosen on one half of many runs, judged on the other.

`python benchmarks/outcomes.py` prints the choice and the share of misjudged runs; with `--page` it writes them into
docs/method.md, between its markers. The criterion is stricter than the outcome's own: each run is trained ten times as
long. Draws are seeded, and a run's bits depend on nothing else, so the page comes out the same anywhere.
"""

import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.diagnosis import (
    Course,
    Tolerances,
    describe_course,
    diagnose,
    drawn_counts,
    is_open,
    judge,
    merged_rows,
    tolerances,
    training_losses,
)
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.runs.outcomes import outcomes
from sweep.training import threads
from sweep.training.native import NativeEngine
from sweep.training.rest import Descent, with_descents

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- benchmarks/outcomes.py: begin -->", "<!-- benchmarks/outcomes.py: end -->"
N_CONFIGURATIONS = 800
N_SEEDS = 32
LONGER = 10
# a loss that changes by more than this part of itself in the longer training was not at rest
MOVED = 0.05
# the descents that are tried, the one in use among them
DESCENTS = tuple(itertools.starmap(Descent, itertools.product((300, 1000, 3000), (0.01, 0.03, 0.1))))

OPTIMIZERS: Sequence[tuple[Any, tuple[float, ...]]] = (
    ("adam", (0.001, 0.003, 0.01, 0.03)),
    ("rmsprop", (0.001, 0.01)),
    ("sgd", (0.01, 0.1, 0.5)),
    ({"name": "sgd", "momentum": 0.9}, (0.01, 0.1)),
    ("nadam", (0.01,)),
    ("adagrad", (0.01, 0.1)),
    ("lion", (0.001,)),
    ("adamw", (0.01,)),
)
TABLE: Any = {
    "inputs": [
        [0.3, -1.25, 2.0],
        [-0.7, 0.4, 0.1],
        [1.5, 0.9, -0.6],
        [0.05, -0.35, -1.1],
        [2.2, 1.3, 0.75],
        [0.1, 0.2, 0.3],
    ],
    "targets": [[0], [1], [1], [0], [1], [0]],
}
TASKS: Sequence[Any] = (
    *("xor", "xor", "xor", "xor", {"name": "parity", "bits": 3}, "half_adder", "full_adder", "multiplexer"),
    *("and", "majority", TABLE),
)
ACTIVATIONS = ("relu", "relu", "relu", "leaky_relu", "tanh", "sigmoid", "elu", "softplus", "gelu")
LOSSES = ("binary_crossentropy", "binary_crossentropy", "mean_squared_error")


def draw_settings(rng: np.random.Generator) -> dict[str, Any]:
    """One configuration, some of them hopeless, some hasty."""

    def one_of(choices: Sequence[Any]) -> Any:
        return choices[int(rng.integers(len(choices)))]

    optimizer, rates = one_of(OPTIMIZERS)
    settings: dict[str, Any] = {
        "task": one_of(TASKS),
        "width": one_of((2, 3, 4, 6)),
        "depth": one_of((0, 1, 1, 1, 1, 2, 3)),
        "activation": one_of(ACTIVATIONS),
        "optimizer": optimizer,
        "learning_rate": one_of(rates),
        "batch_size": one_of((1, 2, "full", "full")),
        "epochs": one_of((100, 300, 1000, 3000)),
        "loss": one_of(LOSSES),
    }
    return settings | one_of(({"dropout": 0.1}, {"dropout": 0.3}, {"samples": 8}, {"samples": 50}, *[{}] * 8))


@dataclass(frozen=True)
class Labelled:
    """Runs that a course of the loss has to tell apart, `[run]`.

    cluster: the number of the configuration; descents `[run, descent]`: what each of `DESCENTS` found; change, drift,
    fall: the course of the loss; has_learned, has_moved, has_improved: what ten times the epochs did. merged: whether
    the merged rows by each of `NAMING` are those of the longer training by closer tolerances; only runs that did not
    move count. of_kind: whether the run is of each of `KINDS`.
    """

    cluster: npt.NDArray[np.int64]
    descents: npt.NDArray[np.float32]
    change: npt.NDArray[np.float64]
    drift: npt.NDArray[np.float64]
    fall: npt.NDArray[np.float64]
    has_learned: npt.NDArray[np.bool_]
    has_moved: npt.NDArray[np.bool_]
    has_improved: npt.NDArray[np.bool_]
    merged: npt.NDArray[np.bool_]
    of_kind: npt.NDArray[np.bool_]

    def take(self, index: npt.NDArray[np.bool_]) -> "Labelled":
        """The runs of a mask."""
        return Labelled(*(getattr(self, f.name)[index] for f in fields(self)))

    def codes(self, by: Tolerances, descent: Descent | None) -> npt.NDArray[np.int64]:
        """The outcomes by these tolerances and a descent; without one by the course of the loss alone."""
        found = np.full(len(self.cluster), np.nan) if descent is None else self.descents[:, DESCENTS.index(descent)]
        return judge(Course(self.change, self.drift, self.fall), found, by)


# wider floors would take in the unmerged rest points of leaky ReLU at slope 0.01, 2.5% above a floor
NAMING: Sequence[Tolerances] = tuple(
    replace(tolerances, gap=gap, floor=floor)
    for gap, floor in itertools.product((0.005, 0.01, 0.02, 0.05), (0.003, 0.005, 0.01, 0.02))
)


# of which the misjudged are told apart
KINDS = ("softplus", "adamw", "dropout", "all rows given one output")


def label_runs() -> Labelled:
    """Train every configuration, and ten times as long."""
    rng = np.random.default_rng(20)
    drawn = [draw_settings(rng) for _ in range(N_CONFIGURATIONS)]
    seeds = np.arange(N_SEEDS, dtype=np.uint32)
    short = [Cohort(resolve(settings), seeds) for settings in drawn]
    long = [Cohort(resolve(settings | {"epochs": LONGER * settings["epochs"]}), seeds) for settings in drawn]
    parts = [_label(i, *pair) for i, pair in enumerate(zip(_train(short), _train(long), strict=True))]
    return Labelled(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Labelled)))


def _train(cohorts: Sequence[NetworkCohort]) -> Iterator[tuple[NetworkCohort, Any]]:
    return threads.train_over_threads(NativeEngine(), cohorts, threads.available_cores())


def _label(cluster: int, short: tuple[NetworkCohort, Any], long: tuple[NetworkCohort, Any]) -> Labelled:
    models = np.flatnonzero(is_open(*short))
    counts = drawn_counts(short[0], models)
    losses, later = (training_losses(cohort, found, models, counts) for cohort, found in (short, long))
    before, after = losses[:, -1], later[:, -1]
    has_learned = diagnose(*long).outcome[models] == outcomes.index("learned")
    change = (after - before) / np.maximum(before, 1e-3)
    strict = replace(tolerances, gap=0.002, floor=0.005)
    wanted = merged_rows(long[0], long[1].predictions[models, -1], after, counts, strict)
    ends = short[1].predictions[models, -1]
    with np.errstate(invalid="ignore"):
        course = describe_course(losses, short[0])
    c = short[0].configuration
    own = (c.layers[0].activation.name == "softplus", c.optimizer.name == "adamw", c.has_dropout)
    is_one = np.ptp(ends, axis=1).max(axis=1) < tolerances.gap
    return Labelled(
        cluster=np.full(len(models), cluster),
        descents=np.stack([with_descents(*short, by).descents[models] for by in DESCENTS], axis=1),
        change=course.change,
        drift=course.drift,
        fall=course.fall,
        has_learned=has_learned,
        has_moved=has_learned | ~(np.abs(change) <= MOVED),
        has_improved=has_learned | (change < -MOVED),
        merged=np.stack([merged_rows(short[0], ends, before, counts, by) == wanted for by in NAMING], axis=1),
        of_kind=np.stack([*(np.full(len(models), x) for x in own), is_one], axis=1),
    )


def misjudged(runs: Labelled, codes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Stuck runs that moved or learned, unconverged ones that did not improve, unsettled ones that did not move."""
    stuck, unconverged = outcomes.index("stuck"), outcomes.index("unconverged")
    wrong = np.where(codes == unconverged, ~runs.has_improved, ~runs.has_moved)
    return np.where(codes == stuck, runs.has_moved, wrong)


def choose(runs: Labelled) -> tuple[Tolerances, Descent]:
    """The tolerances and the descent with the smallest share of misjudged runs.

    Those of the course where no descent is tried; `still` as small as XOR at its floors allows.
    """
    grid = itertools.product((0.003, 0.005, 0.01, 0.02), (0.02, 0.03, 0.05, 0.07, 0.1), (0.8, 0.9, 0.95))
    options = [replace(tolerances, rest=rest, drift=drift, fall=fall) for rest, drift, fall in grid]
    course = min(options, key=lambda by: int(misjudged(runs, runs.codes(by, None)).sum()))
    pairs = itertools.product([replace(course, descent=x) for x in (0.02, 0.03, 0.05, 0.07, 0.1)], DESCENTS)
    by, descent = min(pairs, key=lambda pair: int(misjudged(runs, runs.codes(*pair)).sum()))
    at_rest = (runs.codes(by, descent) == outcomes.index("stuck")) & ~runs.has_moved
    naming = NAMING[int(np.argmax(runs.merged[at_rest].sum(axis=0)))]
    return replace(by, gap=naming.gap, floor=naming.floor), descent


def share(wrong: npt.NDArray[np.bool_], cluster: npt.NDArray[np.int64]) -> str:
    """A share in words with its 95% interval, n and the number of configurations.

    Runs of one configuration are alike: the standard error is that of a ratio of totals over configurations.
    """
    n = len(wrong)
    if n == 0:
        return "| 0 | | |"
    rate = float(wrong.mean())
    residuals = np.bincount(cluster, wrong - rate)
    k = len(np.unique(cluster))
    error = 1.96 * math.sqrt(float((residuals**2).sum()) * k / max(1, k - 1)) / n
    return f"| {n:,} | {k} | {rate:.1%} | {max(0.0, rate - error):.1%}-{min(1.0, rate + error):.1%} |"


def describe(by: Tolerances, descent: Descent) -> str:
    """The tolerances and the descent in words."""
    named = ", ".join(f"{name} {value:g}" for name, value in asdict(by).items())
    return f"{named}; {descent.epochs:,} epochs at rate {descent.rate:g}"


def rows_of(runs: Labelled, codes: npt.NDArray[np.int64]) -> list[str]:
    """The rows of the table: misjudged runs by the outcomes `codes` `[run]`."""
    wrong, rows = misjudged(runs, codes), list[str]()
    for name, meaning in (
        ("stuck", "learned, or its loss changed by more than 5%"),
        ("unconverged", "did not learn, and its loss did not fall by 5%"),
        ("unsettled", "did not learn, and its loss is within 5% of where it was"),
    ):
        mask = codes == outcomes.index(name)
        rows.append(f"| `{name}` | {meaning} {share(wrong[mask], runs.cluster[mask])}")
    return [*rows, f"| all three | {share(wrong, runs.cluster)}"]


def page(runs: Labelled) -> str:
    """The choice, and how it does on the half that it was not made on."""
    first, other = runs.take(runs.cluster % 2 == 0), runs.take(runs.cluster % 2 == 1)
    codes = other.codes(tolerances, Descent())
    stuck = codes == outcomes.index("stuck")
    rows = [
        *rows_of(other, codes),
        f"| `stuck` | learned {share(other.has_learned[stuck], other.cluster[stuck])}",
        *(
            f"| `stuck`, {kind} | learned, or changed {share(other.has_moved[mask], other.cluster[mask])}"
            for kind, mask in zip(KINDS, (stuck & of for of in other.of_kind.T), strict=True)
        ),
    ]
    at_rest = stuck & ~other.has_moved
    place = next(i for i, by in enumerate(NAMING) if (by.gap, by.floor) == (tolerances.gap, tolerances.floor))
    wording = "merges other rows, by a gap of 0.002 and a floor of 0.005"
    rows.append(f"| `stuck` and stayed | {wording} {share(~other.merged[at_rest, place], other.cluster[at_rest])}")
    head = [
        "| judged | misjudged: in ten times the epochs it | runs | configurations | share | 95% interval |",
        "|---|---|---:|---:|---:|---|",
    ]
    return "\n".join(
        [
            f"{N_CONFIGURATIONS} configurations drawn at random, {N_SEEDS} seeds each; the choice is made on one half "
            f"of the configurations ({len(first.cluster):,} failing runs, those that died or diverged left out), the "
            f"tables are of the other half.",
            f"In use: {describe(tolerances, Descent())}.",
            f"Fewest misjudged on the first half: {describe(*choose(first))}.",
            "",
            *head,
            *rows,
            "",
            "The same runs by the course of the loss alone, as it speaks where no descent is tried:",
            "",
            *head,
            *rows_of(other, other.codes(tolerances, None)),
        ]
    )


def main() -> None:
    """Train, choose, judge, print; with `--page` write docs/method.md."""
    text = page(label_runs())
    print(text)
    if "--page" in sys.argv[1:]:
        path = ROOT / "docs" / "method.md"
        before, _, rest = path.read_text().partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
