"""A configuration as a script to paste: from the imports to the training, with all that is not the framework's default.

What a script trains is the configuration: the same network, start, loss, optimizer, batches and data. Its random
numbers are the framework's, so a seed ends otherwise than ours does; the share of seeds that learn is the same.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.frameworks import framework_of
from sweep.networks.layers import Layer
from sweep.networks.vocabulary import Named, Signature
from sweep.training.initial import plainly

class_names = {"sgd": "SGD", "rmsprop": "RMSprop", "adamw": "AdamW"}
seed_line = "seed = 0  # with another seed it may end otherwise: what is known is the share of seeds that learn"
max_line = 100
# as many equal layers and more are written as a loop
min_looped = 4

_torch_activations = {
    **{"relu": "ReLU", "leaky_relu": "LeakyReLU", "elu": "ELU", "selu": "SELU", "tanh": "Tanh", "sigmoid": "Sigmoid"},
    **{"softplus": "Softplus", "softsign": "Softsign", "silu": "SiLU", "hard_sigmoid": "Hardsigmoid", "relu6": "ReLU6"},
}
_torch_losses = {
    "mean_squared_error": "torch.nn.MSELoss()",
    "mean_absolute_error": "torch.nn.L1Loss()",
    "hinge": "lambda p, y: torch.relu(1 - y * p).mean()",
    "squared_hinge": "lambda p, y: torch.relu(1 - y * p).square().mean()",
    # as Keras cuts predictions that come from no sigmoid
    "binary_crossentropy": "lambda p, y: torch.nn.functional.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), y)",
}
_torch_initializers = {"random_uniform": "uniform_", "random_normal": "normal_", "constant": "constant_"}


def script(c: Configuration, like: Configuration) -> tuple[str, list[str]]:
    """A script for PyTorch where `like` starts as PyTorch's networks do and PyTorch has the optimizer, else for Keras.

    The name of the framework, and the lines.
    """
    if framework_of(like.layers) == "pytorch":
        lines = pytorch_script(c)
        if lines is not None:
            return "PyTorch", lines
    return "Keras", keras_script(c)


def keras_script(c: Configuration) -> list[str]:
    r"""The lines of a script for Keras.

    >>> from sweep.networks.settings import resolve
    >>> print("\n".join(keras_script(resolve({"width": 4, "activation": "tanh"}))[7:]))
    model = keras.Sequential(
        [
            keras.layers.Input((2,)),
            keras.layers.Dense(4, activation="tanh"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="binary_crossentropy")
    model.fit(x, y, batch_size=4, epochs=1000, verbose=0)
    print(model.predict(table, verbose=0))
    """
    optimizer = _object("keras.optimizers", c.optimizer, vocabulary.optimizers, learning_rate=_keras_rate(c))
    changed = c.loss.changed(vocabulary.losses)
    loss = _object("keras.losses", c.loss, vocabulary.losses) if changed else _quoted(c.loss.name)
    shuffle = "" if c.shuffle else ", shuffle=False"
    return [
        *("import keras", "import numpy as np", "", seed_line, "keras.utils.set_random_seed(seed)"),
        *_data(c, "np.array({}, dtype='float32')", "np.random.default_rng(seed).integers(len(x), size={})"),
        *("model = keras.Sequential(", "    [", f"        keras.layers.Input(({c.task.n_inputs},)),"),
        *(f"        {line}," for line in _keras_layers(c)),
        *("    ]", ")"),
        f"model.compile(optimizer={optimizer}, loss={loss})",
        f"model.fit(x, y, batch_size={c.batch_size}, epochs={c.epochs}{shuffle}, verbose=0)",
        "print(model.predict(table, verbose=0))",
    ]


def pytorch_script(c: Configuration) -> list[str] | None:
    """The lines of a script for PyTorch; None where it has no such optimizer, schedule, activation, loss or penalty."""
    optimizer = _torch_optimizer(c)
    known = {"linear", "gelu", "softmax", *_torch_activations}
    lacks = c.is_regularized or c.head.smoothing or isinstance(c.learning_rate, Named)
    if optimizer is None or lacks or {layer.activation.name for layer in c.layers} - known:
        return None
    answers, loss = _torch_head(c)
    order = "torch.randperm" if c.has_order else "torch.arange"
    made, starts = _torch_layers(c)
    return [
        *("import torch", "", seed_line, "torch.manual_seed(seed)"),
        *_data(c, "torch.tensor({}, dtype=torch.float32)", "torch.randint(len(x), ({},))"),
        *("model = torch.nn.Sequential(", *(f"    {line}," for line in made), ")", *starts),
        f"loss = {loss}",
        f"optimizer = {optimizer}",
        f"for _ in range({c.epochs}):",
        f"    for rows in {order}(len(x)).split({c.batch_size}):",
        "        optimizer.zero_grad()",
        "        loss(model(x[rows]), y[rows]).backward()",
        "        optimizer.step()",
        *("model.eval()", f"print({answers.format('model(table)')})"),
    ]


def _keras_rate(c: Configuration) -> str:
    rate = c.learning_rate
    return _object("keras.optimizers.schedules", rate, vocabulary.schedules) if isinstance(rate, Named) else repr(rate)


def _data(c: Configuration, array: str, drawn: str) -> Iterator[str]:
    """The table as `table`, and what is trained on as `x` and `y`."""
    inputs, targets = (array.format(_rows(values)) for values in (c.inputs(), c.targets()))
    yield from f"x = table = {inputs}".replace("'", '"').split("\n")
    yield from f"y = {targets}".replace("'", '"').split("\n")
    if c.samples is not None:
        yield f"drawn = {drawn.format(c.samples)}"
        yield "x, y = x[drawn], y[drawn]"


def _rows(values: npt.NDArray[np.float32]) -> str:
    """A table `[row, value]` as nested lists, broken into lines of no more than `max_line` characters, or of a row."""
    rows = [f"[{', '.join(str(x).removesuffix('.0') for x in row)}]" for row in values]
    lines = [""]
    for row in rows:
        if len(lines[-1]) + len(row) > max_line - 30 and lines[-1]:
            lines.append("")
        lines[-1] += f"{row}, "
    return "[" + "\n    ".join(line.rstrip() for line in lines).removesuffix(",") + "]"


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(list(value) if isinstance(value, tuple) else value)


def _camel(name: str) -> str:
    return class_names.get(name) or "".join(word.capitalize() for word in name.split("_"))


def _arguments(given: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_quoted(value)}" for name, value in given.items())


def _object(place: str, value: Named, signatures: Mapping[str, Signature], **first: str) -> str:
    """A named thing as an object of its class; `first`: arguments as they are written."""
    told = [f"{name}={text}" for name, text in first.items()]
    changed = value.changed(signatures)
    return f"{place}.{_camel(value.name)}({', '.join(told + [_arguments(changed)] * bool(changed))})"


def _keras_layers(c: Configuration) -> Iterator[str]:
    """The layers, equal ones after each other as one line."""
    dense = [(_keras_dense(layer, n_in), layer.dropout) for layer, n_in in zip(c.layers, c.n_units, strict=False)]
    for (line, dropout), same in itertools.groupby(dense):
        parts = [line] + ([f"keras.layers.Dropout({dropout!r})"] if dropout else [])
        n = len(list(same))
        if n < min_looped:
            yield from parts * n
        else:
            yield f"*(layer for _ in range({n}) for layer in [{', '.join(parts)}])"


def _keras_dense(layer: Layer, n_inputs: int) -> str:
    shown = [str(layer.units)]
    name, changed = layer.activation.name, layer.activation.changed(vocabulary.output_activations)
    if changed:
        shown.append(f"activation=lambda z: keras.activations.{name}(z, {_arguments(changed)})")
    elif name != "linear":
        shown.append(f'activation="{name}"')
    if not layer.use_bias:
        shown.append("use_bias=False")
    bias = layer.bias_initializer
    if bias.name == "as_kernel":
        bias = plainly(layer.kernel_initializer, (n_inputs, layer.units))
    for key, value, usual in (("kernel", layer.kernel_initializer, "glorot_uniform"), ("bias", bias, "zeros")):
        if value.name != usual:
            is_plain = not value.changed(vocabulary.initializers)
            made = _object("keras.initializers", value, vocabulary.initializers)
            shown.append(f"{key}_initializer={_quoted(value.name) if is_plain else made}")
    for key, value in (("kernel", layer.kernel_regularizer), ("bias", layer.bias_regularizer)):
        if value.name != "none":
            made = f"{value.name.upper().replace('_', '')}({_arguments(dict(value.arguments))})"
            shown.append(f"{key}_regularizer=keras.regularizers.{made}")
    return f"keras.layers.Dense({', '.join(shown)})"


def _torch_layers(c: Configuration) -> tuple[list[str], list[str]]:
    """The layers, and what draws their weights where that is not PyTorch's own way."""
    made: list[str] = []
    starts: list[str] = []
    for layer, n_in in zip(c.layers, c.n_units, strict=False):
        if framework_of([layer]) != "pytorch":
            starts += _torch_start(layer, n_in, f"model[{len(made)}]")
        made.append(f"torch.nn.Linear({n_in}, {layer.units}{'' if layer.use_bias else ', bias=False'})")
        if not (layer is c.layers[-1] and c.head.takes_sums):
            made += _torch_activation(layer.activation)
        if layer.dropout:
            made.append(f"torch.nn.Dropout({layer.dropout!r})")
    return made, starts


def _torch_activation(activation: Named) -> list[str]:
    if activation.name == "linear":
        return []
    if activation.name == "softmax":
        return ["torch.nn.Softmax(dim=-1)"]
    if activation.name == "gelu":
        return [f"torch.nn.GELU({'approximate=' + _quoted('tanh') if activation['approximate'] else ''})"]
    return [f"torch.nn.{_torch_activations[activation.name]}({_arguments(dict(activation.arguments))})"]


def _torch_start(layer: Layer, n_inputs: int, place: str) -> Iterator[str]:
    shape = (n_inputs, layer.units)
    kernel = plainly(layer.kernel_initializer, shape)
    bias = kernel if layer.bias_initializer.name == "as_kernel" else plainly(layer.bias_initializer, shape[1:])
    for value, variable in ((kernel, "weight"), (bias, "bias"))[: 1 + layer.use_bias]:
        values = [float(x) for _, x in value.arguments]
        if value.name == "truncated_normal":
            mean, spread = values
            ends = f"{mean - 2 * spread!r}, {mean + 2 * spread!r}"
            yield f"torch.nn.init.trunc_normal_({place}.{variable}, {mean!r}, {spread!r}, {ends})"
        else:
            shown = ", ".join(map(repr, values))
            yield f"torch.nn.init.{_torch_initializers[value.name]}({place}.{variable}, {shown})"


def _torch_head(c: Configuration) -> tuple[str, str]:
    """What is printed of the model's outputs, and the loss."""
    if c.head.takes_sums and c.head.activation.name == "sigmoid":
        return "torch.sigmoid({})", "torch.nn.BCEWithLogitsLoss()"
    if c.head.takes_sums:
        return "torch.softmax({}, dim=-1)", "torch.nn.CrossEntropyLoss()"
    if c.loss.name == "huber":
        return "{}", f"torch.nn.HuberLoss({_arguments(dict(c.loss.arguments))})"
    loss = _torch_losses[c.loss.name]
    return "{}", loss if c.coding == "bipolar" else loss.replace("y * p", "(2 * y - 1) * p")


def _torch_optimizer(c: Configuration) -> str | None:
    """SGD, Adam and AdamW; Keras takes the decay off the weights, PyTorch only in AdamW."""
    given = dict(c.optimizer.arguments)
    decay = given.pop("weight_decay", 0.0)
    if c.optimizer.name == "sgd" and not decay:
        shown = {"lr": c.learning_rate} | {k: v for k, v in given.items() if given["momentum"]}
        name = "SGD"
    elif c.optimizer.name in ("adam", "adamw"):
        shown = {"lr": c.learning_rate, "eps": given["epsilon"]}
        shown |= {"amsgrad": True} if given["amsgrad"] else {}
        name = "AdamW" if decay else "Adam"
        shown |= {"weight_decay": decay} if decay else {}
    else:
        return None
    betas: Sequence[float] = [given[k] for k in ("beta_1", "beta_2") if k in given]
    told = f", betas=({', '.join(map(repr, betas))})" if betas else ""
    return f"torch.optim.{name}(model.parameters(), {_arguments(shown)}{told})"
