# JAX belongs to an extra that the checks do not install
# pyright: basic, reportMissingImports=false
"""Plain JAX training as an expert would write it, of a configuration: mini-batches, dropout, three optimizers.

As `jax_training`, with what the mix of experiments/xor.yaml and the tables of many rows need: the table, its classes.
Everything but the weights is fixed in a program, as is usual, so each configuration is a program of its own.
"""

import time

import jax
import jax.numpy as jnp
from jax_training import initial

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def loss(weights, key, x, y, activation, dropout):
    """Mean cross-entropy of some rows, from logits; inverted dropout after every hidden layer."""
    h = x
    for kernel, bias in weights[:-1]:
        h = activation(h @ kernel + bias)
        if dropout > 0:
            key, own = jax.random.split(key)
            h = jnp.where(jax.random.bernoulli(own, 1 - dropout, h.shape), h / (1 - dropout), 0.0)
    z = h @ weights[-1][0] + weights[-1][1]
    if y.shape[1] > 1:
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(z), axis=1))
    return jnp.mean(jax.nn.softplus(z) - y * z)


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


def train(key, x, y, c):
    """One network. Returns the final loss."""
    key, own = jax.random.split(key)
    leaves, tree = jax.tree.flatten(initial(own, c.n_units))
    zeros = [jnp.zeros_like(leaf) for leaf in leaves]
    n_rows, n_steps = len(x), len(x) // c.batch_size
    activation, dropout = ACTIVATIONS[c.hidden[0].activation.name], c.hidden[0].dropout

    def step(state, rows):
        w, m, v, key, t = state
        key, own = jax.random.split(key)
        g = jax.grad(loss)(jax.tree.unflatten(tree, w), own, x[rows], y[rows], activation, dropout)
        updated = [
            update(c.optimizer.name, c.learning_rate, *u, t) for u in zip(w, jax.tree.leaves(g), m, v, strict=True)
        ]
        w, m, v = (list(u) for u in zip(*updated, strict=True))
        return (w, m, v, key, t + 1), None

    def epoch(state, _):
        *rest, key, t = state
        key, own = jax.random.split(key)
        is_whole = c.batch_size == n_rows
        order = jnp.arange(n_rows) if is_whole else jax.random.permutation(own, n_rows)
        whole = order[: n_steps * c.batch_size].reshape(n_steps, c.batch_size)
        state, _ = jax.lax.scan(step, (*rest, key, t), whole)
        if n_rows % c.batch_size:
            state, _ = step(state, order[n_steps * c.batch_size :])
        return state, None

    state, _ = jax.lax.scan(epoch, (leaves, zeros, zeros, key, 1.0), None, c.epochs)
    return loss(jax.tree.unflatten(tree, state[0]), key, x, y, activation, 0.0)


def measure(configuration, n=1024):
    """Networks per second of a configuration, `n` at once, the best of two; and the seconds to compile its program."""
    c = configuration
    x, y = jnp.array(c.inputs()), jnp.array(c.targets())
    keys = jax.random.split(jax.random.key(0), n)
    started = time.perf_counter()
    compiled = jax.jit(jax.vmap(lambda key: train(key, x, y, c))).lower(keys).compile()
    compilation = time.perf_counter() - started
    rates = []
    for _ in range(2):
        started = time.perf_counter()
        compiled(keys).block_until_ready()
        rates.append(n / (time.perf_counter() - started))
    return max(rates), compilation
