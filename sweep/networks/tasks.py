"""Tasks: tables of labelled rows that a network is to learn.

Notation: inputs `[row, input]`, targets `[row, output]`. The rows of a Boolean task count upwards in binary, the first
input the most significant: 00, 01, 10, 11.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from sweep.networks.vocabulary import Argument, Named, Signature, max_number
from sweep.runs.errors import SettingError, show

max_rows = 65_536
max_inputs = 4_096
max_classes = 256
max_prediction_rows = 16
max_bits = 8
# up to so many rows, none of them held out, a table is small: it is written out in identities and evaluated often
max_small_rows = 256


@dataclass(frozen=True, eq=False)
class Task:
    """A table: inputs `[row, input]` of finite numbers, targets `[row, output]` of 0 and 1, uint8; both are read-only.

    named: the name with arguments that it was made by, None for a table that was given. held_out: the rows that are not
    trained on, in the same columns, None where there are none. class_names: what the rows are classes of, in words;
    two have one target, 0 and 1. given: the settings that it is made by again, where its rows alone are not enough or
    too many. places: of each row its number, from 0, in the table of which others are held out.

    Raises `SettingError` for other targets, and for no rows, too many, or too many inputs.
    """

    inputs: npt.NDArray[np.float64]
    targets: npt.NDArray[Any]
    named: Named | None = None
    held_out: "Task | None" = None
    class_names: tuple[str, ...] | None = None
    given: Mapping[str, Any] | None = None
    places: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.inputs)
        if not 1 <= n <= max_rows:
            raise SettingError(("inputs",), f"{n} rows", f"allowed: 1 to {max_rows:,} rows")
        if len(self.targets) != n:
            raise SettingError(
                ("targets",), f"{len(self.targets)} rows", f"inputs have {n}: allowed is one target a row"
            )
        if self.inputs.shape[1] > max_inputs:
            raise SettingError(("inputs", 0), f"{self.inputs.shape[1]} values", f"allowed: at most {max_inputs:,}")
        is_number = np.abs(self.inputs) <= max_number
        if not is_number.all():
            i, j = np.argwhere(~is_number)[0].tolist()
            found = f"found {self.inputs[i, j]}"
            raise SettingError(("inputs", i, j), found, f"allowed: a number, at most {max_number:g}")
        is_target = (self.targets == 0) | (self.targets == 1)
        if not is_target.all():
            i, j = np.argwhere(~is_target)[0].tolist()
            raise SettingError(("targets", i, j), f"found {self.targets[i, j]:g}", "allowed: 0 or 1")
        object.__setattr__(self, "inputs", _read_only(self.inputs + 0.0, np.float64))  # -0.0 is 0.0
        object.__setattr__(self, "targets", _read_only(self.targets, np.uint8))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Task) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        return self.digest, self.named, self.class_names

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its rows, those held out among them: 64 hex digits."""
        found = hashlib.sha256(str([self.inputs.shape, self.targets.shape]).encode())
        found.update(self.inputs.astype("<f8").tobytes() + self.targets.tobytes())
        if self.held_out is not None:
            found.update(self.held_out.digest.encode())
        return found.hexdigest()

    @property
    def is_small(self) -> bool:
        """Whether it is written out in identities and evaluated after every epoch: up to 256 rows, none held out."""
        return self.n_rows <= max_small_rows and self.held_out is None

    def plain(self) -> dict[str, Any]:
        """Its rows as plain values; of a table that is not small their digest."""
        if self.is_small:
            return {"inputs": self.inputs.tolist(), "targets": self.targets.tolist()}
        return {"rows": self.digest}

    @cached_property
    def label(self) -> str:
        """Its name with every argument, or `table-` and 6 hex digits of a digest of the table."""
        if self.named is not None:
            return self.named.label()
        if not self.is_small:
            return f"table-{self.digest[:6]}"
        rows = json.dumps([self.inputs.tolist(), self.targets.tolist()])
        return f"table-{hashlib.sha256(rows.encode()).hexdigest()[:6]}"

    @property
    def n_rows(self) -> int:
        """Rows of the table that are trained on."""
        return len(self.inputs)

    @property
    def n_test_rows(self) -> int:
        """Rows that are held out."""
        return 0 if self.held_out is None else self.held_out.n_rows

    @property
    def n_inputs(self) -> int:
        """Inputs of each row."""
        return self.inputs.shape[1]

    @property
    def n_outputs(self) -> int:
        """Outputs of each row."""
        return self.targets.shape[1]

    @cached_property
    def is_boolean(self) -> bool:
        """Whether every input is 0 or 1, of the rows held out too."""
        is_boolean = bool(((self.inputs == 0) | (self.inputs == 1)).all())
        return is_boolean and (self.held_out is None or self.held_out.is_boolean)

    @cached_property
    def row_names(self) -> tuple[str, ...] | None:
        """The bits of each row (`00`, `01`, ...) of a Boolean table of up to 256 rows that differ, else None."""
        if not self.is_boolean or self.n_rows > max_small_rows:
            return None
        names = tuple("".join(map(str, row)) for row in self.inputs.astype(int).tolist())
        return names if len(set(names)) == self.n_rows else None

    @property
    def n_classes(self) -> int:
        """Classes, where its targets are such: two for one target."""
        return max(2, self.n_outputs)

    @property
    def prediction_names(self) -> tuple[str, ...]:
        """A name for each row and output of a Boolean table of up to 16 different rows: `p_00`, or `p_00_0`."""
        names = self.row_names
        if names is None or self.n_rows > max_prediction_rows:
            return ()
        if self.n_outputs == 1:
            return tuple(f"p_{row}" for row in names)
        return tuple(f"p_{row}_{o}" for row in names for o in range(self.n_outputs))


def _read_only(values: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """A copy in this type that cannot be written to."""
    made = np.array(values, dtype, order="C")
    made.flags.writeable = False
    return made


Rule = Callable[[tuple[int, ...]], tuple[int, ...]]


def _multiplexer(bits: tuple[int, ...]) -> tuple[int, ...]:
    n_address = 1 if len(bits) == 3 else 2
    address = int("".join(map(str, bits[:n_address])), 2)
    return (bits[n_address + address],)


def _bits(default: int, low: int = 1) -> Signature:
    return {"bits": Argument(default, low=low, high=max_bits)}


# name: arguments, number of inputs, outputs of one row of bits
_rules: Mapping[str, tuple[Signature, int, Rule]] = {
    "xor": ({}, 2, lambda b: (b[0] ^ b[1],)),
    "and": ({}, 2, lambda b: (b[0] & b[1],)),
    "or": ({}, 2, lambda b: (b[0] | b[1],)),
    "nand": ({}, 2, lambda b: (1 - (b[0] & b[1]),)),
    "nor": ({}, 2, lambda b: (1 - (b[0] | b[1]),)),
    "xnor": ({}, 2, lambda b: (1 - (b[0] ^ b[1]),)),
    "parity": (_bits(3), 0, lambda b: (sum(b) % 2,)),
    "majority": (_bits(3), 0, lambda b: (int(2 * sum(b) > len(b)),)),
    "multiplexer": ({"bits": Argument(3, low=3, high=6)}, 0, _multiplexer),
    "half_adder": ({}, 2, lambda b: (b[0] ^ b[1], b[0] & b[1])),
    "full_adder": ({}, 3, lambda b: (sum(b) % 2, int(sum(b) > 1))),
}

signatures: Mapping[str, Signature] = {name: rule[0] for name, rule in _rules.items()}


def ruled_task(chosen: Named) -> Task:
    """A Boolean task by its name and arguments.

    `majority` of an even number of bits wants more ones than zeros. `multiplexer` has 3 inputs (one address bit, two
    data bits) or 6 (two and four). Outputs of the adders: sum, carry. The label names every argument. Raises
    `SettingError`.

    >>> ruled_task(Named("xor")).targets.tolist()
    [[0], [1], [1], [0]]
    """
    _, bits, rule = _rules[chosen.name]
    bits = bits or int(chosen["bits"])
    if chosen.name == "multiplexer" and bits not in (3, 6):
        raise SettingError(("bits",), f"found {bits}", "allowed: 3 (one address bit) or 6 (two)")
    rows = list(itertools.product((0, 1), repeat=bits))
    return Task(np.array(rows, np.float64), np.array(list(map(rule, rows)), np.uint8), chosen)


def table_task(inputs: object, targets: object) -> Task:
    """A task of one's own: rows of real inputs, rows of targets 0 or 1. Raises `SettingError`.

    >>> table_task([[0.5], [-2]], [[0], [1]]).label
    'table-fa7ca4'
    """
    return Task(_rows("inputs", inputs), _rows("targets", targets))


def class_task(inputs: object, classes: object) -> Task:
    """A task whose rows are each of a class, in words, or numbered from 0. Raises `SettingError`.

    Two classes have one target, else each has one. Words are numbered in the order of the alphabet.

    >>> [class_task([[1], [2], [3]], y).targets.tolist() for y in ([0, 1, 1], [0, 2, 0], ["b", "a", "b"])]
    [[[0], [1], [1]], [[1, 0, 0], [0, 0, 1], [1, 0, 0]], [[1], [0], [1]]]
    """
    allowed = f"whole numbers from 0, below {max_classes}, or words, one for each row"
    found = _items(("classes",), classes, f"a list of {allowed}")
    are_words = isinstance(next(iter(found), None), str)
    for i, x in enumerate(found):
        is_allowed = isinstance(x, str) and bool(x) if are_words else type(x) is int and 0 <= x < max_classes
        if not is_allowed:
            raise SettingError(("classes", i), f"found {show(x)}", f"allowed: {allowed}")
    if are_words:
        return labelled_task(_rows("inputs", inputs), sorted(set(found)), found, ("classes",))
    return Task(_rows("inputs", inputs), _of_classes(np.array(found, np.int64), max([1, *found]) + 1))


def labelled_task(
    inputs: npt.NDArray[np.float64], names: Sequence[str], classes: Sequence[str], place: tuple[str | int, ...]
) -> Task:
    """A task of rows of named classes, numbered in the order of `names`; `place` is that of its errors."""
    if not 2 <= len(names) <= max_classes:
        found = f"{len(names)} class{'es' if len(names) != 1 else ''}"
        raise SettingError(place, found, f"allowed: 2 to {max_classes} classes")
    number = {name: i for i, name in enumerate(names)}
    targets = _of_classes(np.array([number[x] for x in classes]), len(names))
    return Task(inputs, targets, class_names=tuple(names))


def _of_classes(classes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.uint8]:
    return classes[:, None].astype(np.uint8) if n == 2 else np.eye(n, dtype=np.uint8)[classes]


def _rows(key: str, value: object) -> npt.NDArray[np.float64]:
    """`value` as rows of numbers within float32, as many in each."""
    if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu" and value.shape[1]:
        return value.astype(np.float64)
    rows: list[tuple[Any, ...]] = []
    for i, row in enumerate(_items((key,), value, "a list of rows, [[0, 1], [1, 1]]")):
        rows.append(_items((key, i), row, "a row, [0, 1]"))
        for j, x in enumerate(rows[-1]):
            if isinstance(x, bool) or not isinstance(x, Real) or not abs(cast(Any, x)) <= max_number:
                kind = f"a number, at most {max_number:g}" if key == "inputs" else "0 or 1"
                raise SettingError((key, i, j), f"found {show(x)}", f"allowed: {kind}")
    for i, row in enumerate(rows):
        if not row or len(row) != len(rows[0]):
            allowed = f"allowed: {max(1, len(rows[0]))}, as in the first row"
            raise SettingError((key, i), f"{len(row)} values", allowed)
    return np.array(rows, np.float64).reshape(len(rows), len(rows[0]) if rows else 0)


def _items(place: tuple[str | int, ...], value: object, allowed: str) -> tuple[Any, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise SettingError(place, f"found {show(cast(object, value))}", f"allowed: {allowed}")
    return tuple(cast(Iterable[Any], value))
