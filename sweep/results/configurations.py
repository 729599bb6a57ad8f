"""The configuration behind an id in a results folder: from its row and the tasks of the experiment."""

import csv
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sweep.experiment import file as experiment_file
from sweep.experiment.dimensions import Choices
from sweep.experiment.experiment import Experiment
from sweep.networks.configuration import Configuration
from sweep.networks.settings import hyperparameters, resolve
from sweep.results.files import ResultsError
from sweep.results.results import Results
from sweep.runs.errors import SettingError

_whole = ("samples", "depth", "batch_size", "epochs")
_fractions = ("dropout", "learning_rate")
_named = ("activation", "optimizer", "kernel_initializer", "bias_initializer")


def row_texts(results: Results, table: str, key: str, value: str) -> dict[str, str] | None:
    """The first row of `runs` or `configurations` whose column `key` is `value`, its cells as in the file."""
    path = results.folder.runs if table == "runs" else results.folder.configurations
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return next((row for row in csv.DictReader(file) if row.get(key) == value), None)
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: cannot be read: {error}") from None


def configuration_of(results: Results, identity: str) -> Configuration:
    """The configuration of this id. Raises `ResultsError` where its row and the experiment do not make it."""
    row = row_texts(results, "configurations", "configuration", identity)
    if row is None:
        raise ResultsError(f"{results.folder.configurations}: no configuration {identity}")
    tasks = _tasks_by_label(experiment_file.load(results.folder.experiment))
    try:
        found = resolve(_settings(row) | {"task": tasks[row["task"]]})
    except (SettingError, KeyError, ValueError) as error:
        raise ResultsError(f"{results.folder.configurations}: {identity}: its row cannot be read: {error}") from None
    if found.id != identity:
        raise ResultsError(
            f"{results.folder.configurations}: {identity}: its row and experiment.yaml make {found.id}; "
            "one of the two files was changed"
        )
    return found


def _settings(row: Mapping[str, str]) -> dict[str, Any]:
    """A row's hyperparameters, the task left out, as an experiment file would have them."""
    settings: dict[str, Any] = {}
    for name in hyperparameters:
        text = row.get(name, "")
        if text == "" or name in ("task", "width", "depth"):
            continue
        if name in _whole:
            settings[name] = int(text)
        elif name in _fractions:
            settings[name] = float(text)
        elif name in _named:
            settings[name] = parse_label(text)
        else:
            settings[name] = text == "True" if name == "use_bias" else text
    units = [int(n) for n in row["width"].split("-")]
    depth = int(row["depth"])
    if depth == 0:
        return settings | {"depth": 0}
    return settings | {"layers": units if len(units) > 1 else units * depth}


def parse_label(label: str) -> dict[str, Any]:
    """A name with arguments as it stands in the tables, as the mapping of an experiment file.

    >>> parse_label("sgd(momentum=0.9,nesterov=true)")
    {'name': 'sgd', 'momentum': 0.9, 'nesterov': True}
    """
    name, _, rest = label.partition("(")
    return {"name": name, **{key: _plain(text) for key, text in re.findall(r"(\w+)=([^,)]+)", rest)}}


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _task_settings(experiment: Experiment) -> Iterator[Any]:
    """Every task that the experiment names, and the default."""
    yield resolve({}).task.label
    for settings in (experiment.fixed, *experiment.cases):
        if "task" in settings:
            yield settings["task"]
    varied = experiment.vary.get("task")
    if isinstance(varied, Choices):
        yield from varied.values


def _tasks_by_label(experiment: Experiment) -> dict[str, Any]:
    return {resolve({"task": setting}).task.label: setting for setting in _task_settings(experiment)}
