"""Tasks from CSV files: `{file: data.csv, targets: [y]}`, a table of numbers under one line of column names.

The columns named as targets hold 0 or 1, all others are inputs. A file lies in the folder of the experiment that names
it, or below: an experiment never reaches outside.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from sweep.networks.tasks import Task, max_rows, table_task
from sweep.networks.vocabulary import max_number
from sweep.runs.errors import SettingError, did_you_mean, show

max_bytes = 1 << 20

_number = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


def is_file_task(value: object) -> bool:
    """Whether a task is given by its file."""
    return isinstance(value, Mapping) and "file" in value and "name" not in value


class TableFiles:
    """The tables of one folder. `contents`: those read so far, by their path in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.contents: dict[str, bytes] = {}

    def task(self, value: Mapping[str, object]) -> Task:
        """The task that `{file: .., targets: [..]}` names. Raises `SettingError`."""
        for key in value:
            if key not in ("file", "targets"):
                raise SettingError((key,), "no such key of a task from a file", did_you_mean(key, ("file", "targets")))
        file, targets = value["file"], value.get("targets")
        if not isinstance(file, str) or not file:
            raise SettingError(("file",), f"found {show(file)}", "allowed: the name of a CSV file, data.csv")
        names: list[object] = list(cast(Sequence[object], targets)) if isinstance(targets, list | tuple) else []
        if not names or not all(isinstance(name, str) for name in names):
            found = "a task from a file without targets" if targets is None else f"found {show(targets)}"
            raise SettingError(("targets",), found, "allowed: a list of the columns to learn, [y]")
        self.contents[Path(file).as_posix()] = content = self._read(file)
        return parse_table(content, cast(list[str], names), file)

    def _read(self, file: str) -> bytes:
        place, allowed = ("file",), "allowed: a CSV file in the folder of the experiment, or below it"
        try:
            path, folder = (self._folder / file).resolve(), self._folder.resolve()
            if Path(file).is_absolute() or ".." in Path(file).parts or not path.is_relative_to(folder):
                raise SettingError(place, f"{show(file)} is outside of the experiment's folder", allowed)
            if path.exists() and not path.is_file():
                raise SettingError(place, f"{show(file)} is no regular file", allowed)
            with path.open("rb") as opened:
                content = opened.read(max_bytes + 1)
        except (OSError, ValueError, RuntimeError) as error:  # ValueError: no file can have the name; RuntimeError: a
            if isinstance(error, SettingError):  # loop of links
                raise
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise SettingError(place, f"{show(file)} cannot be read: {reason}", allowed) from None
        if len(content) > max_bytes:
            raise SettingError(place, f"{show(file)} is longer than {max_bytes:,} bytes", "allowed: at most 1 MiB")
        return content


def parse_table(content: bytes, targets: Sequence[str], file: str) -> Task:
    r"""The task in the bytes of a CSV file; `file` is what messages call it. Raises `SettingError`.

    >>> parse_table(b"a,b,y\n0.5,1,0\n-2,1,1\n", ["y"], "data.csv").inputs
    ((0.5, 1.0), (-2.0, 1.0))
    """
    lines = _lines(content, file)
    number, header = next(lines, (1, []))
    names = [name.strip() for name in header]
    where = f"{file}:{number}"
    if not names:
        raise SettingError(("file",), f"{where}: nothing", "allowed: a first line with a name for each column")
    known: set[str] = set()
    for i, name in enumerate(names):
        if not name or name in known:
            found = f"{where}: column {i + 1} has " + (
                f"the name {show(name)} of an earlier one" if name else "no name"
            )
            raise SettingError(("file",), found, "allowed: a first line with a name for each column, all different")
        known.add(name)
    for i, name in enumerate(targets):
        if name not in known:
            raise SettingError(("targets", i), f"{where}: no column {show(name)}", did_you_mean(name, names))
        if name in targets[:i]:
            raise SettingError(("targets", i), f"found {show(name)} twice", "allowed: each column once")
    if len(targets) == len(names):
        raise SettingError(("targets",), f"{where}: every column is a target", "allowed: at least one input column")
    learned = set(targets)
    rows = list(_rows(lines, names, learned, file))
    if not rows:
        raise SettingError(("file",), f"{file}: no rows under the names of the columns", f"allowed: 1 to {max_rows}")
    given = [name for name in names if name not in learned]
    _refuse_contradictions(rows, given, targets, file)
    inputs = [[row[name] for name in given] for _, row in rows]
    return table_task(inputs, [[row[name] for name in targets] for _, row in rows])


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


def _rows(
    lines: Iterator[tuple[int, list[str]]], names: Sequence[str], targets: set[str], file: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row's line and its numbers by column."""
    for i, (line, cells) in enumerate(lines):
        if i == max_rows:
            raise SettingError(("file",), f"{file}:{line}: row {i + 1}", f"allowed: at most {max_rows} rows")
        if len(cells) != len(names):
            found = f"{file}:{line}: {len(cells)} value{'s' if len(cells) != 1 else ''}"
            raise SettingError(("file",), found, f"allowed: {len(names)}, as the first line has names")
        row: dict[str, Any] = {}
        for name, cell in zip(names, map(str.strip, cells), strict=True):
            value = float(cell) if _number.fullmatch(cell) else np.nan
            if not (value in (0, 1) if name in targets else abs(value) <= max_number):
                kind = "0 or 1 in a target" if name in targets else f"a number, at most {max_number:g}"
                found = f"{file}:{line}: column {show(name)}: found {show(cell) if cell else 'nothing'}"
                raise SettingError(("file",), found, f"allowed: {kind}")
            row[name] = value
        yield line, row


def _refuse_contradictions(
    rows: Sequence[tuple[int, Mapping[str, Any]]], given: Sequence[str], targets: Sequence[str], file: str
) -> None:
    """Raise where two rows of equal inputs, as float32, differ in a target: no network learns such a table."""
    first: dict[tuple[float, ...], tuple[int, list[Any]]] = {}
    for line, row in rows:
        inputs = tuple(float(np.float32(row[name])) for name in given)
        wanted = [row[name] for name in targets]
        earlier, other = first.setdefault(inputs, (line, wanted))
        if other != wanted:
            found = f"{file}:{line}: the inputs of line {earlier} with another target"
            raise SettingError(
                ("file",), found, "allowed: one target for equal inputs, else nothing can learn the table"
            )
