"""The training of many models of one structure as one compiled program, on JAX.

`Model.train_step`, `test_step` and `predict_step` of Keras, which are functions of the model's variables there, are the
whole of a step; here stand the loop over them and the axis `model`. So a run means what `Model.fit` means.

Notation: a state is the variables of one model: trained, not trained (of random states too), of the optimizer; stacked,
each has the axis `model` first. A record is `[epoch]` of one model.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from sweep.training.keras.built import answered_at_once
from sweep.training.keras.marking import Hidden, Marking, looked_at_once, n_rows

recorded_at_once = 256  # epochs of one call of a program at most


class State(NamedTuple):
    """The variables of a model, or of models with the axis `model` first, in Keras's order."""

    trained: Sequence[Any]
    others: Sequence[Any]
    optimizer: Sequence[Any]


def row_order(seed: Any, epoch: Any, n: int) -> Any:
    """The order in which the model of a seed sees its rows in an epoch, from 0: `[row]`."""
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), seed), epoch)
    return jax.random.permutation(key, n)


@dataclass(frozen=True)
class Data:
    """Rows with their targets, and their weights in the loss where they have such; how answers are held against them.

    parts: `(x, y)` or `(x, y, weights)`, x and y arrays or structures of arrays.
    """

    parts: tuple[Any, ...]
    marks: Marking | None

    @property
    def n_rows(self) -> int:
        """How many rows."""
        return n_rows(self.parts[0])

    def rows(self, places: Any) -> tuple[Any, ...]:
        """The rows at these places."""
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[places], self.parts)


class Training:
    """One model's training as a function of its state, to be compiled for many.

    model: the one whose functions are called; its own variables are not touched. layers: those whose units are looked
    at. names: what is recorded, see `named`.
    """

    def __init__(self, model: Any, data: Data, test: Data | None, batch_size: int, layers: Hidden | None) -> None:
        self.model, self.data, self.test, self.layers = model, data, test, layers
        self.batch_size = batch_size
        self.names: Sequence[str] = ()
        self._no_metrics = [jnp.asarray(variable.value) for variable in model.metrics_variables]

    @property
    def rows(self) -> tuple[Any, Any]:
        """The rows to train on and those to test on, which a program is given: they are no constants of it."""
        return self.data.parts, None if self.test is None else self.test.parts

    def named(self, state: State) -> Self:
        """The same with the names of the numbers that a model in this state gives."""
        self.names = list(jax.eval_shape(self.numbers, state))
        return self

    def given(self, rows: tuple[Any, Any]) -> Self:
        """The same on these rows, which may be traced."""
        other = copy.copy(self)
        other.data = replace(self.data, parts=rows[0])
        other.test = None if self.test is None else replace(self.test, parts=rows[1])
        return other

    def __call__(self, state: State, seed: Any, first: Any, last: Any, epochs: Any) -> tuple[State, Any]:
        """Record and train, from the epoch `first` on, up to before `last`: the state then, and the records.

        There is no training after `epochs`. Records: `[place, name]`, of which `last - first` places are meant.
        """

        def record_and_train(epoch: Any, carried: tuple[State, Any]) -> tuple[State, Any]:
            state, records = carried
            numbers = self.numbers(state)
            records = records.at[epoch - first].set(jnp.stack([numbers[name] for name in self.names]))
            return jax.lax.cond(epoch < epochs, lambda s: self.epoch(s, seed, epoch), lambda s: s, state), records

        records = jnp.zeros((recorded_at_once, len(self.names)), jnp.float32)
        return jax.lax.fori_loop(first, last, record_and_train, (state, records))

    def epoch(self, state: State, seed: Any, epoch: Any) -> State:
        """The state after all batches of an epoch; the last one is what is left, and its mean is over its own rows."""
        n, size = self.data.n_rows, min(self.batch_size, self.data.n_rows)
        order = row_order(seed, epoch, n)
        n_whole = n // size

        def step(state: State, start: Any) -> tuple[State, None]:
            return self.step(state, jax.lax.dynamic_slice(order, (start,), (size,))), None

        state, _ = jax.lax.scan(step, state, jnp.arange(n_whole) * size)
        return self.step(state, order[n_whole * size :]) if n % size else state

    def step(self, state: State, places: Any) -> State:
        """The state after a step on these rows."""
        given = (state.trained, state.others, state.optimizer, self._no_metrics)
        _, (trained, others, optimizer, _) = self.model.train_step(given, self.data.rows(places))
        kept = State(trained, others, optimizer)
        return jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), kept, State(*map(list, state)))

    def numbers(self, state: State) -> dict[str, Any]:
        """What loss, metrics and right answers say, of the data and of the test rows; see `built.Watch.numbers`."""
        found = self._evaluated(state, self.data)
        if self.test is not None:
            found |= {f"test_{name}": value for name, value in self._evaluated(state, self.test).items()}
        return found

    def _evaluated(self, state: State, data: Data) -> dict[str, Any]:
        def step(metrics: Any, places: Any) -> tuple[Any, Any]:
            logs, (_, _, metrics) = self.model.test_step((state.trained, state.others, metrics), data.rows(places))
            return metrics, logs

        size = max(self.batch_size, answered_at_once)
        logs = _in_pieces(step, self._no_metrics, data.n_rows, size)[1][-1]
        found = {name: jnp.asarray(value, jnp.float32) for name, value in logs.items()}
        if data.marks is not None:
            is_right = data.marks.is_right(self.answers(state, data), 0, jnp)
            found["accuracy"] = is_right.sum().astype(jnp.float32) / is_right.size
        return found

    def answers(self, state: State, data: Data) -> Any:
        """The answers to all rows: `[row, ..]`."""

        def step(nothing: None, places: Any) -> tuple[None, Any]:
            return nothing, self.model.predict_step((state.trained, state.others), (data.rows(places)[0],))[0]

        found = _in_pieces(step, None, data.n_rows, max(self.batch_size, answered_at_once))[1]
        return found[0] if len(found) == 1 else jnp.concatenate(found)

    def look(self, state: State) -> tuple[Any, list[Any]]:
        """The answers to all rows, where they are held against targets; which units are on, bool `[unit]` a layer."""
        answers = None if self.data.marks is None else self.answers(state, self.data)
        layers = self.layers
        if layers is None or not layers.axes:
            return answers, []
        of_model = [*self.model.trainable_variables, *self.model.non_trainable_variables]
        values = dict(zip(map(id, of_model), [*state.trained, *state.others], strict=True))
        reader = layers.reader
        own = [[values[id(v)] for v in vs] for vs in (reader.trainable_variables, reader.non_trainable_variables)]

        def step(on: Sequence[Any], places: Any) -> tuple[Sequence[Any], None]:
            x = self.data.rows(places)[0]
            outputs, _ = reader.stateless_call(*own, [x] if hasattr(x, "shape") else x, training=False)
            return [a | b for a, b in zip(on, layers.are_on(outputs, jnp), strict=True)], None

        none = [jnp.zeros(n, bool) for n in layers.n_units]
        return answers, list(_in_pieces(step, none, self.data.n_rows, looked_at_once)[0])


def _in_pieces(step: Callable[[Any, Any], tuple[Any, Any]], carried: Any, n: int, size: int) -> tuple[Any, list[Any]]:
    """A step over `n` rows in pieces of `size`, the last one what is left: what is carried, and what each piece gave.

    What the pieces before the last gave stands together, its first two axes as one.
    """
    starts = range(0, n, size)
    found: list[Any] = []
    if len(starts) > 1:
        offsets = jnp.arange(size)
        carried, many = jax.lax.scan(lambda c, start: step(c, start + offsets), carried, jnp.array(starts[:-1]))
        found = [jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]) if a.ndim > 1 else a, many)]
    carried, last = step(carried, np.arange(starts[-1], n))
    return carried, [*found, last]
