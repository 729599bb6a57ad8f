"""The name of a study: stored studies are found by it, so it stays what it was when fields are added."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sweep.experiment.experiment import Experiment, Study
from sweep.experiment.file import load, parse
from sweep.experiment.seeds import SeedBlock
from sweep.networks.tasks import table_task
from sweep.results.resume import study_name
from sweep.statistics.verdicts import Target
from sweep.training.trainer import TrainerName

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NATIVE = TrainerName("native", "cpu")
MANY = """
fixed: {task: {inputs: [[0.5, 1], [1, 1]], targets: [[1], [0]]}, epochs: 40, samples: null}
vary:
  width: {low: 2, high: 8, step: 2}
  learning_rate: {low: 1e-3, high: 1, log: true}
  optimizer: [adam, {name: sgd, momentum: 0.9}]
  seed: {first: 3, count: 16, up_to: 64}
cases: [{batch_size: 1}, {batch_size: full, use_bias: no}]
study: {sampler: tpe, trials: 9, seed: 4, objective: [success_rate, n_parameters], trials_per_round: 8, trial: run,
        storage: "postgresql://ann:secret@db/studies"}
reliability: {target: 0.8, confidence: 0.9, margin: 0.25}
"""


@pytest.mark.parametrize(
    ("experiment", "trainer", "name"),
    [
        (Experiment(), NATIVE, "sweep-ef97b0784ee0"),
        (Experiment(), TrainerName("fused", "gpu"), "sweep-c235b53e4a1b"),
        (Experiment(seeds=SeedBlock(listed=(9, 2))), NATIVE, "sweep-97706827d32a"),
        (Experiment(fixed={"task": table_task([[0.5], [-2]], [[0], [1]])}), NATIVE, "sweep-555a48672dbe"),
        (parse(MANY), NATIVE, "sweep-e38d39baf47a"),
        (load(EXPERIMENTS / "xor.yaml"), NATIVE, "sweep-b5da58a1e1a8"),
        (load(EXPERIMENTS / "adaptive.yaml"), NATIVE, "sweep-9b6b3b561c92"),
    ],
)
def test_stored_studies_keep_their_names(experiment: Experiment, trainer: TrainerName, name: str) -> None:
    assert study_name(experiment, trainer) == name


def test_what_may_grow_and_what_is_secret_are_no_part_of_the_name() -> None:
    one = parse(MANY.replace(", up_to: 64", ""))
    other = replace(one, study=replace(one.study, trials=10, storage="postgresql://ann:other@db/studies"))
    assert study_name(one, NATIVE) == study_name(other, NATIVE)
    assert study_name(one, NATIVE) == study_name(replace(one, reliability=Target(0.7, 0.6, 0.25)), NATIVE)
    different = (
        replace(one, study=replace(one.study, seed=5)),
        replace(one, reliability=Target(0.8, 0.9, 0.0)),
        replace(one, vary=dict(reversed(list(one.vary.items())))),
        replace(one, cases=one.cases[:1]),
    )
    assert len({study_name(e, NATIVE) for e in (one, *different)}) == 5


def test_what_decides_how_many_seeds_a_rate_is_of_is_part_of_the_name() -> None:
    one = parse(MANY)
    different = (
        replace(one, study=replace(one.study, trials=10)),
        replace(one, reliability=Target(0.7, 0.9, 0.25)),
        replace(one, reliability=Target(0.8, 0.9, 0.25, "fwer")),
    )
    assert len({study_name(e, NATIVE) for e in (one, *different)}) == 4


@dataclass(frozen=True)
class LaterStudy(Study):
    shots: int = 1


@dataclass(frozen=True)
class LaterTarget(Target):
    success: str | None = None


@dataclass(frozen=True)
class LaterExperiment(Experiment):
    limits: tuple[float, ...] = ()


def test_a_field_that_came_later_counts_where_it_is_set() -> None:
    def later(shots: int = 1, success: str | None = None, limits: tuple[float, ...] = ()) -> str:
        study, reliability = LaterStudy(shots=shots), LaterTarget(success=success)
        later = LaterExperiment(seeds=SeedBlock(0, 5), study=study, reliability=reliability, limits=limits)
        return study_name(later, NATIVE)

    assert later() == study_name(Experiment(seeds=SeedBlock(0, 5)), NATIVE)
    assert len({later(), later(shots=2), later(success="loss < 0.01"), later(limits=(1.0,))}) == 4
