# JAX belongs to an extra that the checks do not install
# pyright: basic, reportMissingImports=false
"""Plain JAX training of many networks, as an expert would write it: `vmap` over seeds, `scan` over steps, one `jit`."""

import time

import jax
import jax.numpy as jnp

X = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]], jnp.float32)
Y = jnp.array([0, 1, 1, 0], jnp.float32)


def initial(key, widths):
    """Glorot-uniform kernels and zero biases."""
    keys = jax.random.split(key, len(widths) - 1)
    shapes = zip(widths[:-1], widths[1:], strict=True)
    initializer = jax.nn.initializers.glorot_uniform()
    return [(initializer(k, shape), jnp.zeros(shape[1])) for k, shape in zip(keys, shapes, strict=True)]


def loss(weights):
    """Mean cross-entropy over the four rows, from logits."""
    h = X
    for kernel, bias in weights[:-1]:
        h = jax.nn.relu(h @ kernel + bias)
    z = (h @ weights[-1][0] + weights[-1][1])[:, 0]
    return jnp.mean(jax.nn.softplus(z) - Y * z)


def train(key, widths, n_steps, rate=1e-3, b1=0.9, b2=0.999, eps=1e-7):
    """One network: full-batch Adam. Returns the final loss."""
    weights = initial(key, widths)
    zeros = jax.tree.map(jnp.zeros_like, weights)

    def step(state, t):
        w, m, v = state
        g = jax.grad(loss)(w)
        m = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, g)
        v = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, v, g)
        a = rate * jnp.sqrt(1 - b2**t) / (1 - b1**t)
        w = jax.tree.map(lambda w, m, v: w - a * m / (jnp.sqrt(v) + eps), w, m, v)
        return (w, m, v), None

    (weights, _, _), _ = jax.lax.scan(step, (weights, zeros, zeros), jnp.arange(1.0, n_steps + 1))
    return loss(weights)


def many(widths, n_steps):
    """The compiled training of many keys at once."""
    return jax.jit(jax.vmap(lambda key: train(key, widths, n_steps)))


def measure(widths, n_steps, n=1024):
    """Networks per second, `n` at once, the best of three; and the seconds that the program takes to compile."""
    keys = jax.random.split(jax.random.key(0), n)
    started = time.perf_counter()
    compiled = many(widths, n_steps).lower(keys).compile()
    compilation = time.perf_counter() - started
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        compiled(keys).block_until_ready()
        rates.append(n / (time.perf_counter() - started))
    return max(rates), compilation
