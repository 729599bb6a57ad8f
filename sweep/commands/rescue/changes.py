"""One change at a time: what a person would try where a configuration does not learn.

A change that changes nothing is left out, by comparing resolved configurations.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.randomness import Stream
from sweep.networks.settings import defaults, max_depth, max_width
from sweep.networks.vocabulary import Named, named
from sweep.runs.settings import setting_text, title_of

factor_epochs = 4
factor_rate = 10
max_epochs = 2**31 - 1
# activations that take the place of the configuration's own
activations = ("leaky_relu", "tanh", "relu")
constant_initializers = ("zeros", "ones", "constant")
# what its value alone names
self_evident = ("kernel_initializer", "activation", "optimizer")

Change = Callable[[Configuration], Configuration]


def _doubled(c: Configuration) -> Configuration:
    return replace(c, layers=tuple(min(2 * n, max_width) for n in c.layers))


def _less_deep(c: Configuration) -> Configuration:
    """Without the last hidden layer; what no hidden layer uses becomes neutral, as in `resolve`."""
    if c.depth > 1:
        return replace(c, layers=c.layers[:-1])
    return replace(c, layers=(), activation=Named("linear"), dropout=0.0)


def _deeper(c: Configuration) -> Configuration:
    """With another hidden layer like the last; a first one is as wide as the default and has relu."""
    if c.depth == 0:
        return replace(c, layers=(int(defaults["width"]),), activation=Named("relu"))
    return replace(c, layers=(*c.layers, c.layers[-1])[:max_depth])


def _activated(name: str) -> Change:
    def change(c: Configuration) -> Configuration:
        is_other = c.depth > 0 and c.activation.name != name
        return replace(c, activation=named(name, {}, vocabulary.activations)) if is_other else c

    return change


def _longer(c: Configuration) -> Configuration:
    return replace(c, epochs=min(factor_epochs * c.epochs, max_epochs))


def _with_rate(factor: float) -> Change:
    def change(c: Configuration) -> Configuration:
        rate = float(f"{c.learning_rate * factor:.6g}")
        return replace(c, learning_rate=rate) if rate <= vocabulary.max_number else c

    return change


def _without_dropout(c: Configuration) -> Configuration:
    return replace(c, dropout=0.0)


def _optimized(name: str) -> Change:
    """Another optimizer with Keras's arguments.

    A learning rate that is Keras's default for its optimizer becomes the default of the other, as it does where a
    person writes another name; any other rate stays.
    """

    def change(c: Configuration) -> Configuration:
        if name == c.optimizer.name:
            return c
        rates = vocabulary.default_learning_rates
        rate = rates[name] if c.learning_rate == rates[c.optimizer.name] else c.learning_rate
        return replace(c, optimizer=named(name, {}, vocabulary.optimizers), learning_rate=rate)

    return change


def _full_batch(c: Configuration) -> Configuration:
    return replace(c, batch_size=c.rows_per_epoch)


def _whole_table(c: Configuration) -> Configuration:
    """Trained on the rows of the table instead of a data set drawn from it."""
    return replace(c, samples=None, batch_size=min(c.batch_size, c.task.n_rows))


def _he(c: Configuration) -> Configuration:
    """He's initialization, of the distribution that the configuration has."""
    if c.kernel_initializer.name.startswith("he_"):
        return c
    return replace(c, kernel_initializer=Named("he_normal" if "normal" in c.kernel_initializer.name else "he_uniform"))


kinds: Mapping[str, Change] = {
    "width doubled": _doubled,
    "a layer less": _less_deep,
    "a layer more": _deeper,
    **{name: _activated(name) for name in activations},
    "longer": _longer,
    "rate times ten": _with_rate(factor_rate),
    "rate by ten": _with_rate(1 / factor_rate),
    "no dropout": _without_dropout,
    **{name: _optimized(name) for name in vocabulary.optimizers},
    "full batch": _full_batch,
    "whole table": _whole_table,
    "He initialization": _he,
}


def changed(configuration: Configuration) -> Iterator[tuple[str, Configuration]]:
    """Every change of one kind that makes another configuration, in the order of `kinds`: kind and configuration."""
    for kind, change in kinds.items():
        if kind == "a layer less" and configuration.depth == 0:
            continue
        other = change(configuration)
        if other != configuration:
            yield kind, other


def describe_change(before: Configuration, after: Configuration) -> str:
    """What is different, in words: `width 2 -> 4, relu -> tanh`.

    >>> from sweep.networks.settings import resolve
    >>> describe_change(resolve({"width": 2, "depth": 3}), resolve({"width": 4, "depth": 2, "epochs": 4000}))
    'width 2 -> 4, depth 3 -> 2, epochs 1000 -> 4000'
    """
    old, new = before.labels(), after.labels()
    parts: list[str] = []
    hidden = ("width", "depth", "activation", "dropout")
    if bool(before.layers) == bool(after.layers):
        hidden = ()
    elif after.layers:
        parts.append(f"{new['depth']} hidden x {new['width']} {new['activation']}")
    else:
        parts.append("no hidden layer")
    for name, value in old.items():
        if name not in hidden and value != new[name]:
            title = "" if name in self_evident else f"{title_of(name)} "
            parts.append(f"{title}{setting_text(value)} -> {setting_text(new[name])}")
    return ", ".join(parts)


@dataclass(frozen=True)
class Redraw:
    """The same configuration with some of its random numbers drawn anew: `streams` get other seeds."""

    label: str
    streams: tuple[Stream, ...]


def redraws(configuration: Configuration) -> tuple[Redraw | None, Redraw | None]:
    """Other weights with the rest of the randomness kept, and the other way round; None where there is none of it."""
    c = configuration
    rest: dict[Stream, str] = {}
    if not c.is_full_batch:
        rest[Stream.ORDER] = "row order"
    if c.dropout > 0:
        rest[Stream.DROPOUT] = "masks"
    if c.samples is not None:
        rest[Stream.SAMPLE] = "samples"
    words = " and ".join(rest.values())
    initializers = [c.kernel_initializer] + ([c.bias_initializer] if c.use_bias else [])
    has_random_weights = any(x.name not in constant_initializers for x in initializers)
    weights = Redraw("other weights", (Stream.WEIGHTS,))
    others = Redraw(f"other {words}", tuple(rest))
    return weights if has_random_weights else None, others if rest else None
