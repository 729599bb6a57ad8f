"""Two ways of laying models beside each other in a dense layer; which is faster depends on the width.

`models_last`: signals `[unit, row, model]`, kernels `[input, output, model]`. A layer is a chain of products of whole
vectors of models, unrolled over inputs; so is its gradient, which the compilers' own would turn into slow reductions.
`models_first`: signals `[model, row, unit]`, kernels `[model, input, output]`. A layer is a batched matrix product.

On TensorFlow and two CPU cores models last is the faster up to 8 units: the table in docs/performance.md.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

from sweep.engines.fused.operations import ops

# the widest layer, and the most rows, that are laid out with models last
MAX_UNROLLED = 8


class Layout(Protocol):
    """A dense layer, and the way from and to `[unit, row, model]`."""

    def stacked(self, flat: Any) -> Any:
        """A kernel `[input, output, model]` or bias `[output, model]` in this layout."""
        ...

    def unstacked(self, own: Any) -> Any:
        """The way back."""
        ...

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """A layer's sums; `bias` None where there is none. Signals are in this layout, rows in the middle."""
        ...


def _sum_of_products(left: Sequence[Any], right: Sequence[Any]) -> Any:
    """The sum over i of left[i] `[a, model]` times right[i] `[b, model]`, each with each: `[a, b, model]`."""
    total = left[0][:, None] * right[0][None, :]
    for a, b in itertools.islice(zip(left, right, strict=True), 1, None):
        total = total + a[:, None] * b[None, :]
    return total


class ModelsLast:
    """Signals `[unit, row, model]`."""

    def stacked(self, flat: Any) -> Any:
        """As it is."""
        return flat

    def unstacked(self, own: Any) -> Any:
        """As it is."""
        return own

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """Products of vectors of models, summed in the order of the inputs."""
        total = _products(signal, kernel)
        return total if bias is None else total + bias[:, None]


@ops.custom_gradient
def _products(signal: Any, kernel: Any) -> Any:
    """Signal `[input, row, model]` through a kernel `[input, output, model]`: `[output, row, model]`."""

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        error = arguments[0] if upstream is None else upstream
        by_input = _sum_of_products(ops.unstack(kernel, axis=1), ops.unstack(error, axis=0))
        by_weight = _sum_of_products(ops.unstack(signal, axis=1), ops.unstack(error, axis=1))
        return by_input, by_weight

    return _sum_of_products(ops.unstack(kernel, axis=0), ops.unstack(signal, axis=0)), gradient


class ModelsFirst:
    """Signals `[model, row, unit]`."""

    def stacked(self, flat: Any) -> Any:
        """The last axis first."""
        return ops.moveaxis(flat, -1, 0)

    def unstacked(self, own: Any) -> Any:
        """The first axis last."""
        return ops.moveaxis(own, 0, -1)

    def dense(self, signal: Any, kernel: Any, bias: Any) -> Any:
        """A batched matrix product."""
        total = ops.matmul(signal, kernel)
        return total if bias is None else total + bias[:, None]


def layout_for(n_units: Sequence[int], n_slots: int) -> Layout:
    """The layout for a network and the rows of a step, the same on every machine."""
    return ModelsLast() if max(*n_units, n_slots) <= MAX_UNROLLED else ModelsFirst()
