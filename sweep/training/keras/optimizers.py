"""What Keras's optimizers and schedules of the learning rate are told; on whichever backend Keras runs."""

from typing import Any

from sweep.networks.vocabulary import Named


def optimizer_arguments(optimizer: Named, rate: float | Named) -> dict[str, Any]:
    """The arguments of Keras's optimizer. A weight decay of 0 is None to Keras, but AdamW insists on it."""
    arguments: dict[str, Any] = dict(optimizer.arguments)
    if arguments["weight_decay"] == 0.0 and optimizer.name != "adamw":
        arguments["weight_decay"] = None
    return {**arguments, "learning_rate": _schedule(rate) if isinstance(rate, Named) else rate}


def _schedule(schedule: Named) -> Any:
    import keras

    kind = getattr(keras.optimizers.schedules, schedule.name.title().replace("_", ""))
    return kind(**{key: list(x) if isinstance(x, tuple) else x for key, x in schedule.arguments})
