"""Two ways of laying models beside each other; which is faster depends on the width.

`ModelsLast`: signals `[unit, row, model]`, kernels `[input, output, model]`. A layer is a chain of products of whole
vectors of models, unrolled over inputs; so is its gradient, which the compilers' own would turn into slow reductions.
`ModelsFirst`: signals `[model, row, unit]`, kernels `[model, input, output]`. A layer is a batched matrix product.

On two CPU cores models last is the faster up to 24 units: the table in docs/performance.md.
"""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, Protocol

from sweep.training.fused.operations import ops
from sweep.training.fused.shapes import ProgramShape

Shapes = Sequence[tuple[int, ...]]

# the widest layer, and the most rows, that are laid out with models last
MAX_UNROLLED = 24
# the most rows over which a sum of products of models first is unrolled
MAX_UNROLLED_ROWS = 16


class Layout(Protocol):
    """A network's variables and dense layers, and the ways from `[parameter, model]` and `[unit, row, model]`.

    What a loop carries of the variables, and the optimizer updates, is a list of arrays of `carried_shapes`.
    """

    carried_shapes: Shapes
    # whether a compiler that fuses what is cheap would compute a layer anew for each of its readers
    is_fusible: bool
    unit_axis: int
    model_axis: int

    def carried(self, weights: Any) -> list[Any]:
        """All weights, `[parameter, model]`, as they are carried."""
        ...

    def weights(self, carried: Sequence[Any]) -> Any:
        """The way back."""
        ...

    def variables(self, carried: Sequence[Any]) -> list[Any]:
        """The kernels and biases that a layer wants."""
        ...

    def joined(self, variables: Sequence[Any]) -> list[Any]:
        """The way back, of their gradients."""
        ...

    def turned(self, signal: Any) -> Any:
        """A signal `[unit, row, model]` in this layout, and back."""
        ...

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """A layer's sums; `bias` None where there is none. Signals are in this layout, rows in the middle."""
        ...


class ModelsLast:
    """Signals `[unit, row, model]`. One array `[parameter, model]` is carried, so that the optimizer is one loop."""

    is_fusible = True
    unit_axis = 0
    model_axis = -1

    def __init__(self, shapes: Shapes, n_models: int) -> None:
        self._shapes = [(*shape, n_models) for shape in shapes]
        self._places = _places(shapes)
        self.carried_shapes: Shapes = [(self._places[-1].stop, n_models)]

    def carried(self, weights: Any) -> list[Any]:
        """As they are."""
        return [weights]

    def weights(self, carried: Sequence[Any]) -> Any:
        """As they are."""
        return carried[0]

    def variables(self, carried: Sequence[Any]) -> list[Any]:
        """Parts of the array."""
        return [ops.reshape(carried[0][p], shape) for p, shape in zip(self._places, self._shapes, strict=True)]

    def joined(self, variables: Sequence[Any]) -> list[Any]:
        """One below the other."""
        return [ops.concatenate([ops.reshape(v, (-1, v.shape[-1])) for v in variables], axis=0)]

    def turned(self, signal: Any) -> Any:
        """As it is."""
        return signal

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """Products of vectors of models, summed in the order of the inputs."""
        total = _products(signal, kernel)
        return total if bias is None else total + bias[:, None]


class ModelsFirst:
    """Signals `[model, row, unit]`. Each variable is carried for itself, as the matrix products read it."""

    is_fusible = False
    unit_axis = 2
    model_axis = 0

    def __init__(self, shapes: Shapes, n_models: int) -> None:
        self._shapes = [(*shape, n_models) for shape in shapes]
        self._places = _places(shapes)
        self.carried_shapes: Shapes = [(n_models, *shape) for shape in shapes]

    def carried(self, weights: Any) -> list[Any]:
        """The last axis first."""
        parts = [ops.reshape(weights[p], shape) for p, shape in zip(self._places, self._shapes, strict=True)]
        return [ops.moveaxis(part, -1, 0) for part in parts]

    def weights(self, carried: Sequence[Any]) -> Any:
        """The first axis last."""
        return ops.concatenate([ops.reshape(ops.moveaxis(v, 0, -1), (-1, v.shape[0])) for v in carried], axis=0)

    def variables(self, carried: Sequence[Any]) -> list[Any]:
        """What is carried."""
        return list(carried)

    def joined(self, variables: Sequence[Any]) -> list[Any]:
        """What is carried."""
        return list(variables)

    def turned(self, signal: Any) -> Any:
        """The axes the other way round."""
        return ops.transpose(signal, (2, 1, 0))

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """A batched matrix product."""
        total = _matmul(signal, kernel)
        return total if bias is None else total + bias[:, None]


def layout_for(shape: ProgramShape) -> Layout:
    """The layout of a program, the same on every machine."""
    kind = ModelsLast if max(*shape.n_units, shape.n_slots) <= MAX_UNROLLED else ModelsFirst
    return kind(shape.variable_shapes, shape.n_models)


def _places(shapes: Shapes) -> list[slice]:
    """Where variables of these shapes lie among all parameters.

    >>> _places([(2, 8), (8,)])
    [slice(0, 16, None), slice(16, 24, None)]
    """
    ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def _contracted(left: Any, right: Any, axis: int) -> Any:
    """The sum of products along an axis, unrolled, in this order; the others broadcast."""
    pairs = zip(ops.unstack(left, axis=axis), ops.unstack(right, axis=axis), strict=True)
    return functools.reduce(operator.add, itertools.starmap(operator.mul, pairs))


@ops.custom_gradient
def _products(signal: Any, kernel: Any) -> Any:
    """Signal `[input, row, model]` through a kernel `[input, output, model]`: `[output, row, model]`."""
    # all as [input, output, row, model]
    signal_, kernel_ = ops.expand_dims(signal, 1), ops.expand_dims(kernel, 2)

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        error = ops.expand_dims(arguments[0] if upstream is None else upstream, 0)
        return _contracted(kernel_, error, axis=1), _contracted(signal_, error, axis=2)

    return _contracted(kernel_, signal_, axis=0), gradient


@ops.custom_gradient
def _matmul(signal: Any, kernel: Any) -> Any:
    """Signal `[model, row, input]` through a kernel `[model, input, output]`: `[model, row, output]`.

    The kernel's gradient is a product of two slim matrices, for which XLA's on a CPU is slow.
    """

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        error = arguments[0] if upstream is None else upstream
        by_input = ops.matmul(error, ops.transpose(kernel, (0, 2, 1)))
        if signal.shape[1] > MAX_UNROLLED_ROWS:
            return by_input, ops.matmul(ops.transpose(signal, (0, 2, 1)), error)
        return by_input, _contracted(ops.expand_dims(signal, 3), ops.expand_dims(error, 2), axis=1)

    return ops.matmul(signal, kernel), gradient
