"""How long trainings take, about: for plans, and to cut work into pieces that end together."""

from sweep.model import Configuration


def run_seconds(configuration: Configuration, engine: str) -> float:
    """Seconds of one network's training on one core, fitted to measurements on a 2.6 GHz processor with AVX-512."""
    c = configuration
    n_steps = c.epochs * c.steps_per_epoch
    n_rows = c.epochs * c.rows_per_epoch
    if engine == "keras":
        return 0.1 + 1.2e-4 * n_steps
    if engine == "fused":  # 64 networks at once
        return n_steps * (0.3 + 0.004 * c.n_parameters) * 1e-6
    return (n_steps * (3.5 * c.n_parameters + 25) + n_rows * (1.6 * c.n_parameters + 45)) * 1e-9 / 3


# seconds of one core to compile a program; the keras engine's 0.1 for each network has its own in it
program_seconds = {"fused": 3.0, "keras": 0.0, "native": 0.0}
