# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Regularizers on a tile: what they add to the loss, and to the gradients of a step.

Notation: `l1` and `l2` multiply the sum of a variable's absolute values and that of their squares.
"""

from sweep.training.native import optimizers
from sweep.training.native.functions import inlined, shared
from sweep.training.native.passes import BIAS_L1, BIAS_L2, FIELDS, HAS_BIAS, INPUTS, KERNEL_L1, KERNEL_L2, UNITS
from sweep.training.native.simd import MODELS, absolute, load, out_of_line, select, splat, zeros1


@inlined
def penalty_slope(weight, l1, l2):
    """The slope of what is added for a weight; l1's is 0 at 0, as Keras has it."""
    zero, unit = splat(0.0, weight), splat(l1, weight)
    side = select(weight > zero, unit, select(weight < zero, zero - unit, weight * zero))  # 0 and NaN stay
    return side + splat(l2, weight) * (weight + weight)


@inlined
def _factors(layers, at, is_kernel):
    return (
        layers.real[at + (KERNEL_L1 if is_kernel else BIAS_L1)],
        layers.real[at + (KERNEL_L2 if is_kernel else BIAS_L2)],
    )


@shared
def finish_step(network, layers, memory, gradients, state, optimizer, step):
    """Make a step by the batch's gradients and the slopes of what is added for each weight.

    A pass of its own: a question at each parameter in `passes` would cost networks without regularizers a tenth.
    """
    out_of_line()
    one = zeros1(memory)
    parameter = 0
    for layer in range(network.n_layers):
        place = layer * FIELDS
        n_in, n_out = layers.whole[place + INPUTS], layers.whole[place + UNITS]
        for i in range((n_in + layers.whole[place + HAS_BIAS]) * n_out):
            l1, l2 = _factors(layers, place, i < n_in * n_out)
            at = parameter * MODELS
            gradient = load(memory, gradients + at, one) + penalty_slope(load(memory, at, one), l1, l2)
            optimizers.update(memory, at, state + optimizers.N_STATES * at, gradient, optimizer, step)
            parameter += 1


@shared
def penalty(network, layers, memory):
    """What is added to the loss of each model."""
    out_of_line()
    one = zeros1(memory)
    total = one
    parameter = 0
    for layer in range(network.n_layers):
        at = layer * FIELDS
        n_in, n_out, has_bias = layers.whole[at + INPUTS], layers.whole[at + UNITS], layers.whole[at + HAS_BIAS]
        for i in range((n_in + has_bias) * n_out):
            l1, l2 = _factors(layers, at, i < n_in * n_out)
            weight = load(memory, parameter * MODELS, one)
            total = total + (splat(l1, one) * absolute(weight) + splat(l2, one) * (weight * weight))
            parameter += 1
    return total
