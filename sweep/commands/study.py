"""Somebody's own function or program under many seeds, by the same loop as networks."""

import os
from collections.abc import Callable
from pathlib import Path

from sweep.commands.check import Plan, n_confirmation
from sweep.experiment import file as experiment_file
from sweep.experiment.experiment import Experiment
from sweep.experiment.file import ExperimentFile
from sweep.experiment.writing import Sections, study_text
from sweep.runs.errors import SettingError
from sweep.runs.limits import Limits
from sweep.training import functions, many, programs
from sweep.training.executor import Threads
from sweep.training.functions import Function, name_of
from sweep.training.many import ManyFunction
from sweep.training.programs import Command
from sweep.training.threads import available_cores
from sweep.training.trainer import Trainer

MakeTrainer = Callable[[Limits, int], Trainer]


def plan_own(source: ExperimentFile, trainer: MakeTrainer, workers: int | None, confirm: int) -> Plan:
    """What an experiment of settings will do with a trainer of one's own.

    trainer: makes it, of the experiment's limits, for a number of workers. `confirm`: on how many fresh seeds the named
    configuration is tried again, at most as many as each one has.
    """
    if workers is not None and workers < 1:
        raise SettingError(("workers",), f"found {workers}", "allowed: a whole number from 1 up")
    if confirm < 0:
        raise SettingError(("confirm",), f"found {confirm}", "allowed: a number of seeds, 0 for none")
    limits = source.experiment.limits
    n_workers = workers or max(1, available_cores() // limits.cores)
    made = trainer(limits, n_workers)
    n_confirmed = min(confirm, len(source.experiment.seeds))
    return Plan(source, made, Threads(n_workers if made.is_threaded else 1), n_confirmed, 0.0)


def of_function(train: Function) -> MakeTrainer:
    """What makes a trainer of a function. Raises `SettingError` for something that cannot be called."""
    if not callable(train):
        raise SettingError(("train",), f"found {type(train).__name__}", "allowed: a function of settings and a seed")
    return lambda limits, n_workers: functions.as_trainer(train, limits, n_workers)


def of_many(train: ManyFunction) -> MakeTrainer:
    """What makes a trainer of a function of many seeds. Raises `SettingError` for something that cannot be called."""
    if not callable(train):
        raise SettingError(
            ("train_many",), f"found {type(train).__name__}", "allowed: a function of settings and seeds"
        )
    return lambda limits, _: many.as_trainer(train, limits)


def of_program(argv: tuple[str, ...], experiment: Experiment) -> MakeTrainer:
    """What makes a trainer of a program. Raises `SettingError` where its places are not those settings."""
    command = Command(argv)
    varied = {**experiment.vary, **{name: None for case in experiment.cases for name in case}}
    command.check(varied, experiment.names)
    return lambda limits, n_workers: programs.as_trainer(command, limits, n_workers)


def as_source(train: object, sections: Sections, called: str = "sweep.study") -> ExperimentFile:
    """An experiment given in Python, as the file that says the same. Raises `ExperimentFileError`."""
    text = study_text(sections, f"{called} of the function {name_of(train)}")
    experiment = experiment_file.parse(text, f"{called}({name_of(train)})", subject="settings")
    return ExperimentFile(Path(f"{name_of(train)}.yaml"), text.encode(), {}, experiment)


def plan_file(
    path: str | os.PathLike[str],
    trainer: Callable[[Experiment], MakeTrainer],
    *,
    workers: int | None = None,
    confirm: int = n_confirmation,
) -> Plan:
    """What an experiment file of settings will do with a trainer of one's own.

    `trainer`: `of_function` or `of_program`, of the experiment. Raises `ExperimentFileError`, `SettingError`.
    """
    source = experiment_file.read(path, "settings")
    return plan_own(source, trainer(source.experiment), workers, confirm)


def plan_study(
    train: Function | None,
    train_many: ManyFunction | None,
    sections: Sections,
    *,
    workers: int | None = None,
    confirm: int = n_confirmation,
) -> Plan:
    """What `sweep.study` will do, with one of the two functions. Raises `SettingError`, `ExperimentFileError`."""
    if (train is None) == (train_many is None):
        found = "found " + ("neither" if train is None else "both")
        raise SettingError(("train", "train_many"), found, "allowed: one of the two functions")
    if train is not None:
        return plan_own(as_source(train, sections), of_function(train), workers, confirm)
    assert train_many is not None
    return plan_own(as_source(train_many, sections), of_many(train_many), workers, confirm)
