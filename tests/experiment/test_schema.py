"""The schema for editors: it takes what the reader of experiment files takes, and refuses what is wrong in itself."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.malformed import mistakes
from support.shell import call

from sweep.experiment import file as experiment_file
from sweep.experiment import schema
from sweep.experiment.yaml_text import Source, YamlError
from sweep.networks.settings import hyperparameters

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").rglob("*.yaml"))
VALIDATOR = jsonschema.Draft7Validator(schema.experiment_schema())


def errors(value: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(value)]


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(schema.experiment_schema())
    assert set(schema.descriptions) == {*hyperparameters, "seed"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_every_experiment_is_valid(path: Path) -> None:
    assert errors(Source(path.read_text()).value) == []


def test_the_template_is_valid() -> None:
    assert errors(Source(experiment_file.template()).value) == []


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "fixed:",
        "fixed: {batch_size: full, samples: null, learning_rate: null, layers: [4, 2], seed: 3}",
        "fixed: {task: {name: parity, bits: 8}, optimizer: {name: adam, learning_rate: 0.1, amsgrad: true}}",
        "fixed: {task: {inputs: [[0.5], [1]], targets: [[0], [1]]}}",
        "vary: {output: [tanh, {name: elu, alpha: 0.5}, {activation: linear, use_bias: false}], targets: [bipolar]}",
        "fixed: {loss: {name: huber, delta: 0.5}}",
        "vary: {layers: [[4, {units: 2, activation: {name: elu, alpha: 0.5}, dropout: 0.1}], null]}",
        "vary: {task: [xor, {file: data.csv, targets: [y]}], width: {low: 2, high: 8, step: 2}, seed: [1, 5]}",
        "{study: {objective: success_rate}, vary: {seed: {count: 4, up_to: 16}}}",
        "{vary: {seed: {count: 4, until: half_width 0.1}}, reliability: {family: fwer}}",
        "study: {objective: [success_rate, n_parameters], sampler: tpe, trials: 9}",
    ],
)
def test_every_form_is_valid(text: str) -> None:
    assert errors(Source(text).value) == []


@pytest.mark.parametrize(
    "text",
    [
        "vary: {widht: [1]}",
        "fixed: {width: 0}",
        "fixed: {width: [2]}",
        "fixed: {dropout: 1.0}",
        "fixed: {activation: rleu}",
        "fixed: {optimizer: {name: sgd, beta_1: 0.9}}",
        "fixed: {optimizer: {name: sgd, momentum: 2}}",
        "fixed: {task: {name: parity, bits: 9}}",
        "fixed: {task: {inputs: [[0]], targets: [[2]]}}",
        "vary: {activation: {low: 1, high: 2}}",
        "fixed: {layers: [{activation: tanh}]}",
        "fixed: {output: {units: 2}}",
        "fixed: {loss: {name: hinge, delta: 1}}",
        "fixed: {activation: softmax}",
        "fixed: {layers: [{units: 2, width: 3}]}",
        "fixed: {kernel_regularizer: {name: l2, l2: -1}}",
        "fixed: {learning_rate: {name: cosine_decay, decay_steps: 9}}",
        "fixed: {learning_rate: {name: piecewise_constant_decay, boundaries: [], values: [0.1]}}",
        "fixed: {optimizer: {name: sgd, learning_rate: {name: cosine_decay, initial_learning_rate: 1}}}",
        "fixed: {layers: [{units: 2, use_bias: 3}]}",
        "vary: {width: []}",
        "cases: [{widht: 1}]",
        "study: {sampler: gird}",
        "study: {trial: seed}",
        "study: {objective: accuracy}",
        "reliability: {target: 1}",
        "reliability: {family: all}",
        "results: 1",
    ],
)
def test_every_mistake_is_refused_by_both(text: str) -> None:
    assert errors(Source(text).value)
    with pytest.raises(experiment_file.ExperimentFileError):
        experiment_file.parse(text)


def test_most_malformed_files_are_refused() -> None:
    """Those that it takes are wrong in how two values go together; a few are no text that has values."""
    n_refused, taken = 0, list[str]()
    for name, (text, _, _) in mistakes.items():
        try:
            value = Source(text).value
        except YamlError:
            continue
        if errors(value):
            n_refused += 1
        else:
            taken.append(name)
    assert n_refused > 2 * len(taken), taken


def test_new_writes_the_schema_where_its_line_says(tmp_path: Path) -> None:
    assert call("new", tmp_path / "mine.yaml").exit_code == 0
    named = (tmp_path / "mine.yaml").read_text().splitlines()[0].partition("$schema=")[2]
    assert json.loads((tmp_path / named).read_text()) == schema.experiment_schema()
