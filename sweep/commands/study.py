"""`sweep.study`: a function of one's own under many seeds, by the same loop as networks."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sweep.commands.check import Plan
from sweep.experiment import file as experiment_file
from sweep.experiment.file import ExperimentFile
from sweep.experiment.writing import study_text
from sweep.runs.errors import SettingError
from sweep.training.executor import Threads
from sweep.training.functions import Function, as_trainer, name_of
from sweep.training.own import RunByRun
from sweep.training.threads import available_cores


def plan_own(source: ExperimentFile, trainer: RunByRun, workers: int | None, confirm: int) -> Plan:
    """What an experiment of settings will do with a trainer of one's own.

    `confirm`: on how many fresh seeds the named configuration is tried again, at most as many as each one has.
    """
    if workers is not None and workers < 1:
        raise SettingError(("workers",), f"found {workers}", "allowed: a whole number from 1 up")
    n_workers = (workers or available_cores()) if trainer.is_threaded else 1
    n_confirmed = min(confirm, len(source.experiment.seeds))
    return Plan(source, trainer, Threads(n_workers), n_confirmed, 0.0)


def as_source(
    train: Callable[..., object], sections: Mapping[str, Mapping[str, Any]], called: str = "sweep.study"
) -> ExperimentFile:
    """An experiment given in Python, as the file that says the same. Raises `ExperimentFileError`."""
    text = study_text(sections, f"{called} of the function {name_of(train)}")
    experiment = experiment_file.parse(text, f"{called}({name_of(train)})", subject="settings")
    return ExperimentFile(Path(f"{name_of(train)}.yaml"), text.encode(), {}, experiment)


def plan_study(
    train: Function,
    sections: Mapping[str, Mapping[str, Any]],
    *,
    workers: int | None = None,
    timeout: float | None = None,
    retries: int = 1,
    confirm: int = 1024,
) -> Plan:
    """What `sweep.study` will do. Raises `SettingError` for limits that cannot be, `ExperimentFileError`."""
    if not callable(train):
        raise SettingError(("train",), f"found {type(train).__name__}", "allowed: a function of settings and a seed")
    if timeout is not None and not (0 < timeout < math.inf):
        raise SettingError(("timeout",), f"found {timeout}", "allowed: seconds above 0")
    if retries < 0:
        raise SettingError(("retries",), f"found {retries}", "allowed: a whole number from 0 up")
    return plan_own(as_source(train, sections), as_trainer(train, timeout=timeout, retries=retries), workers, confirm)
