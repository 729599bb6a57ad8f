"""Words for numbers, settings and configurations, the same wherever they are shown."""

from sweep.networks.configuration import Configuration


def describe(c: Configuration) -> str:
    """A configuration in a few words: layers, activation, optimizer, batch, epochs, and what is not the default.

    >>> from sweep.networks.settings import resolve
    >>> describe(resolve({"width": 2, "depth": 3, "dropout": 0.1}))
    'xor: 2-2-2 relu, dropout 0.1, adam 0.001, batch 4, 1,000 epochs'
    """
    labels = c.labels()
    hidden = "-".join(map(str, c.widths)) if c.depth <= 8 else f"{c.depth} layers of {labels['width']}"
    words = [f"{hidden} {labels['activation']}" if c.depth else "linear"]
    usual = {"encoding": "binary", "samples": None, "dropout": 0.0, "use_bias": True, "loss": "binary_crossentropy"}
    usual |= {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}
    words += [f"{name} {str(labels[name]).lower()}" for name, default in usual.items() if labels[name] != default]
    words += [f"{labels['optimizer']} {c.learning_rate:g}", f"batch {c.batch_size}"]
    return f"{c.task.label}: {', '.join(words)}, {c.epochs:,} epochs"


def percent(share: float) -> str:
    """A rate with as many digits as tell it from 0 and 1.

    >>> percent(0.5), percent(0.986328), percent(1.0), percent(0.9996)
    ('50%', '98.6%', '100%', '99.96%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    digits = 0 if 0.05 <= share <= 0.95 else 1 if 0.005 <= share <= 0.995 else 2
    return f"{share:.{digits}%}"


def title_of(column: str) -> str:
    """A column's name as words."""
    return column.replace("_", " ")
