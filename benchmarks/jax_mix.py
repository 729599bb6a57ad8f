# JAX belongs to an extra that the checks do not install
# pyright: basic, reportMissingImports=false
"""Plain JAX training of the configurations of experiments/xor.yaml: mini-batches, dropout and three optimizers.

As `jax_training`, with what the mix needs. Optimizer, batch size, dropout and shape are fixed in a program, as is
usual, so each configuration is a program of its own.
"""

import time

import jax
import jax.numpy as jnp
from jax_training import X, Y, initial


def loss(weights, key, rows, dropout):
    """Mean cross-entropy of some rows, from logits; inverted dropout after every hidden layer."""
    h = X[rows]
    for kernel, bias in weights[:-1]:
        h = jax.nn.relu(h @ kernel + bias)
        if dropout > 0:
            key, own = jax.random.split(key)
            h = jnp.where(jax.random.bernoulli(own, 1 - dropout, h.shape), h / (1 - dropout), 0.0)
    z = (h @ weights[-1][0] + weights[-1][1])[:, 0]
    return jnp.mean(jax.nn.softplus(z) - Y[rows] * z)


def update(optimizer, rate, w, g, m, v, t):
    """Keras's update of one variable: its new value and moments."""
    if optimizer == "sgd":
        return w - rate * g, m, v
    if optimizer == "rmsprop":
        v = 0.9 * v + 0.1 * g * g
        return w - rate * g / jnp.sqrt(v + 1e-7), m, v
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    a = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return w - a * m / (jnp.sqrt(v) + 1e-7), m, v


def train(key, widths, epochs, batch_size, dropout, optimizer, rate):
    """One network. Returns the final loss."""
    key, own = jax.random.split(key)
    leaves, tree = jax.tree.flatten(initial(own, widths))
    zeros = [jnp.zeros_like(x) for x in leaves]
    n_steps = 4 // batch_size

    def step(state, rows):
        w, m, v, key, t = state
        key, own = jax.random.split(key)
        g = jax.tree.leaves(jax.grad(loss)(jax.tree.unflatten(tree, w), own, rows, dropout))
        updated = [update(optimizer, rate, *x, t) for x in zip(w, g, m, v, strict=True)]
        w, m, v = (list(x) for x in zip(*updated, strict=True))
        return (w, m, v, key, t + 1), None

    def epoch(state, _):
        *rest, key, t = state
        key, own = jax.random.split(key)
        order = jax.random.permutation(own, 4) if n_steps > 1 else jnp.arange(4)
        return jax.lax.scan(step, (*rest, key, t), order.reshape(n_steps, batch_size))[0], None

    state, _ = jax.lax.scan(epoch, (leaves, zeros, zeros, key, 1.0), None, epochs)
    return loss(jax.tree.unflatten(tree, state[0]), key, jnp.arange(4), 0.0)


def measure(configuration, n=1024):
    """Networks per second of a configuration, `n` at once, the best of two; and the seconds to compile its program."""
    c = configuration
    arguments = ([*c.n_units], c.epochs, c.batch_size, c.hidden[0].dropout, c.optimizer.name, c.learning_rate)
    keys = jax.random.split(jax.random.key(0), n)
    started = time.perf_counter()
    compiled = jax.jit(jax.vmap(lambda key: train(key, *arguments))).lower(keys).compile()
    compilation = time.perf_counter() - started
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        compiled(keys).block_until_ready()
        rates.append(n / (time.perf_counter() - started))
    return max(rates), compilation
