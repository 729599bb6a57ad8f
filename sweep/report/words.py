"""Words, bars and intervals, the same wherever they are shown; `sweep.runs.settings` has those for settings."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sweep.networks.configuration import Configuration
from sweep.networks.settings import defaults
from sweep.networks.vocabulary import activations, default_learning_rates
from sweep.runs.settings import setting_text, title_of

max_layers_named = 8
_always_named = {"task", "width", "depth", "activation", "optimizer", "learning_rate", "batch_size", "epochs"}
_numbers = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# as the field writes them, where that is not the name itself or with a capital letter
_written: Mapping[str, str] = {
    **{"relu": "ReLU", "leaky_relu": "leaky ReLU", "elu": "ELU", "selu": "SELU", "silu": "SiLU", "gelu": "GELU"},
    **{"relu6": "ReLU6", "sgd": "SGD", "rmsprop": "RMSprop", "adamw": "AdamW"},
    **{name: name.capitalize() for name in ("adagrad", "adam", "adamax", "nadam", "lion")},
}


def _unusual(c: Configuration) -> list[str]:
    """What of a configuration neither is always named nor is the default, each with its value."""
    labels = c.labels()
    names = [name for name in labels if name not in _always_named and labels[name] != defaults[name]]
    return [f"{title_of(name)} {setting_text(labels[name])}" for name in names]


def _as_written(label: str) -> str:
    """The label of a named thing, its name as the field writes it."""
    name, bracket, arguments = label.partition("(")
    return _written.get(name, title_of(name)) + bracket + arguments


def say_network(c: Configuration) -> str:
    """A network and its training in words; its task, and what is the default, are left out.

    >>> from sweep.networks.settings import resolve
    >>> say_network(resolve({"width": 12, "optimizer": "sgd", "batch_size": 1}))
    'one hidden layer of 12 ReLU units, SGD, batch size 1'
    >>> say_network(resolve({"layers": [4, {"units": 2, "activation": "tanh"}], "learning_rate": 0.01}))
    'two hidden layers of 4 ReLU and 2 tanh units, Adam at learning rate 0.01, batch size 4'
    """
    groups = [f"{layer.units} {_as_written(layer.activation.label(activations))}" for layer in c.hidden]
    same = len(set(groups)) == 1
    listed = groups[0] if same else ", ".join(groups[:-1]) + f" and {groups[-1]}" if groups else ""
    number = _numbers[c.depth] if c.depth < len(_numbers) else str(c.depth)
    each = " each" if same and c.depth > 1 else ""
    network = (
        f"{number} hidden layer{'' if c.depth == 1 else 's'} of {listed} unit{'' if listed[:2] == '1 ' else 's'}{each}"
    )
    labels = c.labels()
    is_usual = c.learning_rate == default_learning_rates[c.optimizer.name]
    rate = "" if is_usual else f" at learning rate {setting_text(labels['learning_rate'])}"
    return ", ".join(
        [
            network if c.depth else "no hidden layer",
            *_unusual(c),
            _as_written(str(labels["optimizer"])) + rate,
            f"batch size {c.batch_size}",
            *([f"{c.epochs:,} epochs"] if c.epochs != defaults["epochs"] else []),
        ]
    )


def describe_configuration(c: Configuration) -> str:
    """A configuration in a line: layers, activation, optimizer, batch, epochs, and all that is not the default.

    >>> from sweep.networks.settings import resolve
    >>> describe_configuration(resolve({"width": 2, "depth": 3, "dropout": 0.1}))
    'xor: 2-2-2 relu, dropout 0.1, adam 0.001, batch 4, 1,000 epochs'
    """
    labels = c.labels()
    is_listed = c.depth <= max_layers_named or len(set(c.widths)) > 1
    hidden = "-".join(map(str, c.widths)) if is_listed else f"{c.depth} layers of {labels['width']}"
    words = [
        f"{hidden} {labels['activation']}" if c.depth else "no hidden layer",
        *_unusual(c),
        f"{labels['optimizer']} {setting_text(labels['learning_rate'])}",
        f"batch {c.batch_size}",
        f"{c.epochs:,} epochs",
    ]
    return f"{labels['task']}: {', '.join(words)}"


def describe_settings(row: Mapping[str, Any], columns: Iterable[str]) -> str:
    """Some settings of a row of the configurations table.

    >>> describe_settings({"width": 12, "learning_rate": 0.01}, ["width", "learning_rate"])
    'width 12, learning rate 0.01'
    """
    return ", ".join(f"{title_of(c)} {setting_text(row[c])}" for c in columns)


def describe_size(row: Mapping[str, Any]) -> str:
    """How many parameters a row of the configurations table has, after a comma; nothing where it has no such number.

    >>> describe_size({"n_parameters": 1200}), describe_size({})
    (', 1,200 parameters', '')
    """
    return f", {row['n_parameters']:,} parameters" if "n_parameters" in row else ""


def counted(n: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(1000, "seed")
    ('1 seed', '1,000 seeds')
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def percent(share: float) -> str:
    """A rate with as many digits as tell it from 0 and 1.

    >>> percent(0.5), percent(0.986328), percent(1.0), percent(0.9996), percent(0.00002)
    ('50%', '98.6%', '100%', '99.96%', '0.002%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    least = min(share, 1 - share)
    digits = 0 if least >= 0.05 else 1 if least >= 0.005 else max(2, math.ceil(-2 - math.log10(least)))
    return f"{share:.{digits}%}"


def percent_at_most(share: float) -> str:
    """A rate as a bound, to a tenth of a percent, rounded up.

    >>> percent_at_most(0.0332), percent_at_most(0.0001), percent_at_most(0.05)
    ('3.4%', '0.1%', '5%')
    """
    return f"{math.ceil(1000 * share - 1e-9) / 10:g}%"


def interval(low: float, high: float, dash: str = "-") -> str:
    """An interval of a rate.

    >>> interval(0.45, 1.0)
    '0.450-1.000'
    """
    return f"{low:.3f}{dash}{high:.3f}"


def percents(low: float, high: float) -> str:
    """An interval of a rate in percent, wider rather than narrower; under ten percent wide, it has a digit more.

    >>> percents(0.591, 0.8212), percents(0.094, 0.1333)
    ('59-83%', '9.4-13.4%')
    """
    digits = 0 if high - low >= 0.1 else 1
    unit = 10.0**digits
    down, up = math.floor(100 * unit * low + 1e-9) / unit, math.ceil(100 * unit * high - 1e-9) / unit
    return f"{down:.{digits}f}-{up:.{digits}f}%"


def bar(share: float, width: int) -> str:
    """A share as a bar of `width` characters, to an eighth of one.

    >>> bar(0.55, 10)
    '█████▌····'
    """
    whole, rest = divmod(round(share * width * 8), 8)
    drawn = "█" * whole + ("", *"▏▎▍▌▋▊▉")[rest]
    return drawn + "·" * (width - len(drawn))
