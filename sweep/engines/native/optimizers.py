# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Keras's optimizers on a tile: from gradients to new weights.

Every function is one loop over parameters and the update of the Keras class of the same name (`keras.optimizers`, Keras
3). Arrays are places in the tile's memory, in elements: w weights, g gradients, m, v and u state.
"""

from typing import NamedTuple

import numpy as np

from sweep.engines.native.functions import inlined
from sweep.engines.native.simd import MODELS, absolute, load, select, splat, sqrt, store, zeros1

SGD, RMSPROP, ADAGRAD, ADAM, ADAMAX, NADAM, LION = range(7)
codes = {
    "sgd": SGD,
    "rmsprop": RMSPROP,
    "adagrad": ADAGRAD,
    "adam": ADAM,
    "adamw": ADAM,
    "adamax": ADAMAX,
    "nadam": NADAM,
    "lion": LION,
}
N_STATES = 3


class Settings(NamedTuple):
    """An optimizer's arguments. `beta_2` is RMSprop's rho; `variant`: nesterov, centered or amsgrad."""

    code: int
    learning_rate: float
    momentum: float
    beta_1: float
    beta_2: float
    epsilon: float
    variant: bool
    weight_decay: float
    initial_state: float


# State smaller than this becomes 0. It moves no weight (the root of such a second moment is 2^-50, epsilon 2^-23), but
# would shrink on into the subnormal numbers and stay there, where every operation takes a hundred times as long.
SMALLEST_STATE = 2.0**-100


@inlined
def _kept(x):
    return select(absolute(x) < splat(SMALLEST_STATE, x), splat(0.0, x), x)


@inlined
def _smallest_square(settings, like):
    """The bound for second moments: none without an epsilon, which then would leave a division of 0 by 0."""
    return splat(SMALLEST_STATE if settings.epsilon > 0 else 0.0, like)


@inlined
def _sgd(memory, w, g, m, n, settings):
    one = zeros1(memory)
    rate, momentum = splat(settings.learning_rate, one), splat(settings.momentum, one)
    if settings.momentum == 0:
        for i in range(0, n * MODELS, MODELS):
            store(memory, w + i, load(memory, w + i, one) - load(memory, g + i, one) * rate)
        return
    for i in range(0, n * MODELS, MODELS):
        step = load(memory, g + i, one) * rate
        velocity = _kept(load(memory, m + i, one) * momentum - step)
        store(memory, m + i, velocity)
        move = velocity * momentum - step if settings.variant else velocity
        store(memory, w + i, load(memory, w + i, one) + move)


@inlined
def _rmsprop(memory, w, g, m, v, u, n, settings):
    one = zeros1(memory)
    rate, momentum = splat(settings.learning_rate, one), splat(settings.momentum, one)
    rho, rest, epsilon = splat(settings.beta_2, one), splat(1 - settings.beta_2, one), splat(settings.epsilon, one)
    smallest = _smallest_square(settings, one)
    for i in range(0, n * MODELS, MODELS):
        gradient = load(memory, g + i, one)
        velocity = rho * load(memory, v + i, one) + rest * (gradient * gradient)
        velocity = select(velocity < smallest, one, velocity)
        store(memory, v + i, velocity)
        inside = velocity
        if settings.variant:
            average = _kept(rho * load(memory, u + i, one) + rest * gradient)
            store(memory, u + i, average)
            inside = velocity - average * average
        move = rate * gradient / sqrt(inside + epsilon)
        if settings.momentum > 0:
            move = _kept(momentum * load(memory, m + i, one) + move)
            store(memory, m + i, move)
        store(memory, w + i, load(memory, w + i, one) - move)


@inlined
def _adagrad(memory, w, g, v, n, settings):
    one = zeros1(memory)
    rate, epsilon = splat(settings.learning_rate, one), splat(settings.epsilon, one)
    for i in range(0, n * MODELS, MODELS):
        gradient = load(memory, g + i, one)
        accumulator = load(memory, v + i, one) + gradient * gradient
        store(memory, v + i, accumulator)
        store(memory, w + i, load(memory, w + i, one) - rate * gradient / sqrt(accumulator + epsilon))


@inlined
def _adam(memory, w, g, m, v, u, n, settings, power_1, power_2):
    one = zeros1(memory)
    alpha = splat(settings.learning_rate * np.sqrt(1 - power_2) / (1 - power_1), one)
    rest_1, rest_2 = splat(1 - settings.beta_1, one), splat(1 - settings.beta_2, one)
    epsilon, smallest = splat(settings.epsilon, one), _smallest_square(settings, one)
    for i in range(0, n * MODELS, MODELS):
        gradient = load(memory, g + i, one)
        moment, velocity = load(memory, m + i, one), load(memory, v + i, one)
        moment = _kept(moment + (gradient - moment) * rest_1)
        velocity = velocity + (gradient * gradient - velocity) * rest_2
        velocity = select(velocity < smallest, one, velocity)
        store(memory, m + i, moment)
        store(memory, v + i, velocity)
        if settings.variant:
            largest = load(memory, u + i, one)
            velocity = select(largest > velocity, largest, velocity)
            store(memory, u + i, velocity)
        store(memory, w + i, load(memory, w + i, one) - moment * alpha / (sqrt(velocity) + epsilon))


@inlined
def _adamax(memory, w, g, m, v, n, settings, power_1):
    one = zeros1(memory)
    rate, rest_1 = splat(settings.learning_rate, one), splat(1 - settings.beta_1, one)
    beta_2, epsilon = splat(settings.beta_2, one), splat(settings.epsilon, one)
    bias = splat(1 - power_1, one)
    for i in range(0, n * MODELS, MODELS):
        gradient, moment = load(memory, g + i, one), load(memory, m + i, one)
        moment = _kept(moment + (gradient - moment) * rest_1)
        decayed, size = beta_2 * load(memory, v + i, one), absolute(gradient)
        norm = select(decayed > size, decayed, size)
        store(memory, m + i, moment)
        store(memory, v + i, norm)
        store(memory, w + i, load(memory, w + i, one) - rate * moment / (bias * (norm + epsilon)))


@inlined
def _nadam(memory, w, g, m, v, n, settings, power_2, schedule, product):
    """`schedule`: 0.96 to the power of the step; `product`: of the momentum schedule up to this step."""
    one = zeros1(memory)
    now = settings.beta_1 * (1 - 0.5 * schedule)
    following = settings.beta_1 * (1 - 0.5 * schedule * 0.96)
    past = splat(following / (1 - product * following), one)
    present = splat((1 - now) / (1 - product), one)
    rate, bias = splat(settings.learning_rate, one), splat(1 - power_2, one)
    rest_1, rest_2 = splat(1 - settings.beta_1, one), splat(1 - settings.beta_2, one)
    epsilon, smallest = splat(settings.epsilon, one), _smallest_square(settings, one)
    for i in range(0, n * MODELS, MODELS):
        gradient = load(memory, g + i, one)
        moment, velocity = load(memory, m + i, one), load(memory, v + i, one)
        moment = _kept(moment + (gradient - moment) * rest_1)
        velocity = velocity + (gradient * gradient - velocity) * rest_2
        velocity = select(velocity < smallest, one, velocity)
        store(memory, m + i, moment)
        store(memory, v + i, velocity)
        estimate = past * moment + present * gradient
        move = estimate * rate / (sqrt(velocity / bias) + epsilon)
        store(memory, w + i, load(memory, w + i, one) - move)


@inlined
def _lion(memory, w, g, m, n, settings):
    one = zeros1(memory)
    rate = splat(settings.learning_rate, one)
    beta_1, rest_1 = splat(settings.beta_1, one), splat(1 - settings.beta_1, one)
    beta_2, rest_2 = splat(settings.beta_2, one), splat(1 - settings.beta_2, one)
    for i in range(0, n * MODELS, MODELS):
        gradient, moment = load(memory, g + i, one), load(memory, m + i, one)
        mixed = moment * beta_1 + gradient * rest_1
        sign = select(mixed > one, rate, select(mixed < one, one - rate, mixed))  # 0 and NaN stay
        store(memory, w + i, load(memory, w + i, one) - sign)
        store(memory, m + i, _kept(moment * beta_2 + gradient * rest_2))


@inlined
def _decay(memory, w, n, settings):
    one = zeros1(memory)
    decay, rate = splat(settings.weight_decay, one), splat(settings.learning_rate, one)
    for i in range(0, n * MODELS, MODELS):
        weight = load(memory, w + i, one)
        store(memory, w + i, weight - weight * decay * rate)


@inlined
def advance(power, factor):
    """A running power, cut to 0 far below what matters, before it grows subnormal and slow."""
    return power * factor if power > 1e-30 else 0.0


@inlined
def update(memory, w, g, state, n, settings, powers):
    """One step: new weights from gradients.

    `powers`, kept here: beta_1 and beta_2 to the power of the step, Nadam's schedule and its product.
    """
    m, v, u = state, state + n * MODELS, state + 2 * n * MODELS
    if settings.weight_decay > 0:
        _decay(memory, w, n, settings)
    powers[0] = advance(powers[0], settings.beta_1)
    powers[1] = advance(powers[1], settings.beta_2)
    if settings.code == ADAM:
        _adam(memory, w, g, m, v, u, n, settings, powers[0], powers[1])
    elif settings.code == SGD:
        _sgd(memory, w, g, m, n, settings)
    elif settings.code == RMSPROP:
        _rmsprop(memory, w, g, m, v, u, n, settings)
    elif settings.code == ADAGRAD:
        _adagrad(memory, w, g, v, n, settings)
    elif settings.code == ADAMAX:
        _adamax(memory, w, g, m, v, n, settings, powers[0])
    elif settings.code == NADAM:
        powers[2] = advance(powers[2], 0.96)
        powers[3] = advance(powers[3], settings.beta_1 * (1 - 0.5 * powers[2]))
        _nadam(memory, w, g, m, v, n, settings, powers[1], powers[2], powers[3])
    else:
        _lion(memory, w, g, m, n, settings)
