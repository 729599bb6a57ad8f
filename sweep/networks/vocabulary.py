"""The names that an experiment may use, their arguments and Keras's defaults.

A name with arguments (`{name: sgd, momentum: 0.9}`) becomes a `Named`: every argument filled in, so that two
spellings of one thing are equal. Source of names and defaults: Keras 3 (`keras.activations`, `keras.optimizers`,
`keras.initializers`); arguments that clip, average or accumulate gradients are left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sweep.runs.errors import SettingError, did_you_mean, show

type_names = {bool: "true or false", float: "a number", int: "a whole number", str: "a name"}

Value = bool | int | float | str

max_number = 3e38  # float32 ends at 3.4e38


@dataclass(frozen=True)
class Argument:
    """One argument of a named thing: its default and the values it may take.

    `low` and `high` bound a number; `open_low` and `open_high` exclude the bound itself; `choices` lists names. The
    default has the type of the values. Of an argument that `is_required` it is none to rely on; of one that may be null
    (`or_none`) null is what stands where nothing is given; `many`: a list of such numbers.
    """

    default: Value
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()
    is_required: bool = False
    or_none: bool = False
    many: bool = False

    @property
    def usual(self) -> Any:
        """What stands where nothing is given."""
        return None if self.or_none else self.default

    def is_usual(self, value: Any) -> bool:
        """Whether a value goes without saying."""
        return not self.is_required and value == self.usual

    def allowed(self) -> str:
        """What may stand here, in words.

        >>> Argument(0.5, low=0, high=1, open_high=True).allowed(), Argument(0.5, low=0, high=1).allowed()
        ('a number from 0 up and below 1', 'a number from 0 to 1')
        """
        if self.many:
            return f"a list, each {replace(self, many=False).allowed()}"
        if self.or_none:
            return f"{replace(self, or_none=False).allowed()}, or null"
        if self.choices:
            return "one of " + ", ".join(self.choices)
        kind = type_names[type(self.default)]
        if isinstance(self.default, int) and math.isfinite(self.high):
            return f"{kind} from {int(self.low)} to {int(self.high)}"
        if math.isfinite(self.low) and math.isfinite(self.high):
            start = f"above {self.low:g} and" if self.open_low else f"from {self.low:g}"
            end = f"below {self.high:g}" if self.open_high else f"{'up ' if self.open_low else ''}to {self.high:g}"
            return f"{kind} {start} {'up and ' if self.open_high and not self.open_low else ''}{end}"
        if math.isfinite(self.low):
            return f"{kind} {'above' if self.open_low else 'from'} {self.low:g}" + ("" if self.open_low else " up")
        return kind

    def coerce(self, value: object) -> Any:
        """`value` in this argument's own type; `ValueError` says what is allowed."""
        if self.or_none and value is None:
            return None
        if self.many:
            return self._coerce_each(value)
        if isinstance(self.default, bool) or isinstance(self.default, str):
            if type(value) is not type(self.default) or (self.choices and value not in self.choices):
                raise ValueError(self.allowed())
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            is_quoted = isinstance(value, str) and value.replace(".", "", 1).isdecimal()
            raise ValueError(self.allowed() + (", without quotes" if is_quoted else ""))
        if not abs(value) <= max_number:  # NaN is not either
            raise ValueError(f"{self.allowed()}, at most {max_number:g}")
        number = type(self.default)(value) + type(self.default)(0)  # + 0: -0.0 and 0.0 are one value
        above = number > self.low if self.open_low else number >= self.low
        below = number < self.high if self.open_high else number <= self.high
        if number != value or not (above and below):
            raise ValueError(self.allowed())
        return number

    def _coerce_each(self, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not value:
            raise ValueError(self.allowed())
        each = replace(self, many=False)
        try:
            return tuple(each.coerce(x) for x in cast(Sequence[object], value))
        except ValueError:
            raise ValueError(self.allowed()) from None


Signature = Mapping[str, Argument]

_share = Argument(0.9, low=0.0, high=1.0, open_high=True)
_epsilon = Argument(1e-7, low=0.0)
_decay = Argument(0.0, low=0.0)
_off = Argument(False)


def _beta(default: float) -> Argument:
    return Argument(default, low=0.0, high=1.0, open_high=True)


activations: Mapping[str, Signature] = {
    "linear": {},
    "relu": {},
    "leaky_relu": {"negative_slope": Argument(0.2, low=0.0)},
    "elu": {"alpha": Argument(1.0, low=0.0)},
    "selu": {},
    "tanh": {},
    "sigmoid": {},
    "softplus": {},
    "softsign": {},
    "silu": {},
    "gelu": {"approximate": _off},
    "hard_sigmoid": {},
    "relu6": {},
}

# those that may stand at the output
output_activations: Mapping[str, Signature] = {**activations, "softmax": {}}

_adam = {"beta_1": _beta(0.9), "beta_2": _beta(0.999), "epsilon": _epsilon}

optimizers: Mapping[str, Signature] = {
    "sgd": {"momentum": Argument(0.0, low=0.0, high=1.0), "nesterov": _off, "weight_decay": _decay},
    "rmsprop": {
        "rho": _share,
        "momentum": Argument(0.0, low=0.0, high=1.0),
        "epsilon": _epsilon,
        "centered": _off,
        "weight_decay": _decay,
    },
    "adagrad": {
        "initial_accumulator_value": Argument(0.1, low=0.0),
        "epsilon": _epsilon,
        "weight_decay": _decay,
    },
    "adam": {**_adam, "amsgrad": _off, "weight_decay": _decay},
    "adamw": {**_adam, "amsgrad": _off, "weight_decay": Argument(0.004, low=0.0)},
    "adamax": {**_adam, "weight_decay": _decay},
    "nadam": {**_adam, "weight_decay": _decay},
    "lion": {"beta_1": _beta(0.9), "beta_2": _beta(0.99), "weight_decay": _decay},
}

default_learning_rates: Mapping[str, float] = {name: 0.01 if name == "sgd" else 0.001 for name in optimizers}

learning_rate = Argument(0.001, low=0.0)
# the arguments of schedules that are rates themselves
rates = ("initial_learning_rate", "end_learning_rate", "warmup_target", "values")
_given_rate = Argument(0.001, low=0.0, is_required=True)
_given_steps = Argument(1000, low=1, high=2**31 - 1, is_required=True)
_falling = {
    "initial_learning_rate": _given_rate,
    "decay_steps": _given_steps,
    "decay_rate": Argument(0.9, low=0.0, is_required=True),
    "staircase": _off,
}

# learning rates that change with the steps
schedules: Mapping[str, Signature] = {
    "exponential_decay": _falling,
    "inverse_time_decay": _falling,
    "polynomial_decay": {
        "initial_learning_rate": _given_rate,
        "decay_steps": _given_steps,
        "end_learning_rate": Argument(0.0001, low=0.0),
        "power": Argument(1.0, low=0.0),
        "cycle": _off,
    },
    "cosine_decay": {
        "initial_learning_rate": _given_rate,
        "decay_steps": _given_steps,
        "alpha": Argument(0.0, low=0.0),
        "warmup_target": Argument(0.001, low=0.0, or_none=True),
        "warmup_steps": Argument(0, low=0, high=2**31 - 1),
    },
    "piecewise_constant_decay": {
        "boundaries": replace(_given_steps, low=0, many=True),
        "values": replace(_given_rate, many=True),
    },
}

initializers: Mapping[str, Signature] = {
    "zeros": {},
    "ones": {},
    "constant": {"value": Argument(0.0)},
    "random_normal": {"mean": Argument(0.0), "stddev": Argument(0.05, low=0.0)},
    "random_uniform": {"minval": Argument(-0.05), "maxval": Argument(0.05)},
    "truncated_normal": {"mean": Argument(0.0), "stddev": Argument(0.05, low=0.0)},
    "variance_scaling": {
        "scale": Argument(1.0, low=0.0, open_low=True),
        "mode": Argument("fan_in", choices=("fan_in", "fan_out", "fan_avg")),
        "distribution": Argument("truncated_normal", choices=("uniform", "truncated_normal", "untruncated_normal")),
    },
    "glorot_normal": {},
    "glorot_uniform": {},
    "he_normal": {},
    "he_uniform": {},
    "lecun_normal": {},
    "lecun_uniform": {},
}

# those whose spread depends on how many inputs and outputs a layer has
by_fans = tuple(name for name in initializers if name.startswith(("variance", "glorot", "he_", "lecun")))
# of biases also: as the kernel of the layer is drawn, from the kernel's fans
bias_initializers: Mapping[str, Signature] = {**initializers, "as_kernel": {}}

_factor = Argument(0.01, low=0.0)

regularizers: Mapping[str, Signature] = {
    "none": {},
    "l1": {"l1": _factor},
    "l2": {"l2": _factor},
    "l1_l2": {"l1": Argument(0.0, low=0.0), "l2": Argument(0.0, low=0.0)},
}

losses: Mapping[str, Signature] = {
    "binary_crossentropy": {"label_smoothing": Argument(0.0, low=0.0, high=1.0)},
    "categorical_crossentropy": {"label_smoothing": Argument(0.0, low=0.0, high=1.0)},
    "mean_squared_error": {},
    "mean_absolute_error": {},
    "huber": {"delta": Argument(1.0, low=0.0, open_low=True)},
    "hinge": {},
    "squared_hinge": {},
}
encodings = ("binary", "bipolar")
target_codings = ("binary", "bipolar", "one_hot")


def format_value(value: Any) -> str:
    """A value as it stands in labels: `true`, `0.9`, `fan_in`.

    >>> format_value(True), format_value(0.9), format_value(2.0), format_value((100, 200))
    ('true', '0.9', '2.0', '[100,200]')
    """
    if isinstance(value, tuple):
        return f"[{','.join(map(format_value, cast(tuple[Any, ...], value)))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Named:
    """A name with every argument filled in, in the order of its signature.

    >>> named("sgd", {"momentum": 0.9}, optimizers).label(optimizers)
    'sgd(momentum=0.9)'
    """

    name: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __getitem__(self, argument: str) -> Any:
        return dict(self.arguments)[argument]

    def changed(self, signatures: Mapping[str, Signature]) -> dict[str, Any]:
        """The arguments that do not go without saying."""
        signature = signatures[self.name]
        return {key: value for key, value in self.arguments if not signature[key].is_usual(value)}

    def label(self, signatures: Mapping[str, Signature] | None = None) -> str:
        """The name, followed by the arguments that differ from their defaults in `signatures`, or by all of them."""
        arguments = self.changed(signatures) if signatures else dict(self.arguments)
        shown = [f"{k}={format_value(v)}" for k, v in arguments.items()]
        return self.name + (f"({','.join(shown)})" if shown else "")


def factors(regularizer: Named) -> tuple[float, float]:
    """By what a regularizer multiplies the sum of absolute weights, and that of squared ones.

    >>> factors(named("l2", {}, regularizers))
    (0.0, 0.01)
    """
    given = dict(regularizer.arguments)
    return given.get("l1", 0.0), given.get("l2", 0.0)


def plain_regularizer(regularizer: Named) -> Named:
    """The same regularizer by its shortest name: `none` where every factor is 0."""
    kept = tuple((name, factor) for name, factor in regularizer.arguments if factor)
    return Named("_".join(name for name, _ in kept) or "none", kept)


def name_and_arguments(value: object) -> tuple[str, dict[str, object]]:
    """A name with its arguments as a user writes them. Raises `SettingError`."""
    if isinstance(value, str):
        return value, {}
    given = cast(Mapping[str, object], value if isinstance(value, Mapping) else {})
    name = given.get("name")
    if isinstance(name, str):
        return name, {k: v for k, v in given.items() if k != "name"}
    raise SettingError(
        (), f"found {show(cast(object, value))}", "allowed: a name, or a mapping {name: .., argument: ..}"
    )


def named(name: str, arguments: Mapping[str, object], signatures: Mapping[str, Signature]) -> Named:
    """`name` with `arguments` checked and the others at their defaults.

    Raises `SettingError` whose place is empty for the name, else the argument.
    """
    if name not in signatures:
        mapping = "; with arguments: a mapping, {name: .., argument: ..}" if "(" in name else ""
        raise SettingError((), f"no such name: {name}", did_you_mean(name, signatures) + mapping)
    signature = signatures[name]
    for key in arguments:
        if key not in signature:
            takes = did_you_mean(str(key), signature) if signature else f"allowed: {name} without arguments"
            raise SettingError((str(key),), f"{name} has no argument {key}", takes)
    missing = [key for key, argument in signature.items() if argument.is_required and key not in arguments]
    if missing:
        wanted = ", ".join(f"{key}: .." for key, argument in signature.items() if argument.is_required)
        raise SettingError((), f"{name} without {' and '.join(missing)}", f"allowed: {{name: {name}, {wanted}}}")
    filled: list[tuple[str, Any]] = []
    for key, argument in signature.items():
        try:
            filled.append((key, argument.coerce(arguments.get(key, argument.usual))))
        except ValueError as error:
            raise SettingError((key,), f"found {show(arguments[key])}", f"allowed: {error}") from None
    return Named(name, tuple(filled))
