"""Tasks: tables of labelled rows that a network is to learn.

Notation: inputs `[row, input]`, targets `[row, output]`. The rows of a Boolean task count upwards in binary, the first
input the most significant: 00, 01, 10, 11.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Real
from typing import Any, cast

from sweep.networks.vocabulary import Argument, Named, Signature, max_number, named
from sweep.runs.errors import SettingError, show

max_rows = 256
max_prediction_rows = 16
max_bits = 8


@dataclass(frozen=True)
class Task:
    """A table: inputs `[row, input]` of finite numbers, targets `[row, output]` of 0 and 1.

    `named`: the name with arguments that it was made by, None for a table that was given. Raises `SettingError` for a
    table of unequal rows, of other targets, or of none or more than 256 rows.
    """

    inputs: tuple[tuple[float, ...], ...]
    targets: tuple[tuple[int, ...], ...]
    named: Named | None = None

    def __post_init__(self) -> None:
        n = len(self.inputs)
        if not 1 <= n <= max_rows:
            raise SettingError(("inputs",), f"{n} rows", f"allowed: 1 to {max_rows} rows")
        if len(self.targets) != n:
            raise SettingError(
                ("targets",), f"{len(self.targets)} rows", f"inputs have {n}: allowed is one target a row"
            )
        for key, rows in (("inputs", self.inputs), ("targets", self.targets)):
            for i, row in enumerate(rows):
                if not row or len(row) != len(rows[0]):
                    raise SettingError(
                        (key, i), f"{len(row)} values", f"allowed: {max(1, len(rows[0]))}, as in the first row"
                    )
        for i, row in enumerate(self.inputs):
            for j, x in enumerate(row):
                if not abs(x) <= max_number:
                    raise SettingError(("inputs", i, j), f"found {x}", f"allowed: a number, at most {max_number:g}")
        for i, target in enumerate(self.targets):
            for j, y in enumerate(target):
                if y not in (0, 1):
                    raise SettingError(("targets", i, j), f"found {show(y)}", "allowed: 0 or 1")

    @cached_property
    def label(self) -> str:
        """Its name with every argument, or `table-` and 6 hex digits of a digest of the table."""
        if self.named is not None:
            return self.named.label()
        return f"table-{hashlib.sha256(json.dumps([self.inputs, self.targets]).encode()).hexdigest()[:6]}"

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return len(self.inputs)

    @property
    def n_inputs(self) -> int:
        """Inputs of each row."""
        return len(self.inputs[0])

    @property
    def n_outputs(self) -> int:
        """Outputs of each row."""
        return len(self.targets[0])

    @property
    def is_boolean(self) -> bool:
        """Whether every input is 0 or 1."""
        return all(x in (0.0, 1.0) for row in self.inputs for x in row)

    @property
    def row_names(self) -> tuple[str, ...] | None:
        """The bits of each row (`00`, `01`, ...) where the table is Boolean and its rows differ, else None."""
        if not self.is_boolean or len(set(self.inputs)) < self.n_rows:
            return None
        return tuple("".join(str(int(x)) for x in row) for row in self.inputs)

    @property
    def prediction_names(self) -> tuple[str, ...]:
        """A name for each row and output of a Boolean table of up to 16 different rows: `p_00`, or `p_00_0`."""
        names = self.row_names
        if names is None or self.n_rows > max_prediction_rows:
            return ()
        if self.n_outputs == 1:
            return tuple(f"p_{row}" for row in names)
        return tuple(f"p_{row}_{o}" for row in names for o in range(self.n_outputs))


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


def named_task(name: str, arguments: Mapping[str, object]) -> Task:
    """A task by its name: `named_task("parity", {"bits": 3})`.

    `majority` of an even number of bits wants more ones than zeros. `multiplexer` has 3 inputs (one address bit, two
    data bits) or 6 (two and four). Outputs of the adders: sum, carry. The label names every argument. Raises
    `SettingError`.

    >>> named_task("xor", {}).targets
    ((0,), (1,), (1,), (0,))
    """
    return _ruled_task(named(name, arguments, signatures))


@cache
def _ruled_task(chosen: Named) -> Task:
    _, bits, rule = _rules[chosen.name]
    bits = bits or int(chosen["bits"])
    if chosen.name == "multiplexer" and bits not in (3, 6):
        raise SettingError(("bits",), f"found {bits}", "allowed: 3 (one address bit) or 6 (two)")
    rows = list(itertools.product((0, 1), repeat=bits))
    return Task(tuple(tuple(map(float, row)) for row in rows), tuple(map(rule, rows)), chosen)


def table_task(inputs: object, targets: object) -> Task:
    """A task of one's own: rows of real inputs, rows of targets 0 or 1. Raises `SettingError`.

    >>> table_task([[0.5], [-2]], [[0], [1]]).label
    'table-fa7ca4'
    """
    rows = tuple(tuple(float(x) + 0.0 for x in row) for row in _rows("inputs", inputs))  # + 0.0: -0.0 is 0.0
    wanted = _rows("targets", targets)
    Task(rows, wanted)  # the checks, before the integers are taken
    return Task(rows, tuple(tuple(int(y) for y in row) for row in wanted))


def class_targets(classes: object) -> list[list[int]]:
    """The targets of rows that are each of a class, numbered from 0: one for two classes, else one for each class.

    >>> class_targets([0, 1, 1]), class_targets([0, 2])
    ([[0], [1], [1]], [[1, 0, 0], [0, 0, 1]])
    """
    allowed = f"whole numbers from 0, below {max_rows}, one for each row"
    found = _items(("classes",), classes, f"a list of {allowed}")
    for i, x in enumerate(found):
        if type(x) is not int or not 0 <= x < max_rows:
            raise SettingError(("classes", i), f"found {show(x)}", f"allowed: {allowed}")
    n = max([1, *found]) + 1
    return [[x] if n == 2 else [int(x == k) for k in range(n)] for x in found]


def _rows(key: str, value: object) -> tuple[tuple[Any, ...], ...]:
    """`value` as rows of numbers within float32."""
    rows: list[tuple[Any, ...]] = []
    for i, row in enumerate(_items((key,), value, "a list of rows, [[0, 1], [1, 1]]")):
        rows.append(_items((key, i), row, "a row, [0, 1]"))
        for j, x in enumerate(rows[-1]):
            if isinstance(x, bool) or not isinstance(x, Real) or not abs(cast(Any, x)) <= max_number:
                kind = f"a number, at most {max_number:g}" if key == "inputs" else "0 or 1"
                raise SettingError((key, i, j), f"found {show(x)}", f"allowed: {kind}")
    return tuple(rows)


def _items(place: tuple[str | int, ...], value: object, allowed: str) -> tuple[Any, ...]:
    if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
        raise SettingError(place, f"found {show(cast(object, value))}", f"allowed: {allowed}")
    return tuple(cast(Iterable[Any], value))
