"""configurations.jsonl: the id and the settings of each configuration of a results folder, a line each.

Readers build a configuration from these settings, and never from the cells of a table.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sweep.experiment.file import with_tables
from sweep.experiment.regular_files import regular
from sweep.experiment.subjects import Kind, networks
from sweep.experiment.table_files import TableFiles
from sweep.results.files import ResultsError
from sweep.runs.cohort import Subject
from sweep.runs.errors import SettingError

max_line = 1 << 24  # bytes; a small table of one's own stands in the line with all its digits
max_shown = 300

_identity = re.compile(r"c[0-9a-f]{12}")


def settings_lines(subjects: Iterable[Subject], kind: Kind = networks) -> Iterator[bytes]:
    """The file, line by line."""
    for s in subjects:
        yield (json.dumps({"configuration": s.id, "settings": kind.settings_of(s)}, allow_nan=False) + "\n").encode()


@dataclass(frozen=True)
class Recorded:
    """A line as it was read: its place, for messages, the id and the settings that it names.

    tables: those of the folder, which settings may name by their file.
    """

    place: str
    identity: str
    settings: Mapping[str, Any]
    kind: Kind = networks
    tables: TableFiles | None = None

    @cached_property
    def subject(self) -> Subject:
        """The configuration. Raises `ResultsError` where the settings are none, or those of another one."""
        try:
            found = self.kind.resolve(with_tables(self.settings, self.tables) if self.tables else self.settings)
        except (SettingError, RecursionError) as error:
            shown = str(error).encode("unicode_escape").decode()[:max_shown]
            raise ResultsError(f"{self.place}: {self.identity}: {shown}") from None
        if found.id != self.identity:
            raise ResultsError(f"{self.place}: {self.identity}: its settings make {found.id}; one of them was changed")
        return found


def recorded_lines(path: Path) -> Iterator[bytes]:
    """The lines of the file as they stand there; of one that is longer than any may be, its beginning."""
    try:
        with open(path, "rb", opener=regular) as file:
            while line := file.readline(max_line + 1):
                yield line
                if len(line) > max_line:
                    return
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror or error}") from None


def folder_tables(path: Path, kind: Kind) -> TableFiles | None:
    """The tables that settings in this file may name, of networks; they lie beside it."""
    return TableFiles(path.parent, regular) if kind is networks else None


def parse_line(line: bytes, place: str, kind: Kind = networks, tables: TableFiles | None = None) -> Recorded:
    """A line of the file. Raises `ResultsError` with its place."""
    if len(line) > max_line:
        raise ResultsError(f"{place}: longer than {max_line:,} bytes")
    try:
        match json.loads(line):
            case {"configuration": str(identity), "settings": dict(settings), **rest} if (
                not rest and line.endswith(b"\n") and _identity.fullmatch(identity)
            ):
                return Recorded(place, identity, settings, kind, tables)
            case _:
                pass
    except (ValueError, RecursionError):
        pass
    raise ResultsError(f'{place}: cannot be read; allowed: {{"configuration": an id, "settings": {{..}}}}')


def read_settings(path: Path, kind: Kind = networks) -> dict[str, Recorded]:
    """Every line of the file, by id. Raises `ResultsError` for a line that cannot be read or a second one of an id."""
    known: dict[str, Recorded] = {}
    tables = folder_tables(path, kind)
    for number, line in enumerate(recorded_lines(path), start=1):
        recorded = parse_line(line, f"{path}: line {number}", kind, tables)
        if recorded.identity in known:
            raise ResultsError(f"{recorded.place}: {recorded.identity} a second time")
        known[recorded.identity] = recorded
    return known
