"""The tables, the examples and the blocks against the experiment and against each other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.experiment.regular_files import read_regular
from sweep.networks.configuration import Configuration
from sweep.networks.criterion import n_judged
from sweep.networks.measurements import Example
from sweep.results.configurations import parse_line, recorded_lines, settings_lines
from sweep.results.contents import Contents, Table, at_most, parse_cells, run_names
from sweep.results.files import ResultsError
from sweep.results.tables import configurations_table, ranked, runs_table
from sweep.runs.outcomes import outcomes
from sweep.runs.runs import Entry
from sweep.search.allocation import Allocation

# a loss and the one that its predictions give, both float32, may differ by this, where no prediction is close to an end
loss_tolerance = 1e-3
saturated = 1e-4


def check_rows(contents: Contents) -> list[str]:
    """Rows of runs.csv that are missing, doubled, added or contradict themselves; then the text of the file as such."""
    file, names = contents.folder.runs, contents.table.column("run")
    counted = Counter(names)
    wanted = [run for p in contents.planned for run in run_names(p)]
    known = set(wanted)
    parts = [
        [f"{file.name}: {run} is missing" for run in wanted if run not in counted],
        [f"{file.name}: {run} stands {n} times" for run, n in counted.items() if n > 1],
        [
            f"{file.name}: line {i + 2}: {run} was added: {contents.folder.experiment.name} does not plan it"
            for i, run in enumerate(names)
            if run not in known
        ],
        list(_contradictions(contents)),
    ]
    findings = [finding for part in parts for finding in at_most(part, file, "such rows")]
    if findings:
        return findings
    c = contents
    content = runs_table(c.entries, c.columns, c.trainer.name, c.trainer.device)
    found = read_regular(file)
    if content == found:
        return []
    return _differing_cells(file, parse_cells(content, file.name), parse_cells(found, file.name), key="run")


def _contradictions(contents: Contents) -> Iterator[str]:
    """Rows whose columns do not agree: predictions, margin, accuracy, loss, learned, outcome."""
    file, success = contents.folder.runs.name, contents.experiment.criterion
    for entry in contents.networks:
        runs, targets = entry.runs, entry.configuration.targets()
        is_judged = runs.outcome != outcomes.index("diverged")
        wrong = {
            "outcome": runs.learned != (is_judged & success.holds(_compared(entry, success.metric))),
            "epochs_to_learn": (runs["epochs_to_learn"] >= 0) != runs.learned,
        }
        if "rest" in runs.measured:
            wrong["rest"] = (runs["rest"] != "") & (runs.outcome != outcomes.index("stuck"))
        predictions, head = _predictions(entry), entry.configuration.head
        if head.has_classes and entry.configuration.prediction_names:
            right = _are_right(entry)
            wrong["margin"] = is_judged & (
                (runs["margin"] > 0) & ~right.all(axis=1) | (runs["margin"] < 0) & right.all(axis=1)
            )
            wrong["accuracy"] = is_judged & (np.abs(runs["accuracy"] - right.mean(axis=1)) > 1e-6)
        if predictions is not None:
            wrong["margin"] = is_judged & (runs["margin"] != head.margin(predictions, targets))
            wrong["accuracy"] = is_judged & (np.abs(runs["accuracy"] - head.accuracy(predictions, targets)) > 1e-6)
            if success.metric == "max_error":
                wrong["max_error"] = is_judged & (runs["max_error"] != head.largest_error(predictions, targets))
            wrong["final_loss"] = is_judged & _has_another_loss(entry, predictions, targets)
        for column, rows in wrong.items():
            for seed in runs.seed[rows].tolist():
                yield f"{file}: {entry.configuration.id}-{seed}: {column} contradicts the other columns"


Predictions = npt.NDArray[np.float32]


def _compared(entry: Entry[Configuration], metric: str) -> npt.NDArray[Any]:
    """What the criterion compares, as the table has it; the accuracy stands there with six decimals."""
    if metric == "accuracy":
        n = n_judged(entry.configuration)
        return np.rint(entry.runs["accuracy"] * n) / n
    return entry.runs["final_loss" if metric == "loss" else metric]


def _predictions(entry: Entry[Configuration]) -> Predictions | None:
    """The predictions `[model, row, output]`, None where the table has none, or classes in their place."""
    task, runs = entry.configuration.task, entry.runs
    if not task.prediction_names or not len(runs) or entry.configuration.head.has_classes:
        return None
    flat = np.stack([runs[name] for name in task.prediction_names], axis=1)
    return flat.reshape(len(runs), task.n_rows, task.n_outputs)


def _are_right(entry: Entry[Configuration]) -> npt.NDArray[np.bool_]:
    """Whether each row of a table has its class, `[model, row]`."""
    c = entry.configuration
    found = np.stack([entry.runs[name] for name in c.prediction_names], axis=1)
    return found == c.targets().argmax(axis=1)


def _has_another_loss(
    entry: Entry[Configuration], predictions: Predictions, targets: Predictions
) -> npt.NDArray[np.bool_]:
    p = predictions.astype(np.float64)
    head = entry.configuration.head
    losses = head.entry_losses(p, targets.astype(np.float64)).mean(axis=(1, 2))
    is_clear = np.ones(len(p), np.bool_)
    if head.takes_sums:
        least = np.minimum(p, 1 - p) if head.smoothing else np.where(targets > 0, p, 1 - p)
        is_clear = (least > saturated).all(axis=(1, 2))
    return is_clear & ~(np.abs(losses - entry.runs["final_loss"]) <= loss_tolerance * np.maximum(losses, 0.1))


def _differing_cells(file: Path, wanted: Table, found: Table, key: str) -> list[str]:
    """The cells of a table that are not those of the one that it should be."""
    if found.columns != wanted.columns:
        return [f"{file.name}: its columns are not those that the experiment gives"]
    own, known = found.column(key), set(wanted.column(key))
    findings = [f"{file.name}: {name} is missing" for name in wanted.column(key) if name not in set(own)]
    findings += [f"{file.name}: {name} stands {n} times" for name, n in Counter(own).items() if n > 1]
    findings += [f"{file.name}: {name} was added" for name in own if name not in known]
    if not findings:
        by_name = dict(zip(wanted.column(key), wanted.rows, strict=True))
        for name, row in zip(own, found.rows, strict=True):
            for column, a, b in zip(found.columns, row, by_name[name], strict=True):
                if a != b:
                    findings.append(
                        f"{file.name}: {name}: {column}: found {a or 'nothing'}, should be {b or 'nothing'}"
                    )
    if not findings and own != wanted.column(key):
        findings.append(f"{file.name}: its rows are not in their order")
    return at_most(findings or [f"{file.name}: is written in another way than a sweep writes it"], file, "cells")


def check_configurations(contents: Contents) -> list[str]:
    """What of configurations.csv is not what the rows of runs.csv give, byte for byte."""
    file = contents.folder.configurations
    content = configurations_table(contents.entries, contents.columns, Allocation.of(contents.experiment))
    if not file.exists() or read_regular(file) == content:
        return []
    try:
        wanted, found = parse_cells(content, file.name), parse_cells(read_regular(file), file.name)
        return _differing_cells(file, wanted, found, key="configuration")
    except ResultsError as error:
        return [str(error)]


def check_settings(contents: Contents) -> list[str]:
    """Lines of configurations.jsonl that cannot be read, whose id is not that of their settings, missing or added."""
    file = contents.folder.settings
    wanted = [e.configuration for e in ranked(contents.entries, Allocation.of(contents.experiment))]
    if not file.exists() or read_regular(file) == b"".join(settings_lines(wanted, contents.experiment.kind)):
        return []
    findings: list[str] = []
    found: list[str] = []
    for number, line in enumerate(recorded_lines(file), start=1):
        try:
            found.append(parse_line(line, f"{file.name}: line {number}").subject.id)
        except ResultsError as error:
            findings.append(str(error))
    if findings:
        return at_most(findings, file, "such lines")
    own, planned = (Table(("configuration",), tuple((x,) for x in ids)) for ids in (found, [c.id for c in wanted]))
    return _differing_cells(file, planned, own, key="configuration")


def check_examples(contents: Contents) -> list[str]:
    """Examples that are missing or added, or whose last state is not that of their row."""
    file = contents.folder.examples
    if not file.exists():
        return []
    try:
        kept = contents.folder.read_examples()
    except ResultsError as error:
        return [str(error).replace(str(file), file.name)]
    entries = {e.configuration.id: e for e in contents.networks}
    wanted = {
        f"{e.configuration.id}-{e.runs.seed[e.runs.outcome == code].min()}"
        for e in contents.networks
        for code in np.unique(e.runs.outcome)
    }
    found = [example.run for example in kept]
    findings = [f"{file.name}: {run} is missing" for run in sorted(wanted - set(found))]
    findings += [f"{file.name}: {run} stands {n} times" for run, n in Counter(found).items() if n > 1]
    findings += [f"{file.name}: {run} was added" for run in found if run not in wanted]
    for example in kept:
        if example.run in wanted:
            problem = _example_problem(example, entries[example.configuration])
            if problem:
                findings.append(f"{file.name}: {example.run}: {problem}")
    return at_most(findings, file, "such examples")


def _example_problem(example: Example, entry: Entry[Configuration]) -> str | None:
    (row,) = np.flatnonzero(entry.runs.seed == example.seed)
    runs, c = entry.runs, entry.configuration
    if len(example.weights) != c.n_parameters or example.predictions.shape[1:] != (c.task.n_rows, c.n_outputs):
        return "is of another shape than its configuration"
    if example.outcome != outcomes[runs.outcome[row]]:
        return f"its outcome is {example.outcome}, in runs.csv {outcomes[runs.outcome[row]]}"
    known = _predictions(entry)
    row_predictions = example.predictions[-1] if known is None else known[row]
    pairs: Sequence[tuple[str, npt.NDArray[np.float32], npt.NDArray[np.float32]]] = (
        ("loss", example.losses[-1:], runs["final_loss"][row : row + 1]),
        ("predictions", example.predictions[-1], row_predictions),
    )
    margin = c.head.margin(example.predictions[-1:], c.targets())
    for name, own, of_row in (*pairs, ("margin", margin, runs["margin"][row : row + 1])):
        is_known = np.isfinite(of_row)
        if not np.array_equal(own[is_known], of_row[is_known]):
            return f"its last {name} is not that of runs.csv"
    return None


def check_parts(contents: Contents) -> list[str]:
    """Blocks of an unfinished sweep: what they say of rows that the table has too."""
    folder = contents.folder
    if not folder.parts.exists():
        return []
    findings = [f"{folder.parts.name}: an unfinished sweep; sweep run with the same experiment goes on with it"]
    try:
        blocks, _ = folder.read_parts(str(contents.trainer))
    except ResultsError as error:
        return [*findings, str(error).replace(f"{folder.path}/", "")]
    entries = {e.configuration.id: e for e in contents.entries}
    for identity, runs in blocks.items():
        if identity not in entries:
            findings.append(f"{folder.parts.name}: {identity} is not planned")
            continue
        known = entries[identity].runs
        both, a, b = np.intersect1d(known.seed, runs.seed, return_indices=True)
        differs = known.outcome[a] != runs.outcome[b]
        if contents.experiment.subject == "network":
            are_bits_unlike = known["final_loss"][a].view(np.uint32) != runs["final_loss"][b].view(np.uint32)
            is_finite = np.isfinite(known["final_loss"][a]) | np.isfinite(runs["final_loss"][b])
            differs |= are_bits_unlike & is_finite
        findings += [f"{folder.parts.name}: {identity}-{seed} is not as in runs.csv" for seed in both[differs].tolist()]
    return at_most(findings, folder.parts, "findings")
