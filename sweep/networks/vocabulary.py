"""The names that an experiment may use, their arguments and Keras's defaults.

A name with arguments (`{name: sgd, momentum: 0.9}`) becomes a `Named`: every argument filled in, so that two
spellings of one thing are equal. Source of names and defaults: Keras 3 (`keras.activations`, `keras.optimizers`,
`keras.initializers`); arguments that clip, average or accumulate gradients are left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.runs.errors import SettingError, did_you_mean, show

type_names = {bool: "true or false", float: "a number", int: "a whole number", str: "a name"}

Value = bool | int | float | str

max_number = 3e38  # float32 ends at 3.4e38


@dataclass(frozen=True)
class Argument:
    """One argument of a named thing: its default and the values it may take.

    `low` and `high` bound a number; `open_low` and `open_high` exclude the bound itself; `choices` lists names.
    """

    default: Value
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        """What may stand here, in words.

        >>> Argument(0.5, low=0, high=1, open_high=True).allowed(), Argument(0.5, low=0, high=1).allowed()
        ('a number from 0 up and below 1', 'a number from 0 to 1')
        """
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

    def coerce(self, value: object) -> Value:
        """`value` in this argument's own type; `ValueError` says what is allowed."""
        if isinstance(self.default, bool) or isinstance(self.default, str):
            if type(value) is not type(self.default) or (self.choices and value not in self.choices):
                raise ValueError(self.allowed())
            return value  # pyright: ignore[reportReturnType]  (checked just above)
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

losses: Mapping[str, Signature] = {
    "binary_crossentropy": {},
    "categorical_crossentropy": {},
    "mean_squared_error": {},
    "mean_absolute_error": {},
    "huber": {"delta": Argument(1.0, low=0.0, open_low=True)},
    "hinge": {},
    "squared_hinge": {},
}
encodings = ("binary", "bipolar")
target_codings = ("binary", "bipolar", "one_hot")


def format_value(value: Value) -> str:
    """A value as it stands in labels: `true`, `0.9`, `fan_in`.

    >>> format_value(True), format_value(0.9), format_value(2.0)
    ('true', '0.9', '2.0')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Named:
    """A name with every argument filled in, in the order of its signature.

    >>> named("sgd", {"momentum": 0.9}, optimizers).label(optimizers)
    'sgd(momentum=0.9)'
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def __getitem__(self, argument: str) -> Value:
        return dict(self.arguments)[argument]

    def label(self, signatures: Mapping[str, Signature] | None = None) -> str:
        """The name, followed by the arguments that differ from their defaults in `signatures`, or by all of them."""
        defaults: Signature = signatures[self.name] if signatures else {}
        shown = [f"{k}={format_value(v)}" for k, v in self.arguments if k not in defaults or v != defaults[k].default]
        return self.name + (f"({','.join(shown)})" if shown else "")


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
    filled: list[tuple[str, Value]] = []
    for key, argument in signature.items():
        try:
            filled.append((key, argument.coerce(arguments.get(key, argument.default))))
        except ValueError as error:
            raise SettingError((key,), f"found {show(arguments[key])}", f"allowed: {error}") from None
    return Named(name, tuple(filled))
