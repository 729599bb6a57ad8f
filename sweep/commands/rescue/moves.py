"""What a search lays over each other: changes with their ladders, those first that suit how the seeds failed.

A move is a change of one family; two of a family are not laid over each other.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.commands.rescue.changes import Change, changed, cost, kinds, longer, started, wider
from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.vocabulary import Named, named

# rates that are tried of an optimizer, from far too slow to beyond where most diverge
_adaptive = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
_rates: Mapping[str, tuple[float, ...]] = {
    **dict.fromkeys(vocabulary.optimizers, _adaptive),
    "sgd": (0.001, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    "adagrad": (0.01, 0.03, 0.1, 0.3, 1.0),
    "lion": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03),
}
# three times as far as Glorot's: what leads off a plateau of units that are all alike
wide_start = Named("variance_scaling", (("scale", 9.0), ("mode", "fan_avg"), ("distribution", "uniform")))

# the families in the order in which they suit an outcome; `plateau`: flat with all rows merged
_by_outcome: Mapping[str, tuple[str, ...]] = {
    "plateau": ("start", "rate", "optimizer", "width", "activation", "bias", "loss", "epochs"),
    "dead": ("activation", "start", "width", "depth", "bias", "rate", "optimizer"),
    "stuck": ("width", "start", "activation", "bias", "rate", "optimizer", "loss", "depth"),
    "unconverged": ("rate", "optimizer", "epochs", "start", "loss", "width", "activation", "bias"),
    "unsettled": ("rate", "batch", "dropout", "data", "width", "optimizer", "activation", "start"),
    "diverged": ("rate", "optimizer", "activation", "start", "width"),
}
_families: Mapping[str, Sequence[str]] = {
    "width": ("width doubled",),
    "activation": ("leaky_relu", "tanh", "relu"),
    "start": ("He initialization", "Glorot initialization"),
    "bias": ("with bias",),
    "depth": ("a layer less", "a layer more"),
    "epochs": tuple(longer),
    "loss": ("cross-entropy",),
    "dropout": ("no dropout", "no regularizers"),
    "batch": ("full batch",),
    "data": ("whole table",),
}
_family_of = {kind: family for family, kinds_of in _families.items() for kind in kinds_of}
_family_of |= dict.fromkeys(("rate times ten", "rate by ten"), "rate")


@dataclass(frozen=True)
class Move:
    """A change of a family."""

    family: str
    change: Change


def _rated(optimizer: Named, rate: float) -> Change:
    return lambda c: replace(c, optimizer=optimizer, learning_rate=rate)


def ladder(optimizer: Named, family: str) -> Iterator[Move]:
    """An optimizer with every rate that is tried of it."""
    for rate in _rates[optimizer.name]:
        yield Move(family, _rated(optimizer, rate))


def menu(base: Configuration, failed: Mapping[str, int]) -> list[Move]:
    """The moves, in the order in which they suit the outcomes of `failed`, the most frequent first.

    Of other optimizers adam and gradient descent with momentum.
    """
    moves = [Move(family, kinds[kind]) for family, names in _families.items() for kind in names]
    moves += [Move("width", wider(4)), Move("start", started(wide_start)), *ladder(base.optimizer, "rate")]
    others = (Named("adam"), Named("sgd", (("momentum", 0.9),)))
    for other in (named(o.name, dict(o.arguments), vocabulary.optimizers) for o in others):
        if other != base.optimizer:
            moves += ladder(other, "optimizer")
    rank = _ranks(failed)
    return sorted(moves, key=lambda move: rank.get(move.family, len(rank)))


def _ranks(failed: Mapping[str, int]) -> dict[str, int]:
    """The families by their places, those first that suit the most frequent outcomes."""
    frequent = sorted(failed, key=lambda name: -failed[name])
    suits = dict.fromkeys(family for name in frequent for family in _by_outcome.get(name, ()))
    return {family: i for i, family in enumerate(suits)}


def suited(base: Configuration, failed: Mapping[str, int]) -> list[Configuration]:
    """What every single change makes, those first that suit the outcomes of `failed`; optimizers and momentum alike."""
    rank = _ranks(failed)
    found = sorted(changed(base), key=lambda item: rank.get(_family_of.get(item[0], "optimizer"), len(rank)))
    return [c for _, c in found]


def single_moves(base: Configuration, moves: Iterable[Move]) -> list[Configuration]:
    """What one move makes, every optimizer with its ladder among them."""
    optimizers = [named(name, {}, vocabulary.optimizers) for name in vocabulary.optimizers]
    every = [*moves, *itertools.chain.from_iterable(ladder(o, "optimizer") for o in optimizers)]
    return _different(base, (move.change(base) for move in every))


def pairs(base: Configuration, moves: Sequence[Move]) -> list[Configuration]:
    """What two moves of unlike families make, those first that suit best."""
    ranked = sorted(itertools.combinations(range(len(moves)), 2), key=lambda ij: (sum(ij), ij))
    made: list[Configuration] = []
    for i, j in ranked:
        # layers come before what is changed of them
        first, second = sorted((moves[i], moves[j]), key=lambda move: move.family != "depth")
        one = first.change(base)
        if one != base and first.family != second.family:
            made.append(second.change(one))
    return _different(base, made)


def one_more(parents: Iterable[Configuration], moves: Sequence[Move]) -> list[Configuration]:
    """What one more move makes of each."""
    return [c for parent in parents for c in _different(parent, (move.change(parent) for move in moves))]


def _different(base: Configuration, made: Iterable[Configuration]) -> list[Configuration]:
    return [c for c in dict.fromkeys(made) if c != base]


def by_cost(c: Configuration) -> tuple[int, int]:
    """What sorts cheap configurations before dear ones."""
    return cost(c), c.n_parameters
