"""The initial values of many seeds' models in one program, where `build` differs by Keras's global seed alone.

Every initializer and every generator of a layer begins with a number that Keras draws when it is made, from Python's
generator, which `keras.utils.set_random_seed` seeds. So the values of a variable are its initializer's under the
number drawn at its place. Of four seeds the models are built, and must have these values, or every model is built.
"""

import copy
import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sweep.training.keras.marking import keras
from sweep.training.stacked.program import State

n_draws = 4096  # of a seed that are looked through
largest_draw = 10**9  # as Keras draws: `keras.random.seed_generator.make_default_seed`
tolerance = 1e-6  # a program rounds otherwise than an initializer that is called by itself


def draws(seed: int, n: int = n_draws) -> list[int]:
    """The first numbers that Keras draws after its seed was set."""
    generator = random.Random(seed)
    return [generator.randint(1, largest_draw) for _ in range(n)]


@contextmanager
def noted() -> Generator[dict[int, Any]]:
    """Which initializer each variable has that a layer makes meanwhile, by the variable's `id`."""
    layer, found = keras().layers.Layer, dict[int, Any]()
    original = layer.add_weight

    def add_weight(self: Any, *args: Any, **options: Any) -> Any:
        if isinstance(options.get("initializer"), str):
            options["initializer"] = keras().initializers.get(options["initializer"])
        variable = original(self, *args, **options)
        found[id(variable)] = options.get("initializer")
        return variable

    layer.add_weight = add_weight
    try:
        yield found
    finally:
        layer.add_weight = original


@dataclass(frozen=True)
class Source:
    """Where a variable's values come from: the draw at a place, through an initializer or as a generator's state."""

    place: int
    initializer: Any

    def values(self, number: Any, like: Any) -> Any:
        """The values under a number that was drawn, of the shape of these."""
        if self.initializer is None:
            return jnp.stack([number, jnp.zeros((), number.dtype)]).astype(like.dtype)
        initializer = copy.copy(self.initializer)
        initializer.seed = _given(number)
        return jnp.asarray(initializer(like.shape, dtype=str(like.dtype)), like.dtype)


def sources(model: Any, initializers: dict[int, Any], seed: int) -> list[Source | None]:
    """Of each trained and other variable of a seed's model, where it comes from; None for what no draw decides."""
    place = {number: i for i, number in reversed(list(enumerate(draws(seed))))}
    found: list[Source | None] = []
    for variable in (*model.trainable_variables, *model.non_trainable_variables):
        initializer, value = initializers.get(id(variable)), np.asarray(variable.value)
        number: Any = getattr(initializer, "seed", None)
        is_generator = initializer is None and value.dtype == np.uint32 and value.shape == (2,)
        number = int(value[0]) if is_generator else number
        is_drawn = isinstance(number, int) and number in place and getattr(initializer, "_init_seed", None) is None
        found.append(Source(place[number], initializer) if is_drawn else None)
    return found


def in_one_program(
    build: Callable[[int], tuple[State, list[Source | None]]], seeds: Sequence[int]
) -> Callable[[Sequence[int]], list[State]] | None:
    """What gives the states of seeds without building their models; None where they must be built.

    build: the state of a seed's model and the sources of its variables.
    """
    compared = sorted({seeds[i] for i in (0, min(1, len(seeds) - 1), len(seeds) // 2, -1)})
    try:
        built = [build(seed) for seed in compared]
    except Exception:  # whatever the caller's function raises is how that run will end, once it is built
        return None
    first, of = built[0]
    if any([s and s.place for s in other] != [s and s.place for s in of] for _, other in built):
        return None
    leaves, structure = jax.tree.flatten(State(list(first.trained), list(first.others), list(first.optimizer)))
    of = [*of, *[None] * (len(leaves) - len(of))]
    places = sorted({source.place for source in of if source is not None})

    @jax.jit
    @jax.vmap
    def drawn(numbers: Any) -> list[Any]:
        by_place = dict(zip(places, numbers, strict=True))
        return [s.values(by_place[s.place], leaf) for s, leaf in zip(of, leaves, strict=True) if s is not None]

    def states(seeds: Sequence[int]) -> list[State]:
        n = max(places, default=-1) + 1
        numbers = np.array([[draws(seed, n)[place] for place in places] for seed in seeds], np.uint32)
        values = [np.asarray(column) for column in drawn(jnp.asarray(numbers))]
        found: list[State] = []
        for i in range(len(seeds)):
            own = iter(values)
            each = [leaf if s is None else next(own)[i] for s, leaf in zip(of, leaves, strict=True)]
            found.append(jax.tree.unflatten(structure, each))
        return found

    same = all(
        np.allclose(a, b, tolerance, tolerance)
        for state, (known, _) in zip(states(compared), built, strict=True)
        for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(known), strict=True)
    )
    return states if same else None


def _given(number: Any) -> Any:
    """A generator of Keras's that gives this number, which may be traced."""
    generator = object.__new__(keras().random.SeedGenerator)
    generator.next = lambda ordered=True: jnp.stack([number, jnp.zeros((), number.dtype)])
    return generator
