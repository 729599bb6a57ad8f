"""A `.keras` file as settings: read in Keras's safe mode, nothing of it taken on trust, and completed by a task."""

import importlib
import itertools
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from sweep.experiment.file import with_tables
from sweep.experiment.table_files import TableFiles
from sweep.networks.settings import resolve
from sweep.networks.tasks import max_bits
from sweep.runs.errors import UserError
from sweep.training.imported import Imported, Obstacles
from sweep.training.keras.importing import import_model
from sweep.training.keras.libraries import without_start_up_noise

# what a file may unpack to, in bytes, before Keras reads it; layers of every kind, those inside of others too
_max_unpacked, _max_config, _max_layers = 1 << 28, 1 << 23, 500


delta_not_kept = "A .keras file does not hold the delta of a Huber loss: Keras's 1 stands here."


class KerasFileError(UserError):
    """A `.keras` file that cannot be imported. Its text is the whole message: file, place, found, allowed."""


def read_model(path: Path) -> Imported:
    """Return the settings of the model in a `.keras` file, loaded in Keras's safe mode. Raises `KerasFileError`."""
    if not path.is_file():
        raise KerasFileError(f"{path}: no such file\n  allowed: a model saved as .keras")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise KerasFileError(f"{path}: no .keras file\n  allowed: what model.save('model.keras') of Keras 3 writes")
    _check_sizes(path)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with without_start_up_noise(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the state of the optimizer, which is not taken over
        keras = importlib.import_module("keras")
        try:
            model = keras.saving.load_model(path, safe_mode=True)
        except Exception as error:  # a damaged file, or code in it: Keras raises whatever comes
            reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            raise KerasFileError(f"{path}: Keras cannot load it in safe mode: {reason[:300]}") from error
    try:
        found = import_model(model)
    except Obstacles as error:
        raise KerasFileError("\n".join(error.lines(f"{path}: "))) from None
    if "huber" in str(found.settings["loss"]):
        found = replace(found, remark=f"{found.remark} {delta_not_kept}".lstrip())
    return found


def _check_sizes(path: Path) -> None:
    """Raise `KerasFileError` for a file that would take much memory or time: by its directory, then by its layers.

    A file without a configuration, or with a damaged one, is left to Keras.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            unpacked, of_config = sum(sizes.values()), sizes.get("config.json", 0)
            if unpacked > _max_unpacked or of_config > _max_config:
                found = f"unpacks to {unpacked:,} bytes, {of_config:,} of them its configuration"
                allowed = f"allowed: {_max_unpacked:,} and {_max_config:,}"
                raise KerasFileError(f"{path}: {found}\n  {allowed}")
            layers = _layers(json.loads(archive.read("config.json")))
    except (OSError, ValueError, LookupError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, KerasFileError):
            raise
        return
    if len(layers) > _max_layers:
        raise KerasFileError(f"{path}: {len(layers):,} layers\n  allowed: {_max_layers}")
    units = [u for u in (layer.get("units") for layer in layers) if type(u) is int]
    n_bytes = 4 * sum(a * b for a, b in itertools.pairwise([1, *units]))
    if n_bytes > _max_unpacked:
        found = f"its layers have weights of {n_bytes:,} bytes"
        raise KerasFileError(f"{path}: {found}\n  allowed: {_max_unpacked:,}")


def _layers(config: Any) -> list[Mapping[str, Any]]:
    """The configurations of all layers, those inside of others among them, in their order."""
    found: list[Mapping[str, Any]] = []
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            items = cast(dict[str, Any], value)
            if isinstance(items.get("layers"), list):
                found += [
                    x["config"] for x in items["layers"] if isinstance(x, dict) and isinstance(x.get("config"), dict)
                ]
            left += items.values()
        elif isinstance(value, list):
            left += cast(list[Any], value)
    return found


# what training a model takes and the model does not say, with what it is where nobody says it
_beside_the_model: Mapping[str, Any] = {
    "task": None,
    "encoding": None,
    "targets": None,
    "samples": None,
    "batch_size": 32,
    "epochs": 1000,
    "shuffle": None,
}


def _usual_task(n_inputs: int, n_targets: int) -> Any:
    """A task of this shape, to begin with; None where there is none."""
    adders = {(2, 1): "xor", (2, 2): "half_adder", (3, 2): "full_adder"}
    if n_targets == 1 and n_inputs != 2 and n_inputs <= max_bits:
        return {"name": "parity", "bits": n_inputs}
    return adders.get((n_inputs, n_targets))


def experiment_settings(
    model: Imported, given: Mapping[str, Any], path: Path, folder: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Complete the settings of a model by those `given`, and by the usual ones where nothing is: with remarks.

    `path` is what messages call the model; a task's file lies in `folder`. Raises `KerasFileError` for a setting that
    the model decides and for a task of another shape; `SettingError` for one that cannot be.
    """
    coding = model.settings.get("targets")
    for name in given:
        if name not in _beside_the_model or (name == "targets" and coding):
            allowed = ", ".join(_beside_the_model)
            raise KerasFileError(f"{path}: {name}: the model says what it is\n  allowed: {allowed}")
    shape = (model.n_inputs, model.n_outputs)
    wanted = f"{shape[0]} input{'s' if shape[0] != 1 else ''} and {shape[1]} output{'s' if shape[1] != 1 else ''}"
    n_targets = 1 if coding and model.n_outputs == 2 else model.n_outputs
    task = given.get("task", None if coding and n_targets > 2 else _usual_task(model.n_inputs, n_targets))
    if task is None:
        table = "{inputs: [[..]], classes: [..]}" if coding else "{file: data.csv, targets: [y]}"
        allowed = f"allowed: a table of that shape, 'task={table}'"
        raise KerasFileError(f"{path}: no task of our own has its {wanted}: name one\n  {allowed}")
    beside = {"task": task, **{k: given.get(k, usual) for k, usual in _beside_the_model.items() if k != "task"}}
    fixed = {k: v for k, v in beside.items() if v is not None} | dict(model.settings)
    resolved = resolve(with_tables(fixed, TableFiles(folder)))
    if (resolved.task.n_inputs, resolved.n_outputs) != shape:
        found = f"{resolved.task.label} has {resolved.task.n_inputs} and {resolved.n_outputs}"
        raise KerasFileError(f"{path}: task: {found}\n  allowed: a task of the model's {wanted}")
    not_said = {"task": "the model does not say", "batch_size": "of fit", "epochs": "of fit"}
    remarks = {k: f"{word}: put yours" for k, word in not_said.items() if k not in given}
    return fixed, remarks
