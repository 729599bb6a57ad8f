"""A task from its settings, and back: by a name, or by rows of one's own; then what is done to any table."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, cast

from sweep.networks import drawn_tasks, splits, tasks
from sweep.networks.tasks import Task
from sweep.networks.vocabulary import Named, Signature, name_and_arguments, named
from sweep.runs.errors import SettingError, at, did_you_mean

signatures: Mapping[str, Signature] = {**tasks.signatures, **drawn_tasks.signatures}
# a task by its name takes what any table does
all_signatures = {name: {**signature, **splits.signature} for name, signature in signatures.items()}


def resolve_task(value: object) -> Task:
    """The task of a setting; one that was read from a file before is one already. Raises `SettingError`.

    >>> resolve_task({"name": "moons", "rows": 40, "test": 0.25}).label
    'moons(rows=40,noise=0.1,seed=0,test=0.25,test_seed=0)'
    """
    if isinstance(value, Task):
        return value
    with at("task"):
        if isinstance(value, Mapping) and "name" not in value:
            return _given_task(cast(Mapping[str, object], value))
        return named_task(*name_and_arguments(cast(object, value)))


def named_task(name: str, arguments: Mapping[str, object]) -> Task:
    """A task by its name: `named_task("parity", {"bits": 3})`. Raises `SettingError`."""
    return _named_task(named(name, arguments, all_signatures))


@cache
def _named_task(chosen: Named) -> Task:
    given = dict(chosen.arguments)
    own = Named(chosen.name, tuple((key, given.pop(key)) for key in signatures[chosen.name]))
    make = drawn_tasks.drawn_task if own.name in drawn_tasks.signatures else tasks.ruled_task
    return splits.prepared(make(own), given)


def _given_task(table: Mapping[str, object]) -> Task:
    if "file" in table:
        raise SettingError(("file",), "a task whose file was not read", "allowed here: {inputs: .., targets: ..}")
    keys = ("inputs", "targets", "classes", *splits.signature)
    for key in table:
        if key not in keys:
            raise SettingError((key,), "no such key of a task", did_you_mean(key, ("name", *keys)))
    for key in ("inputs", "classes" if "classes" in table else "targets"):
        if key not in table:
            raise SettingError((), f"a task without {key}", "allowed: {name: ..}, or {inputs: [[..]], targets: [[..]]}")
    if "classes" in table and "targets" in table:
        raise SettingError(("classes",), "beside targets", "allowed: one of the two")
    if "classes" in table:
        task = tasks.class_task(table["inputs"], table["classes"])
    else:
        task = tasks.table_task(table["inputs"], table["targets"])
    task = splits.prepared(task, table)
    return task if task.is_small and task.class_names is None else replace(task, given=dict(table))


def has_classes(task: Any) -> bool:
    """Whether a task, or the setting of one, says of what class each row is."""
    if isinstance(task, Task):
        return task.class_names is not None
    return isinstance(task, Mapping) and "classes" in task


def task_settings(task: Task) -> Any:
    """The setting that makes this task, see `resolve_task`."""
    if task.given is not None:
        return dict(task.given)
    if task.named is None:
        return task.plain()
    return {"name": task.named.name, **dict(task.named.arguments)} if task.named.arguments else task.named.name
