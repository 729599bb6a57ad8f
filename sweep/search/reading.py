"""Reading a study without an effect on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, get_storage
from optuna.trial import TrialState

from sweep.experiment.experiment import Experiment, shown_storage
from sweep.runs.errors import SettingError
from sweep.search.parameters import value_of
from sweep.search.storage import CopiedJournal, ReadOnlyJournal, reason_of, refusals, stored_name


@dataclass(frozen=True)
class StoredTrial:
    """A trial as the study has it: its place in the order of suggestions, the point, the id of the configuration there.

    seeds: the first and how many; values: what was told, None where nothing was.
    """

    index: int
    point: Mapping[str, Any]
    configuration: str
    seeds: tuple[int, int]
    values: tuple[float, ...] | None


Study = optuna.Study


def read_study(storage: Path | str, name: str, *, is_copied: bool = False) -> Study:
    """The study `name`, to be read; a journal `is_copied` into memory, where it may be written.

    Raises `SettingError` where there is no such study, or one that cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = ("study", "storage")
    file = storage if isinstance(storage, Path) else Path(storage.partition(":///")[2])
    if (isinstance(storage, Path) or storage.startswith("sqlite:///")) and not file.exists():
        raise SettingError(place, f"no file {file}", "allowed: the study that the sweep left")
    try:
        journal = CopiedJournal if is_copied else ReadOnlyJournal
        opened = JournalStorage(journal(storage)) if isinstance(storage, Path) else get_storage(storage)
        sampler = optuna.samplers.RandomSampler(0)
        return optuna.load_study(storage=opened, study_name=stored_name(opened, name) or name, sampler=sampler)
    except (*refusals(storage), OSError) as error:
        raise _unreadable(storage, error) from None


def number_of(study: Study) -> int:
    """The number by which its storage knows a study."""
    return study._study_id  # pyright: ignore[reportPrivateUsage]


def storage_of(study: Study) -> BaseStorage:
    """Where a study is kept."""
    return study._storage  # pyright: ignore[reportPrivateUsage]


def _unreadable(storage: Path | str, error: Exception) -> SettingError:
    message = f"{shown_storage(str(storage))} cannot be read: {reason_of(error)}"
    return SettingError(("study", "storage"), message, "allowed: the study of this sweep")


def stored_trials(experiment: Experiment, storage: Path | str, name: str) -> list[StoredTrial]:
    """The trials of the study `name` that were suggested completely and not given up, in the order of suggestions.

    Reads only. Raises `SettingError` where there is no such study, or one that cannot be read.
    """
    dimensions = experiment.dimensions()
    study = read_study(storage, name)
    try:
        states = (TrialState.COMPLETE, TrialState.RUNNING)
        kept = [t for t in study.get_trials(deepcopy=False, states=states) if "index" in t.user_attrs]
        block: dict[str, Any] = {}
        if experiment.study.trial == "run":  # a trial for each network: one of each suggestion says what it was
            kept = list({t.user_attrs["index"]: t for t in kept}.values())
            block = {"first_seed": experiment.seeds.seeds()[0], "n_seeds": len(experiment.seeds)}
        found = [
            StoredTrial(
                index=int(t.user_attrs["index"]),
                point={k: value_of(d, t.params[k]) for k, d in dimensions.items()},
                configuration=str(t.user_attrs["configuration"]),
                seeds=(int({**block, **t.user_attrs}["first_seed"]), int({**block, **t.user_attrs}["n_seeds"])),
                values=None if t.state != TrialState.COMPLETE else tuple(t.values),
            )
            for t in kept
        ]
    except (*refusals(storage), StopIteration, OSError) as error:
        raise _unreadable(storage, error) from None
    return sorted(found, key=lambda t: t.index)
