"""Going on with a sweep: which experiment a results folder, and a study in a storage, may belong to."""

import hashlib
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, cast

from sweep.experiment import file as experiment_file
from sweep.experiment.dimensions import Choices, Range
from sweep.experiment.experiment import Experiment, Study, shown_storage
from sweep.experiment.seeds import SeedBlock
from sweep.networks.tasks import Task
from sweep.results.files import ResultsError, free_name, write_atomically
from sweep.results.folder import Folder
from sweep.results.lock import locked
from sweep.runs.errors import show
from sweep.statistics.verdicts import Target
from sweep.training.trainer import Trainer, TrainerName


def study_name(experiment: Experiment, trainer: Trainer | TrainerName) -> str:
    """A name that carries the space and what decides a rate: Optuna cannot change a parameter's choices later.

    A storage URL may hold the studies of many folders.
    """
    space = _canonical(experiment)
    space["study"]["storage"] = shown_storage(experiment.study.storage)
    if set(space["reliability"]) == {"margin"}:
        space["reliability"] = experiment.reliability.margin
    space["order"] = list(experiment.dimensions())
    if experiment.seeds.up_to is not None:  # what decides how many seeds a rate is of
        r = experiment.reliability
        space["looks"] = ("one-sided mixtures", r.target, r.confidence, r.family, experiment.n_trials)
    space["engine"] = (trainer.name, trainer.device)
    digest = hashlib.sha256(json.dumps(space, sort_keys=True, default=str).encode()).hexdigest()
    return f"sweep-{digest[:12]}"


# what names have been made of from the first on; a field that came later is part of them where it is not its default
_first_fields: Mapping[type, tuple[str, ...]] = {
    Experiment: ("fixed", "vary", "cases", "seeds", "study", "reliability"),
    Choices: ("values",),
    Range: ("low", "high", "step", "log"),
    SeedBlock: ("first", "count", "listed", "up_to"),
    Study: ("sampler", "seed", "objective", "trials_per_round", "storage", "trial"),
    Target: ("margin",),
}
# what may grow, and what no rate depends on
_never_named = ("trials", "target", "confidence", "family", "retries", "cores", "gpus")


def _canonical(value: Any) -> Any:
    """A value as a study's name has it: a mapping of its fields, the same when there are more of them."""
    if isinstance(value, Task):
        return {"label": value.label, "inputs": value.inputs, "targets": value.targets}
    if is_dataclass(value):
        first = next((names for kind, names in _first_fields.items() if isinstance(value, kind)), ())
        return {
            f.name: _canonical(getattr(value, f.name))
            for f in fields(value)
            if f.name in first or (f.name not in _never_named and getattr(value, f.name) != _default(f))
        }
    if isinstance(value, Mapping):
        return {k: _canonical(v) for k, v in cast(Mapping[Any, Any], value).items()}
    return [_canonical(x) for x in cast(list[Any], value)] if isinstance(value, list | tuple) else value


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    """Values as mappings and what these hold; a table stays one, so that it is not shown whole."""
    if isinstance(value, tuple | list) and any(isinstance(x, Task) for x in cast(list[Any], value)):
        value = dict(enumerate(cast(list[Any], value)))
    elif is_dataclass(value) and not isinstance(value, Task):
        value = {f.name: getattr(value, f.name) for f in fields(value)}
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _extendable(experiment: Experiment) -> dict[str, Any]:
    """The experiment as a plain mapping, without what may grow in a folder that exists."""
    plain = _plain(experiment)
    plain["study"].pop("trials")
    plain["study"]["storage"] = shown_storage(experiment.study.storage)
    for free in ("retries", "cores", "gpus"):
        plain["limits"].pop(free)
    if experiment.seeds.listed is None:
        plain["seeds"].pop("count")
    plain["seeds"]["up_to"] = "given" if experiment.seeds.up_to else "not given"
    return plain


def _experiment_differences(old: Experiment, new: Experiment) -> Iterator[str]:
    """What keeps a folder of `old` from being used for `new`, in words."""
    yield from _differences(_extendable(old), _extendable(new))
    if set(old.vary) == set(new.vary) and list(old.vary) != list(new.vary):
        yield f"the order of vary: there {', '.join(old.vary)}, here {', '.join(new.vary)}"
    is_smaller = len(old.seeds) > len(new.seeds) or old.seeds.count > new.seeds.count
    if is_smaller or old.n_trials > new.n_trials:
        yield (
            f"there {old.n_trials} trials of {old.seeds.amount()} seeds, "
            f"here {new.n_trials} of {new.seeds.amount()}: a folder can grow, not shrink"
        )


def _differences(old: Any, new: Any, place: str = "") -> Iterator[str]:
    if isinstance(old, Task) and isinstance(new, Task):
        if old != new:
            yield f"{place}: another table: {_table_difference(old, new)}"
    elif isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}, key=str):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else str(key))
    elif old != new:
        there, here = ("not named" if value is None else value for value in (old, new))
        yield f"{place}: there {there}, here {here}"


def _table_difference(old: Task, new: Task) -> str:
    rows = zip(zip(old.inputs, old.targets, strict=True), zip(new.inputs, new.targets, strict=True), strict=False)
    for i, (before, after) in enumerate(rows, start=1):
        if before != after:
            return f"row {i} is there {show(before)}, here {show(after)}"
    return f"there {old.n_rows} rows, here {new.n_rows}"


@contextmanager
def held(folder: Folder, *, is_fresh: bool) -> Generator[None]:
    """Make the folder where there is none, and keep other sweeps out of it.

    One that is to be `fresh` moves aside what is there. Raises `ResultsError` where another sweep is in the folder.
    """
    if is_fresh and folder.path.exists():
        with locked(folder.lock):
            aside = Folder(free_name(folder.path))
            folder.path.rename(aside.path)
            aside.lock.unlink()
    is_new = not folder.path.exists()
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder.lock):
            yield
    finally:
        if is_new and not any(folder.path.iterdir()):
            folder.path.rmdir()


def prepare(folder: Folder, content: bytes, experiment: Experiment, tables: Mapping[str, bytes] = {}) -> list[str]:
    """Make the folder ready: refuse another experiment's, keep the experiment's file verbatim.

    `tables`, the contents of the files that the experiment names, are kept beside it, so that the folder is whole.
    A file of the same meaning leaves the one that is there: the manifest vouches for its bytes. Files that a sweep can
    make anew and that cannot be read get another name; what was done about them comes back, in words.
    """
    before = check_holds(folder, experiment, tables)
    folder.remove_leftovers()
    done = folder.set_aside_damaged() if before is not None else []
    if before != experiment:
        folder.write_tables(tables)
        write_atomically(folder.experiment, content)
    return done


def check_holds(folder: Folder, experiment: Experiment, tables: Mapping[str, bytes] = {}) -> Experiment | None:
    """The experiment that a folder is of, None of a new one, where `experiment` may be run there.

    Raises `ResultsError` where the folder holds something else.
    """
    if folder.experiment.exists():
        before = _experiment_of(folder, experiment.subject)
        differences = list(_experiment_differences(before, experiment))
        if differences:
            raise ResultsError(
                f"{folder.path}: holds another experiment\n  "
                + "\n  ".join(differences[:8])
                + "\n  choose another --out, or --fresh to move it aside"
            )
        return before
    if folder.has_other_files(tables):
        raise ResultsError(f"{folder.path}: holds other files and no experiment.yaml; choose another --out")
    return None


def _experiment_of(folder: Folder, subject: str) -> Experiment:
    """The experiment that a folder is of; its file is written once, so that damage to it came from outside."""
    try:
        return experiment_file.load(folder.experiment, subject)
    except experiment_file.ExperimentFileError as error:
        raise ResultsError(f"{error}\n  put the file back, or --fresh to move the folder aside") from None
