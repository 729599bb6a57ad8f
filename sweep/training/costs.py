"""How long trainings take, about: for plans, and to cut work into pieces that end together."""

from sweep.networks.configuration import Configuration


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


def describe_seconds(seconds: float) -> str:
    """A duration in words.

    >>> describe_seconds(8), describe_seconds(300), describe_seconds(4e9)
    ('8 s', '5 min', '130 years')
    """
    for unit, size in (("years", 31_557_600), ("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{float(f'{seconds / size:.2g}'):,g} {unit}"
    return f"{max(1, round(seconds))} s"
