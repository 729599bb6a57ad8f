# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Keras's optimizers on a tile: from a gradient to a new weight.

Every function is the update of one parameter by the Keras class of the same name (`keras.optimizers`, Keras 3). w, m,
v and u are places in the tile's memory, in elements: of the weight and of its state.
"""

from typing import NamedTuple

import numpy as np

from sweep.training.native.functions import inlined
from sweep.training.native.schedules import NO_SCHEDULE, rate_at
from sweep.training.native.simd import MODELS, absolute, load, select, splat, sqrt, store

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
    """An optimizer's arguments. `beta_2` is RMSprop's rho; `variant`: nesterov, centered or amsgrad.

    learning_rate: where there is no schedule, of which `schedule` is the code.
    """

    code: int
    learning_rate: float
    schedule: int
    momentum: float
    beta_1: float
    beta_2: float
    epsilon: float
    variant: bool
    weight_decay: float
    initial_state: float


class Powers(NamedTuple):
    """What grows with the steps: powers of beta_1 and beta_2, Nadam's schedule and its product, how many there were."""

    beta_1: float = 1.0
    beta_2: float = 1.0
    schedule: float = 1.0
    product: float = 1.0
    n_steps: float = 0.0


class Step(NamedTuple):
    """What the update of every parameter shares in one step.

    `learning_rate`: of weight decay; `rate`: the same, Adam's with its bias corrected; `bias`: of Adamax's first
    moment, of Nadam's second; `past` and `present`: what Nadam takes of the moment and of the gradient.
    """

    learning_rate: float
    rate: float
    bias: float
    past: float
    present: float


# State smaller than this becomes 0. It moves no weight (the root of such a second moment is 2^-50, epsilon 2^-23), but
# would shrink on into the subnormal numbers and stay there, where every operation takes a hundred times as long.
SMALLEST_STATE = 2.0**-100


@inlined
def _kept(x):
    return select(absolute(x) < splat(SMALLEST_STATE, x), splat(0.0, x), x)


@inlined
def _kept_square(x, settings):
    """As `_kept`, of second moments: without an epsilon all stay, where else 0 would be divided by 0."""
    return select(x < splat(SMALLEST_STATE if settings.epsilon > 0 else 0.0, x), splat(0.0, x), x)


@inlined
def _moved(average, value, beta):
    """A running average moved towards a value."""
    return average + (value - average) * splat(1 - beta, value)


@inlined
def _sgd(memory, w, m, gradient, settings, step):
    weight, part = load(memory, w, gradient), gradient * splat(step.rate, gradient)
    if settings.momentum == 0:
        store(memory, w, weight - part)
        return
    momentum = splat(settings.momentum, gradient)
    velocity = _kept(load(memory, m, gradient) * momentum - part)
    store(memory, m, velocity)
    move = velocity * momentum - part if settings.variant else velocity
    store(memory, w, weight + move)


@inlined
def _rmsprop(memory, w, m, v, u, gradient, settings, step):
    rate, momentum = splat(step.rate, gradient), splat(settings.momentum, gradient)
    rho, rest = splat(settings.beta_2, gradient), splat(1 - settings.beta_2, gradient)
    velocity = _kept_square(rho * load(memory, v, gradient) + rest * (gradient * gradient), settings)
    store(memory, v, velocity)
    inside = velocity
    if settings.variant:
        average = _kept(rho * load(memory, u, gradient) + rest * gradient)
        store(memory, u, average)
        inside = velocity - average * average
    move = rate * gradient / sqrt(inside + splat(settings.epsilon, gradient))
    if settings.momentum > 0:
        move = _kept(momentum * load(memory, m, gradient) + move)
        store(memory, m, move)
    store(memory, w, load(memory, w, gradient) - move)


@inlined
def _adagrad(memory, w, v, gradient, settings, step):
    accumulator = load(memory, v, gradient) + gradient * gradient
    store(memory, v, accumulator)
    move = splat(step.rate, gradient) * gradient / sqrt(accumulator + splat(settings.epsilon, gradient))
    store(memory, w, load(memory, w, gradient) - move)


@inlined
def _adam(memory, w, m, v, u, gradient, settings, step):
    moment = _kept(_moved(load(memory, m, gradient), gradient, settings.beta_1))
    velocity = _kept_square(_moved(load(memory, v, gradient), gradient * gradient, settings.beta_2), settings)
    store(memory, m, moment)
    store(memory, v, velocity)
    if settings.variant:
        largest = load(memory, u, gradient)
        velocity = select(largest > velocity, largest, velocity)
        store(memory, u, velocity)
    move = moment * splat(step.rate, gradient) / (sqrt(velocity) + splat(settings.epsilon, gradient))
    store(memory, w, load(memory, w, gradient) - move)


@inlined
def _adamax(memory, w, m, v, gradient, settings, step):
    moment = _kept(_moved(load(memory, m, gradient), gradient, settings.beta_1))
    decayed, size = splat(settings.beta_2, gradient) * load(memory, v, gradient), absolute(gradient)
    norm = select(decayed > size, decayed, size)
    store(memory, m, moment)
    store(memory, v, norm)
    divisor = splat(step.bias, gradient) * (norm + splat(settings.epsilon, gradient))
    store(memory, w, load(memory, w, gradient) - splat(step.rate, gradient) * moment / divisor)


@inlined
def _nadam(memory, w, m, v, gradient, settings, step):
    moment = _kept(_moved(load(memory, m, gradient), gradient, settings.beta_1))
    velocity = _kept_square(_moved(load(memory, v, gradient), gradient * gradient, settings.beta_2), settings)
    store(memory, m, moment)
    store(memory, v, velocity)
    estimate = splat(step.past, gradient) * moment + splat(step.present, gradient) * gradient
    divisor = sqrt(velocity / splat(step.bias, gradient)) + splat(settings.epsilon, gradient)
    store(memory, w, load(memory, w, gradient) - estimate * splat(step.rate, gradient) / divisor)


@inlined
def _lion(memory, w, m, gradient, settings, step):
    zero, rate = splat(0.0, gradient), splat(step.rate, gradient)
    beta_1, rest_1 = splat(settings.beta_1, gradient), splat(1 - settings.beta_1, gradient)
    beta_2, rest_2 = splat(settings.beta_2, gradient), splat(1 - settings.beta_2, gradient)
    moment = load(memory, m, gradient)
    mixed = moment * beta_1 + gradient * rest_1
    sign = select(mixed > zero, rate, select(mixed < zero, zero - rate, mixed))  # 0 and NaN stay
    store(memory, w, load(memory, w, gradient) - sign)
    store(memory, m, _kept(moment * beta_2 + gradient * rest_2))


@inlined
def _grown(power, factor):
    """A running power, cut to 0 far below what matters, before it grows subnormal and slow."""
    return power * factor if power > 1e-30 else 0.0


@inlined
def advanced(powers, settings):
    """The powers after one step more."""
    schedule = _grown(powers.schedule, 0.96)
    return Powers(
        beta_1=_grown(powers.beta_1, settings.beta_1),
        beta_2=_grown(powers.beta_2, settings.beta_2),
        schedule=schedule,
        product=_grown(powers.product, settings.beta_1 * (1 - 0.5 * schedule)),
        n_steps=powers.n_steps + 1.0,
    )


@inlined
def step_at(powers, settings, schedule):
    """What the parameters share in the step that these powers belong to; schedule: the numbers of one."""
    learning_rate = settings.learning_rate
    if settings.schedule != NO_SCHEDULE:
        learning_rate = rate_at(settings.schedule, schedule, powers.n_steps - 1.0)
    rate, bias, past, present = learning_rate, 1.0, 0.0, 0.0
    if settings.code == ADAM:
        rate = rate * np.sqrt(1 - powers.beta_2) / (1 - powers.beta_1)
    elif settings.code == ADAMAX:
        bias = 1 - powers.beta_1
    elif settings.code == NADAM:
        bias = 1 - powers.beta_2
        now = settings.beta_1 * (1 - 0.5 * powers.schedule)
        following = settings.beta_1 * (1 - 0.5 * powers.schedule * 0.96)
        past = following / (1 - powers.product * following)
        present = (1 - now) / (1 - powers.product)
    return Step(learning_rate=learning_rate, rate=rate, bias=bias, past=past, present=present)


@inlined
def update(memory, w, state, gradient, settings, step):
    """Give the parameter at `w` its new weight. Its state stands at `state`, `N_STATES` vectors beside each other."""
    m, v, u = state, state + MODELS, state + 2 * MODELS
    if settings.weight_decay > 0:
        decay, rate = splat(settings.weight_decay, gradient), splat(step.learning_rate, gradient)
        weight = load(memory, w, gradient)
        store(memory, w, weight - weight * decay * rate)
    if settings.code == ADAM:
        _adam(memory, w, m, v, u, gradient, settings, step)
    elif settings.code == SGD:
        _sgd(memory, w, m, gradient, settings, step)
    elif settings.code == RMSPROP:
        _rmsprop(memory, w, m, v, u, gradient, settings, step)
    elif settings.code == ADAGRAD:
        _adagrad(memory, w, v, gradient, settings, step)
    elif settings.code == ADAMAX:
        _adamax(memory, w, m, v, gradient, settings, step)
    elif settings.code == NADAM:
        _nadam(memory, w, m, v, gradient, settings, step)
    else:
        _lion(memory, w, m, gradient, settings, step)
