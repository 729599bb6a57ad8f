"""How long trainings take, about: for plans, and to cut work into pieces that end together."""

from collections.abc import Iterable

from sweep.model import Configuration


def run_seconds(configuration: Configuration, engine: str) -> float:
    """Seconds of one network's training on one core, fitted to measurements on a 2.6 GHz processor with AVX-512."""
    c = configuration
    n_steps = c.epochs * c.steps_per_epoch
    n_rows = c.epochs * c.rows_per_epoch
    if engine == "keras":
        return 0.1 + 1.2e-4 * n_steps
    if engine == "fused":  # 64 networks at once; programs are compiled beside this
        return n_steps * (0.4 + 0.03 * c.n_parameters) * 1e-6
    return (n_steps * (3.5 * c.n_parameters + 25) + n_rows * (1.6 * c.n_parameters + 45)) * 1e-9 / 3


def compile_seconds(configurations: Iterable[Configuration], engine: str) -> float:
    """Seconds that the fused engine compiles on one core, 7 for each program; the others compile nothing before."""
    if engine != "fused":
        return 0.0
    return 7.0 * len({(c.n_units, c.activation, c.use_bias, c.optimizer, c.loss, c.samples) for c in configurations})
