"""Settings as a user writes them, resolved: names with every argument, defaults filled in, what is unused neutral."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, cast

from sweep.networks import tasks, vocabulary
from sweep.networks.configuration import Configuration, n_outputs
from sweep.networks.frameworks import frameworks, spelled_out
from sweep.networks.layers import Layer
from sweep.networks.tasks import Task
from sweep.networks.vocabulary import Argument, Named, Signature
from sweep.runs.errors import SettingError, at, did_you_mean, show

max_width = 1_000_000


max_depth = 1_000


defaults: Mapping[str, Any] = {
    "task": "xor",
    "encoding": "binary",
    "targets": "binary",
    "samples": None,
    "width": 8,
    "depth": 1,
    "layers": None,
    "output": "sigmoid",
    "activation": "relu",
    "dropout": 0.0,
    "use_bias": True,
    "kernel_initializer": "glorot_uniform",
    "bias_initializer": "zeros",
    "kernel_regularizer": "none",
    "bias_regularizer": "none",
    "optimizer": "adam",
    "learning_rate": None,
    "batch_size": 32,
    "epochs": 1000,
    "shuffle": True,
    "framework": "keras",
    "loss": "binary_crossentropy",
}


hyperparameters = tuple(defaults)


# what the mapping of a layer may say beside its units; what it leaves out is the hyperparameter of that name
regularizers = ("kernel_regularizer", "bias_regularizer")
of_the_output = ("activation", "use_bias", "kernel_initializer", "bias_initializer", *regularizers)
of_a_layer = ("activation", "dropout", *of_the_output[1:])
or_a_mapping = ", or a mapping, {units: 2, activation: tanh}"
or_a_schedule = ", or a schedule, {name: cosine_decay, initial_learning_rate: 0.1, decay_steps: 1000}"


# what one value of each may forbid another: rules of `resolve` that span two hyperparameters
coupled = (
    ("task", "encoding"),
    ("samples", "dropout"),
    ("samples", "layers"),
    ("samples", "shuffle"),
    ("optimizer", "learning_rate"),
    ("optimizer", "framework"),
    ("layers", "width"),
    ("layers", "depth"),
    ("output", "loss"),
    ("output", "targets"),
    ("loss", "targets"),
    ("task", "targets"),
    ("task", "output"),
    ("task", "loss"),
)


# hyperparameters that are one value; the learning rate may be null too, the batch size `full`, samples null
scalars: Mapping[str, Argument] = {
    "encoding": Argument("binary", choices=vocabulary.encodings),
    "targets": Argument("binary", choices=vocabulary.target_codings),
    "samples": Argument(0, low=1, high=2**31 - 1),
    "width": Argument(8, low=1, high=max_width),
    "depth": Argument(1, low=0, high=max_depth),
    "dropout": Argument(0.0, low=0.0, high=1.0, open_high=True),
    "use_bias": Argument(True),
    "learning_rate": vocabulary.learning_rate,
    "batch_size": Argument(32, low=1),
    "epochs": Argument(1000, low=1, high=2**31 - 1),
    "shuffle": Argument(True),
    "framework": Argument("keras", choices=tuple(frameworks)),
}


# hyperparameters that a range of numbers can vary, with their type
numeric: Mapping[str, type[int] | type[float]] = {
    key: type(argument.default) for key, argument in scalars.items() if type(argument.default) in (int, float)
}  # pyright: ignore[reportAssignmentType]  (a type is int or float here)


# hyperparameters that are a name with arguments
named_signatures: Mapping[str, Mapping[str, Signature]] = {
    "output": vocabulary.output_activations,
    "activation": vocabulary.activations,
    "kernel_initializer": vocabulary.initializers,
    "bias_initializer": vocabulary.bias_initializers,
    "kernel_regularizer": vocabulary.regularizers,
    "bias_regularizer": vocabulary.regularizers,
    "optimizer": {
        name: {"learning_rate": Argument(vocabulary.default_learning_rates[name], low=0.0), **signature}
        for name, signature in vocabulary.optimizers.items()
    },
    "loss": vocabulary.losses,
}


def _scalar(key: str, value: object, or_else: str = "") -> Any:
    try:
        return scalars[key].coerce(value)
    except ValueError as error:
        raise SettingError((key,), f"found {show(value)}", f"allowed: {error}{or_else}") from None


def _name_and_arguments(value: object) -> tuple[str, dict[str, object]]:
    if isinstance(value, str):
        return value, {}
    given = cast(Mapping[str, object], value if isinstance(value, Mapping) else {})
    name = given.get("name")
    if isinstance(name, str):
        return name, {k: v for k, v in given.items() if k != "name"}
    raise SettingError(
        (), f"found {show(cast(object, value))}", "allowed: a name, or a mapping {name: .., argument: ..}"
    )


def _resolve_named(key: str, value: object) -> Named:
    with at(key):
        name, arguments = _name_and_arguments(value)
        if key == "activation" and name == "softmax":
            allowed = f"allowed: output: softmax, and here {', '.join(vocabulary.activations)}"
            raise SettingError((), "softmax, which is for the output", allowed)
        return vocabulary.named(name, arguments, named_signatures[key])


def _resolve_task(value: object) -> Task:
    if isinstance(value, Task):  # read from a file before
        return value
    with at("task"):
        if isinstance(value, Mapping) and "name" not in value:
            return _given_task(cast(Mapping[str, object], value))
        return tasks.named_task(*_name_and_arguments(cast(object, value)))


def _given_task(table: Mapping[str, object]) -> Task:
    if "file" in table:
        raise SettingError(("file",), "a task whose file was not read", "allowed here: {inputs: .., targets: ..}")
    keys = ("inputs", "targets", "classes")
    for key in table:
        if key not in keys:
            raise SettingError((key,), "no such key of a task", did_you_mean(key, ("name", *keys)))
    for key in ("inputs", "classes" if "classes" in table else "targets"):
        if key not in table:
            raise SettingError((), f"a task without {key}", "allowed: {name: ..}, or {inputs: [[..]], targets: [[..]]}")
    if "classes" not in table:
        return tasks.table_task(table["inputs"], table["targets"])
    if "targets" in table:
        raise SettingError(("classes",), "beside targets", "allowed: one of the two")
    return tasks.table_task(table["inputs"], tasks.class_targets(table["classes"]))


def _value(key: str, value: object) -> Any:
    return _resolve_named(key, value) if key in named_signatures else _scalar(key, value)


def _layer(units: int, values: Mapping[str, Any]) -> Layer:
    """A layer of these values; without a bias, how it would be drawn and what would be added for it is neutral."""
    own: dict[str, Any] = {**values, **{key: vocabulary.plain_regularizer(values[key]) for key in regularizers}}
    if not own["use_bias"]:
        own["bias_initializer"], own["bias_regularizer"] = Named("zeros"), Named("none")
    elif own["bias_initializer"].name == "as_kernel" and own["kernel_initializer"].name not in vocabulary.by_fans:
        own["bias_initializer"] = own["kernel_initializer"]
    return Layer(units, **own)


def _resolve_hidden(settings: Mapping[str, Any], shared: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The hidden layers; `shared`: what a layer has where it does not say otherwise."""
    layers: object = settings.get("layers")
    if layers is None:
        width = _scalar("width", settings.get("width", defaults["width"]))
        return (_layer(width, shared),) * _scalar("depth", settings.get("depth", defaults["depth"]))
    for other in ("width", "depth"):
        if other in settings:
            raise SettingError(("layers",), f"layers together with {other}", "allowed: layers, or width and depth")
    if not isinstance(layers, Sequence) or isinstance(layers, str):
        allowed = "allowed: a list of whole numbers, [4, 2], or of mappings, [{units: 4, activation: tanh}]"
        raise SettingError(("layers",), f"found {show(layers)}", allowed)
    listed = cast(Sequence[object], layers)
    if len(listed) > max_depth:
        raise SettingError(("layers",), f"{len(listed)} layers", f"allowed: at most {max_depth}")
    hidden: list[Layer] = []
    for i, value in enumerate(listed):
        with at("layers", i):
            hidden.append(_resolve_layer(value, shared))
    return tuple(hidden)


def _resolve_layer(value: object, shared: Mapping[str, Any]) -> Layer:
    """A hidden layer: its units, or a mapping of them and of what it does not share."""
    if not isinstance(value, Mapping):
        return _layer(_units(value, or_a_mapping), shared)
    given = cast(Mapping[str, object], value)
    allowed = ("units", *of_a_layer)
    for key in given:
        if key not in allowed:
            raise SettingError((str(key),), "no such key of a layer", did_you_mean(str(key), allowed))
    if "units" not in given:
        raise SettingError((), "a layer without units", "allowed: {units: 2, activation: tanh}")
    with at("units"):
        units = _units(given["units"])
    return _layer(units, {**shared, **{key: _value(key, given[key]) for key in given if key != "units"}})


def _resolve_output(value: object, shared: Mapping[str, Any]) -> Layer:
    """The output layer without its units: an activation, or a mapping of it and of what it does not share."""
    activation, own = value, dict[str, Any]()
    if isinstance(value, Mapping) and "name" not in value:
        given = cast(Mapping[str, object], value)
        with at("output"):
            for key in given:
                if key not in of_the_output:
                    allowed = did_you_mean(str(key), of_the_output)
                    raise SettingError((str(key),), "no such key of the output layer", allowed)
            own = {key: _value(key, given[key]) for key in given if key != "activation"}
        activation = given.get("activation", defaults["output"])
    return _layer(0, {**shared, **own, "activation": _resolve_named("output", activation), "dropout": 0.0})


def _name_in(value: Any) -> Any:
    """The name of a name with or without arguments, or of the activation of an output."""
    if not isinstance(value, Mapping):
        return value
    given = cast(Mapping[str, Any], value)
    return given.get("name") if "name" in given else _name_in(given.get("activation"))


def _with_usual(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with every default. Softmax and categorical cross-entropy want each other, and classes."""
    values = {**defaults, **settings}
    output, loss = (_name_in(values[key]) for key in ("output", "loss"))
    if "output" not in settings and loss == "categorical_crossentropy":
        values["output"] = output = "softmax"
    if "loss" not in settings and output == "softmax":
        values["loss"] = "categorical_crossentropy"
    task: Any = values["task"]
    if "targets" not in settings and (output == "softmax" or (isinstance(task, Mapping) and "classes" in task)):
        values["targets"] = "one_hot"
    return values


def _units(value: object, or_else: str = "") -> int:
    try:
        return int(scalars["width"].coerce(value))
    except ValueError as error:
        raise SettingError((), f"found {show(value)}", f"allowed: {error}{or_else}") from None


def _resolve_optimizer(settings: Mapping[str, Any]) -> tuple[Named, float | Named]:
    """The optimizer without its learning rate, and the learning rate, which may stand in either place."""
    value: Any = settings.get("optimizer", defaults["optimizer"])
    own: dict[str, Any] = {}
    if isinstance(value, Mapping):
        value = dict(cast(Mapping[str, Any], value))
        own = {key: value.pop(key) for key in ("learning_rate",) if key in value}
    chosen = _resolve_named("optimizer", value)
    rate: Any = chosen["learning_rate"]
    for given in own.values():
        with at("optimizer"):
            rate = _resolve_rate(given)
    if settings.get("learning_rate") is not None:
        if own:
            raise SettingError(("learning_rate",), "given twice, here and in the optimizer", "allowed: one of the two")
        rate = _resolve_rate(settings["learning_rate"])
    return Named(chosen.name, tuple(a for a in chosen.arguments if a[0] != "learning_rate")), rate


def _resolve_rate(value: object) -> float | Named:
    """A learning rate: a number, or a schedule; without a target, a warm-up's length is neutral."""
    if not (isinstance(value, Mapping) or (isinstance(value, str) and value in vocabulary.schedules)):
        return _scalar("learning_rate", value, or_a_schedule)
    with at("learning_rate"):
        rate = vocabulary.named(*_name_and_arguments(value), vocabulary.schedules)
        arguments = dict(rate.arguments)
        if rate.name == "piecewise_constant_decay":
            _check_pieces(rate["boundaries"], rate["values"])
        if rate.name == "cosine_decay" and rate["warmup_target"] is None:
            arguments["warmup_steps"] = 0
        return Named(rate.name, tuple(arguments.items()))


def _check_pieces(boundaries: Sequence[int], values: Sequence[float]) -> None:
    if any(b <= a for a, b in itertools.pairwise(boundaries)):
        raise SettingError(("boundaries",), f"found {show(list(boundaries))}", "allowed: steps, each above the last")
    if len(values) != len(boundaries) + 1:
        found = f"{len(values)} for {len(boundaries)} boundaries"
        raise SettingError(("values",), found, f"allowed: {len(boundaries) + 1}, one more than boundaries")


def _resolve_batch_size(value: object, n_rows: int) -> int:
    """The batch size, at most the number of rows of the data set."""
    return n_rows if value == "full" else min(_scalar("batch_size", value, ", or full"), n_rows)


def check_value(name: str, value: object) -> None:
    """Raise `SettingError` for a value of a hyperparameter that no other setting can make right."""
    usual = {key: _value(key, defaults[key]) for key in of_a_layer}
    match name:
        case "task":
            _resolve_task(value)
        case "layers":
            _resolve_hidden({name: value}, usual)
        case "output":
            _resolve_output(value, usual)
        case "optimizer" | "learning_rate":
            _resolve_optimizer({name: value})
        case "batch_size":
            _resolve_batch_size(value, 1)
        case "samples" if value is None:
            pass
        case _:
            _value(name, value)


def resolve(settings: Mapping[str, Any]) -> Configuration:
    """The configuration that `settings` (hyperparameter: value, as in an experiment file) mean.

    Raises `SettingError` whose place begins with the hyperparameter.

    >>> resolve({"width": 2}).id == resolve({"width": 2, "batch_size": 4}).id
    True
    """
    for key in settings:
        if key not in defaults:
            raise SettingError((key,), "no such hyperparameter", did_you_mean(key, hyperparameters))
    settings = spelled_out(_scalar("framework", settings.get("framework", defaults["framework"])), settings)
    values = _with_usual(settings)
    task = _resolve_task(values["task"])
    coding = _scalar("targets", values["targets"])
    shared = {key: _value(key, values[key]) for key in of_a_layer}
    hidden = _resolve_hidden(settings, shared)
    output = _resolve_output(values["output"], shared)
    optimizer, learning_rate = _resolve_optimizer(settings)
    samples = None if values["samples"] is None else int(_scalar("samples", values["samples"]))
    # at any depth, though without a hidden layer nothing is dropped
    if samples is not None and (shared["dropout"] > 0 or any(layer.dropout > 0 for layer in hidden)):
        raise SettingError(("samples",), "samples together with dropout", "allowed: one of the two")
    shuffle = _scalar("shuffle", values["shuffle"])
    if samples is not None and not shuffle:
        raise SettingError(("shuffle",), "false with samples, whose batches are drawn", "allowed: true")
    batch_size = _resolve_batch_size(values["batch_size"], task.n_rows if samples is None else samples)
    return Configuration(
        task=task,
        encoding=_scalar("encoding", values["encoding"]),
        samples=samples,
        layers=(*hidden, replace(output, units=n_outputs(coding, task.n_outputs))),
        loss=_resolve_named("loss", values["loss"]),
        coding=coding,
        optimizer=optimizer,
        learning_rate=learning_rate,
        batch_size=batch_size,
        shuffle=shuffle or batch_size == task.n_rows,
        epochs=_scalar("epochs", values["epochs"]),
    )


def settings_of(configuration: Configuration) -> dict[str, Any]:
    """The settings that `resolve` makes this configuration of: every hyperparameter, as an experiment file has it.

    A name stands alone where all its arguments have their defaults, unlike layers as `layers`: each says what differs
    from the first. Output and targets are there where they are not the usual ones.

    >>> settings_of(resolve({"optimizer": {"name": "sgd", "momentum": 0.9}}))["optimizer"]
    {'name': 'sgd', 'momentum': 0.9}
    """
    c, shared = configuration, configuration.layers[0]
    values = {f.name: getattr(value, f.name) for value in (shared, c) for f in fields(value)}
    if not c.hidden:
        del values["activation"], values["dropout"]
    for key in regularizers:
        if values[key].name == "none":
            del values[key]
    values |= {key: _named_settings(named_signatures[key], values[key]) for key in named_signatures if key in values}
    if isinstance(c.learning_rate, Named):
        values["learning_rate"] = _named_settings(vocabulary.schedules, c.learning_rate)
    values |= {"task": _task_settings(c.task), "layers": [_layer_settings(layer, shared) for layer in c.hidden]}
    if len(set(c.hidden)) <= 1:
        del values["layers"]
        values |= {"width": shared.units, "depth": c.depth} if c.hidden else {"depth": 0}
    output = _own_settings(c.output, shared, of_the_output[1:])
    activation = _named_settings(vocabulary.output_activations, c.output.activation)
    if output or activation != defaults["output"]:
        values["output"] = {"activation": activation, **output} if output else activation
    if c.shuffle:
        del values["shuffle"]
    if c.coding != defaults["targets"]:
        values["targets"] = c.coding
    return {key: values[key] for key in hyperparameters if key in values}


def _layer_settings(layer: Layer, shared: Layer) -> Any:
    """A layer as `layers` has it: its units, or a mapping of them and of what differs from what the layers share."""
    own = _own_settings(layer, shared, of_a_layer)
    return {"units": layer.units, **own} if own else layer.units


def _own_settings(layer: Layer, shared: Layer, names: Sequence[str]) -> dict[str, Any]:
    """What a layer has that differs from what the layers share."""
    own = {key: getattr(layer, key) for key in names if getattr(layer, key) != getattr(shared, key)}
    if not layer.use_bias:
        own.pop("bias_initializer", None)
        own.pop("bias_regularizer", None)
    return {key: _named_settings(named_signatures[key], x) if key in named_signatures else x for key, x in own.items()}


def _named_settings(signatures: Mapping[str, Signature], value: Named) -> Any:
    changed = {name: list(x) if isinstance(x, tuple) else x for name, x in value.changed(signatures).items()}
    return {"name": value.name, **changed} if changed else value.name


def _task_settings(task: Task) -> Any:
    if task.named is None:
        return {"inputs": [list(row) for row in task.inputs], "targets": [list(row) for row in task.targets]}
    return {"name": task.named.name, **dict(task.named.arguments)} if task.named.arguments else task.named.name
