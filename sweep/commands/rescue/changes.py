"""One change at a time: what a person would try where a configuration does not learn.

A change that changes nothing is left out, by comparing resolved configurations. One that makes the steps of an epoch
fewer has more epochs, so that it trains for as many steps.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.randomness import Stream
from sweep.networks.settings import defaults, max_depth, max_width
from sweep.networks.vocabulary import Named, named
from sweep.runs.settings import setting_text, title_of

# how many times longer: the last one is as far as "longer training does not help" reaches
longer = {"longer": 4, "ten times longer": 10, "a hundred times longer": 100}
factor_rate = 10
max_epochs = 2**31 - 1
# activations that take the place of the configuration's own
activations = ("leaky_relu", "tanh", "relu")
constant_initializers = ("zeros", "ones", "constant")
# what its value alone names
self_evident = ("kernel_initializer", "activation", "optimizer")

Change = Callable[[Configuration], Configuration]


def _hidden(c: Configuration, change: Callable[[Layer], Layer]) -> Configuration:
    """With every hidden layer changed."""
    return replace(c, layers=(*map(change, c.hidden), c.output))


def wider(factor: int) -> Change:
    """With so many times the units in every hidden layer."""
    return lambda c: _hidden(c, lambda layer: replace(layer, units=min(factor * layer.units, max_width)))


def _less_deep(c: Configuration) -> Configuration:
    """Without the last hidden layer."""
    return replace(c, layers=(*c.hidden[:-1], c.output))


def _deeper(c: Configuration) -> Configuration:
    """With another hidden layer like the last; a first one is as wide as the default and has relu and a bias."""
    first = replace(c.output, units=int(defaults["width"]), activation=Named("relu"), use_bias=True)
    return replace(c, layers=(*(*c.hidden, c.hidden[-1] if c.hidden else first)[:max_depth], c.output))


def _activated(name: str) -> Change:
    activation = named(name, {}, vocabulary.activations)

    def change(layer: Layer) -> Layer:
        return layer if layer.activation.name == name else replace(layer, activation=activation)

    return lambda c: _hidden(c, change)


def _longer(factor: int) -> Change:
    return lambda c: replace(c, epochs=min(factor * c.epochs, max_epochs))


def _with_rate(factor: float) -> Change:
    """Another learning rate; of a schedule all of its rates."""

    def times(rate: Any) -> Any:
        if isinstance(rate, tuple):
            return tuple(map(times, cast(tuple[float, ...], rate)))
        return None if rate is None else min(float(f"{rate * factor:.6g}"), vocabulary.max_number)

    def change(c: Configuration) -> Configuration:
        rate = c.learning_rate
        if not isinstance(rate, Named):
            return replace(c, learning_rate=times(rate)) if rate * factor <= vocabulary.max_number else c
        arguments = tuple((key, times(x) if key in vocabulary.rates else x) for key, x in rate.arguments)
        return replace(c, learning_rate=Named(rate.name, arguments))

    return change


def _with_bias(c: Configuration) -> Configuration:
    """With a bias in every layer."""
    return replace(c, layers=tuple(replace(layer, use_bias=True) for layer in c.layers))


def _cross_entropy(c: Configuration) -> Configuration:
    """With the cross-entropy of a sigmoid, or of a softmax where there are classes; not of targets -1 and 1."""
    if c.coding == "bipolar" or c.head.takes_sums:
        return c
    output, loss = ("softmax", "categorical") if c.head.has_classes else ("sigmoid", "binary")
    return replace(
        c,
        layers=(*c.hidden, replace(c.output, activation=Named(output))),
        loss=named(f"{loss}_crossentropy", {}, vocabulary.losses),
    )


def _with_momentum(c: Configuration) -> Configuration:
    if c.optimizer.name != "sgd" or c.optimizer["momentum"]:
        return c
    arguments = dict(c.optimizer.arguments) | {"momentum": 0.9}
    return replace(c, optimizer=named("sgd", arguments, vocabulary.optimizers))


def _unregularized(c: Configuration) -> Configuration:
    none = Named("none")
    layers = (replace(layer, kernel_regularizer=none, bias_regularizer=none) for layer in c.layers)
    return replace(c, layers=tuple(layers))


def _without_dropout(c: Configuration) -> Configuration:
    return _hidden(c, lambda layer: replace(layer, dropout=0.0))


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


def _as_many_steps(c: Configuration, after: Configuration) -> Configuration:
    """`after` with no fewer steps than before."""
    epochs = -(-c.epochs * c.steps_per_epoch // after.steps_per_epoch)
    return replace(after, epochs=min(max(epochs, c.epochs), max_epochs))


def _full_batch(c: Configuration) -> Configuration:
    return _as_many_steps(c, replace(c, batch_size=c.rows_per_epoch, shuffle=True))


def _whole_table(c: Configuration) -> Configuration:
    """Trained on the rows of the table instead of a data set drawn from it."""
    return _as_many_steps(c, replace(c, samples=None, batch_size=min(c.batch_size, c.task.n_rows)))


def started(initializer: Named) -> Change:
    """With all kernels drawn so; a bias that was drawn as its kernel is so still."""
    return lambda c: replace(c, layers=tuple(replace(layer, kernel_initializer=initializer) for layer in c.layers))


def _of_family(family: str) -> Change:
    """An initialization of a family, of the distribution that each layer has."""

    def change(layer: Layer) -> Layer:
        drawn = layer.kernel_initializer.name
        other = Named(f"{family}_normal" if "normal" in drawn else f"{family}_uniform")
        return layer if drawn.startswith(family) else replace(layer, kernel_initializer=other)

    return lambda c: replace(c, layers=tuple(map(change, c.layers)))


kinds: Mapping[str, Change] = {
    "with bias": _with_bias,
    "width doubled": wider(2),
    "a layer less": _less_deep,
    "a layer more": _deeper,
    **{name: _activated(name) for name in activations},
    **{name: _longer(factor) for name, factor in longer.items()},
    "rate times ten": _with_rate(factor_rate),
    "rate by ten": _with_rate(1 / factor_rate),
    "no dropout": _without_dropout,
    "no regularizers": _unregularized,
    **{name: _optimized(name) for name in vocabulary.optimizers},
    "momentum": _with_momentum,
    "full batch": _full_batch,
    "whole table": _whole_table,
    "He initialization": _of_family("he"),
    "Glorot initialization": _of_family("glorot"),
    "cross-entropy": _cross_entropy,
}


def changed(configuration: Configuration) -> Iterator[tuple[str, Configuration]]:
    """Every change of one kind that makes another configuration, in the order of `kinds`: kind and configuration."""
    for kind, change in kinds.items():
        if kind == "a layer less" and configuration.depth == 0:
            continue
        other = change(configuration)
        if other != configuration:
            yield kind, other


def cost(configuration: Configuration) -> int:
    """Parameters times steps: what a training costs, roughly."""
    return configuration.n_parameters * n_steps(configuration)


def n_steps(configuration: Configuration) -> int:
    """Weight updates of a training."""
    return configuration.epochs * configuration.steps_per_epoch


def describe_change(before: Configuration, after: Configuration) -> str:
    """What is different, in words: `width 2 -> 4, relu -> tanh`.

    >>> from sweep.networks.settings import resolve
    >>> describe_change(resolve({"width": 2, "depth": 3}), resolve({"width": 4, "depth": 2, "epochs": 4000}))
    'width 2 -> 4, depth 3 -> 2, epochs 1000 -> 4000'
    """
    old, new = before.labels(), after.labels()
    parts: list[str] = []
    hidden = ("width", "depth", "activation", "dropout")
    if bool(before.hidden) == bool(after.hidden):
        hidden = ()
    elif after.hidden:
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
    if c.has_order:
        rest[Stream.ORDER] = "row order"
    if c.has_dropout:
        rest[Stream.DROPOUT] = "masks"
    if c.samples is not None:
        rest[Stream.SAMPLE] = "samples"
    words = " and ".join(rest.values())
    has_random_weights = any(v.initializer.name not in constant_initializers for v in c.variables)
    weights = Redraw("other weights", (Stream.WEIGHTS,))
    others = Redraw(f"other {words}", tuple(rest))
    return weights if has_random_weights else None, others if rest else None
