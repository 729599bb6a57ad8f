"""Tasks from CSV files: `{file: data.csv, targets: [y]}`, a table of numbers under one line of column names.

The columns named as targets hold 0 or 1; with `classes: species` the column of that name holds the row's class instead,
a number or a word. All others are inputs. A file lies in the folder of the experiment that names it, or below: an
experiment never reaches outside.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks import splits
from sweep.networks.tasks import Task, labelled_task, max_inputs, max_rows, table_task
from sweep.networks.vocabulary import max_number
from sweep.runs.errors import SettingError, did_you_mean, show

max_bytes = 1 << 27
# mistakes of one file that are told at once
max_mistakes = 5

_number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
# a line of nothing but such characters holds numbers, or what `float` refuses
_plain_numbers = re.compile(r"[-+.\deE, ]*", re.ASCII)
_keys = ("file", "targets", "classes", *splits.signature)


def is_file_task(value: object) -> bool:
    """Whether a task is given by its file."""
    return isinstance(value, Mapping) and "file" in value and "name" not in value


class TableFiles:
    """The tables of one folder. `contents`: those read so far, by their path in the folder; `opener` as for `open`."""

    def __init__(self, folder: Path, opener: Callable[[str, int], int] | None = None) -> None:
        self._folder = folder
        self._opener = opener
        self._tasks: dict[str, Task] = {}
        self.contents: dict[str, bytes] = {}

    def task(self, value: Mapping[str, object]) -> Task:
        """The task that `{file: .., targets: [..]}` names, or `{file: .., classes: ..}`. Raises `SettingError`."""
        key = repr(dict(value))
        if key not in self._tasks:
            self._tasks[key] = self._task(value)
        return self._tasks[key]

    def _task(self, value: Mapping[str, object]) -> Task:
        for key in value:
            if key not in _keys:
                raise SettingError((key,), "no such key of a task from a file", did_you_mean(key, _keys))
        file = value["file"]
        if not isinstance(file, str) or not file:
            raise SettingError(("file",), f"found {show(file)}", "allowed: the name of a CSV file, data.csv")
        columns = _columns(value)
        self.contents[Path(file).as_posix()] = content = self._read(file)
        task = splits.prepared(parse_table(content, columns, file, has_classes="classes" in value), value)
        is_inline = task.is_small and set(value) == {"file", "targets"}
        return task if is_inline else replace(task, given=dict(value))

    def _read(self, file: str) -> bytes:
        place, allowed = ("file",), "allowed: a CSV file in the folder of the experiment, or below it"
        try:
            path, folder = (self._folder / file).resolve(), self._folder.resolve()
            if Path(file).is_absolute() or ".." in Path(file).parts or not path.is_relative_to(folder):
                raise SettingError(place, f"{show(file)} is outside of the experiment's folder", allowed)
            if path.exists() and not path.is_file():
                raise SettingError(place, f"{show(file)} is no regular file", allowed)
            with open(path, "rb", opener=self._opener) as opened:
                content = opened.read(max_bytes + 1)
        except (OSError, ValueError, RuntimeError) as error:  # ValueError: no file can have the name; RuntimeError: a
            if isinstance(error, SettingError):  # loop of links
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingError(place, f"{show(file)} cannot be read: {reason}", allowed) from None
        if len(content) > max_bytes:
            raise SettingError(
                place, f"{show(file)} is longer than {max_bytes:,} bytes", f"allowed: at most {max_bytes >> 20} MiB"
            )
        return content


def _columns(value: Mapping[str, object]) -> list[str]:
    """The columns that a task's setting names: its targets, or that of the classes."""
    if "classes" in value:
        if "targets" in value:
            raise SettingError(("classes",), "beside targets", "allowed: one of the two")
        if not isinstance(value["classes"], str) or not value["classes"]:
            found = f"found {show(value['classes'])}"
            raise SettingError(("classes",), found, "allowed: the name of the column that holds classes, species")
        return [value["classes"]]
    targets: Any = value.get("targets")
    if not isinstance(targets, list | tuple) or not targets or not all(isinstance(x, str) for x in targets):
        found = "a task from a file without targets" if targets is None else f"found {show(targets)}"
        raise SettingError(("targets",), found, "allowed: a list of the columns to learn, [y], or classes: column")
    return list(targets)


def parse_table(content: bytes, learned: Sequence[str], file: str, *, has_classes: bool = False) -> Task:
    r"""The task in the bytes of a CSV file, with its columns of targets, or the one of classes.

    `file` is what messages call it. Raises `SettingError`, which has some more mistakes of the rows with it.

    >>> parse_table(b"a,b,y\n0.5,1,0\n-2,1,1\n", ["y"], "data.csv").inputs.tolist()
    [[0.5, 1.0], [-2.0, 1.0]]
    """
    lines = _lines(content, file)
    number, header = next(lines, (1, []))
    names = [name.strip() for name in header]
    _check_names(names, learned, f"{file}:{number}", "classes" if has_classes else "targets")
    is_input = np.array([name not in learned for name in names])
    if is_input.sum() > max_inputs:
        found = f"{file}:{number}: {is_input.sum():,} input columns"
        raise SettingError(("file",), found, f"allowed: at most {max_inputs:,}")
    rows = _Rows(file, names, frozenset(learned), has_classes)
    read = list(rows.read(lines))
    if rows.mistakes:
        first, *more = rows.mistakes
        raise SettingError(first.place, first.found, first.allowed, more)
    if not read:
        raise SettingError(("file",), f"{file}: no rows under the names of the columns", f"allowed: 1 to {max_rows:,}")
    table = np.array([row.numbers for row in read])
    if has_classes:
        classes = [row.label for row in read]
        return labelled_task(table[:, is_input], _in_order(set(classes)), classes, ("classes",))
    task = table_task(table[:, is_input], table[:, [names.index(name) for name in learned]])
    if task.is_small:
        _refuse_contradictions(task, [row.line for row in read], file)
    return task


def _in_order(classes: set[str]) -> list[str]:
    """Classes in the order of their numbers, or of the alphabet where one is a word."""
    are_numbers = all(_number.fullmatch(x) for x in classes)
    return sorted(classes, key=(lambda x: (float(x), x)) if are_numbers else None)


def _check_names(names: Sequence[str], learned: Sequence[str], where: str, key: str) -> None:
    """Raise where the first line does not name each column, or not those to be learned."""
    allowed = "allowed: a first line with a name for each column"
    if not names:
        raise SettingError(("file",), f"{where}: nothing", allowed)
    known: set[str] = set()
    for i, name in enumerate(names):
        if not name or name in known:
            what = f"the name {show(name)} of an earlier one" if name else "no name"
            raise SettingError(("file",), f"{where}: column {i + 1} has {what}", f"{allowed}, all different")
        known.add(name)
    for i, name in enumerate(learned):
        place = (key,) if key == "classes" else (key, i)
        if name not in known:
            raise SettingError(place, f"{where}: no column {show(name)}", did_you_mean(name, names))
        if name in learned[:i]:
            raise SettingError(place, f"found {show(name)} twice", "allowed: each column once")
    if len(learned) == len(names):
        raise SettingError((key,), f"{where}: every column is a target", "allowed: at least one input column")


def _lines(content: bytes, file: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold something, with their number: cells of text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        found = f"{file}:{line}: not a text in UTF-8: byte {content[error.start]:#04x}"
        raise SettingError(("file",), found, "allowed: a CSV file saved as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise SettingError(("file",), f"{file}:{line}: not CSV: {error}", "allowed: numbers between commas") from None


@dataclass(frozen=True)
class _Row:
    """A line: its number in the file, the numbers of all columns, 0 for a class, and the class."""

    line: int
    numbers: npt.NDArray[np.float64]
    label: str


class _Rows:
    """Reads the rows of a file whose columns are known. `mistakes`: those found, up to a few."""

    def __init__(self, file: str, names: Sequence[str], learned: frozenset[str], has_classes: bool) -> None:
        self._file = file
        self._names = names
        self._is_target = np.array([name in learned and not has_classes for name in names])
        self._of_class = names.index(next(iter(learned))) if has_classes else None
        self.mistakes: list[SettingError] = []

    def read(self, lines: Iterator[tuple[int, list[str]]]) -> Iterator[_Row]:
        """The rows, until there are too many mistakes."""
        for i, (line, cells) in enumerate(lines):
            if i == max_rows:
                self._add(line, f"row {i + 1}", f"allowed: at most {max_rows:,} rows")
                return
            if len(cells) != len(self._names):
                found = f"{len(cells)} value{'s' if len(cells) != 1 else ''}"
                self._add(line, found, f"allowed: {len(self._names)}, as the first line has names")
            else:
                yield self._row(line, cells)
            if len(self.mistakes) == max_mistakes:
                return

    def _add(self, line: int, found: str, allowed: str) -> None:
        self.mistakes.append(SettingError(("file",), f"{self._file}:{line}: {found}", allowed))

    def _row(self, line: int, cells: list[str]) -> _Row:
        label = ""
        if self._of_class is not None:
            label = cells[self._of_class].strip()
            cells[self._of_class] = "0"
            if not label:
                name = self._names[self._of_class]
                self._add(line, f"column {show(name)}: found nothing", "allowed: a class, a number or a word")
        numbers = _numbers(cells)
        is_right = np.abs(numbers) <= max_number
        is_right &= ~self._is_target | (numbers == 0) | (numbers == 1)
        for column in np.flatnonzero(~is_right)[: max_mistakes - len(self.mistakes)].tolist():
            cell = cells[column].strip()
            is_target = self._is_target[column]
            allowed = f"allowed: {'0 or 1 in a target' if is_target else f'a number, at most {max_number:g}'}"
            self._add(line, f"column {show(self._names[column])}: found {show(cell) if cell else 'nothing'}", allowed)
        return _Row(line, numbers, label)


def _numbers(cells: Sequence[str]) -> npt.NDArray[np.float64]:
    """The numbers of cells, NaN for one that is none."""
    if _plain_numbers.fullmatch(",".join(cells)):
        try:
            return np.array([float(cell) for cell in cells])
        except ValueError:
            pass
    return np.array([float(cell) if _number.fullmatch(cell.strip()) else np.nan for cell in cells])


def _refuse_contradictions(task: Task, lines: Sequence[int], file: str) -> None:
    """Raise where two rows of equal inputs, as float32, differ in a target: no network learns all of such a table."""
    first: dict[bytes, int] = {}
    for row, inputs in enumerate(task.inputs.astype(np.float32)):
        other = first.setdefault(inputs.tobytes(), row)
        if not np.array_equal(task.targets[row], task.targets[other]):
            found = f"{file}:{lines[row]}: the inputs of line {lines[other]} with another target"
            raise SettingError(
                ("file",), found, "allowed: one target for equal inputs, else nothing can learn the table"
            )
