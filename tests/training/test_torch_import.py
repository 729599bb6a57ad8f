"""Networks of PyTorch as settings; where PyTorch is installed (the extra `torch`) trained beside ours, step by step."""

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import sweep
from sweep.networks.configuration import Configuration
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training.imported import Obstacles
from sweep.training.initial import initial_weights
from sweep.training.native import NativeEngine
from sweep.training.torch_models import trained_as_it_is

# what stands for PyTorch where it is not installed: what is read of it are names of classes, and attributes


class Parameter:
    requires_grad = True

    def __init__(self, *values: float, dtype: str = "torch.float32") -> None:
        self.values, self.dtype = values, dtype

    def detach(self) -> Any:
        return self

    flatten = detach

    def tolist(self) -> list[float]:
        return list(self.values)


def fake(name: str, **attributes: Any) -> Any:
    """An object of a class of that name in PyTorch."""
    kind = type(name, (), {"__module__": "torch.nn.modules"})
    made = kind()
    vars(made).update(attributes)
    return made


def linear(n_in: int, units: int, **given: Any) -> Any:
    weights = {"weight": Parameter(0.1, -0.2), "bias": Parameter(0.1, 0.05)}
    return fake("Linear", in_features=n_in, out_features=units, **{**weights, **given})


def sequential(*modules: Any) -> Any:
    parameters = [p for m in modules for p in (getattr(m, "weight", None), getattr(m, "bias", None)) if p is not None]
    children = [(str(i), module) for i, module in enumerate(modules)]
    return fake("Sequential", named_children=lambda: iter(children), parameters=lambda: iter(parameters))


def loss(name: str, **attributes: Any) -> Any:
    usual: Mapping[str, Any] = {"reduction": "mean", "weight": None, "pos_weight": None, "ignore_index": -100}
    return fake(name, **{**usual, "label_smoothing": 0.0, "delta": 1.0, "beta": 1.0, **attributes})


def adam(model: Any, name: str = "Adam", **group: Any) -> Any:
    usual = {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
    return fake(name, param_groups=[{"params": list(model.parameters()), **usual, "fused": None, **group}])


NADAM: Mapping[str, Any] = {
    **{"lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "momentum_decay": 1},
    **{"decoupled_weight_decay": False, "maximize": False},
}


def small(*behind: Any, units: int = 1) -> Any:
    return sequential(linear(2, 8), fake("ReLU"), linear(8, units), *behind)


def imported(model: Any, criterion: Any, **group: Any) -> Configuration:
    return resolve(sweep.from_torch(model, criterion, adam(model, **group)))


def preset(**settings: Any) -> Configuration:
    return resolve({"framework": "pytorch", **settings})


def test_defaults_are_those_of_the_preset() -> None:
    assert imported(small(), loss("BCEWithLogitsLoss")) == preset()
    assert imported(small(fake("Sigmoid")), loss("BCELoss")) == preset()
    assert imported(small(units=2), loss("CrossEntropyLoss")) == preset(output="softmax")
    decayed = imported(small(), loss("BCEWithLogitsLoss"), name="AdamW", weight_decay=0.01)
    assert decayed == preset(optimizer="adamw")


def test_decay_in_the_gradient_is_a_regularizer_of_half_the_factor() -> None:
    half = {"name": "l2", "l2": 0.05}
    found = imported(small(), loss("BCEWithLogitsLoss"), weight_decay=0.1)
    assert found == preset(kernel_regularizer=half, bias_regularizer=half)


@pytest.mark.parametrize(
    ("name", "group", "settings"),
    [
        ("RMSprop", {"lr": 0.01, "alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False}, {}),
        ("Adagrad", {"lr": 0.01, "lr_decay": 0, "eps": 1e-10, "initial_accumulator_value": 0}, {}),
        ("Adamax", {"lr": 0.002, "betas": (0.9, 0.999), "eps": 1e-8}, {}),
        (
            "Adagrad",
            {"lr": 0.1, "lr_decay": 0.5, "eps": 0, "initial_accumulator_value": 0.2},
            {
                "optimizer": {"name": "adagrad", "initial_accumulator_value": 0.2, "epsilon": 0},
                "learning_rate": {
                    "name": "inverse_time_decay",
                    "initial_learning_rate": 0.1,
                    "decay_steps": 1,
                    "decay_rate": 0.5,
                },
            },
        ),
    ],
)
def test_optimizers_of_another_formula_with_arguments_that_make_it_the_same(
    name: str, group: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    """With their defaults they are the preset's; decay is a part of the gradient, as Adam's is."""
    model = small()
    own = {"params": list(model.parameters()), "weight_decay": 0.1, "maximize": False, "foreach": None, **group}
    found = sweep.from_torch(model, loss("BCEWithLogitsLoss"), fake(name, param_groups=[own]))
    half = {"name": "l2", "l2": 0.05}
    regularized = {"kernel_regularizer": half, "bias_regularizer": half}
    assert resolve(found) == preset(**{"optimizer": name.lower(), **regularized, **settings})


@pytest.mark.parametrize("is_decoupled", [True, False])
def test_nadam_whose_momentum_grows_as_that_of_keras(is_decoupled: bool) -> None:
    model = small()
    own = {**NADAM, "params": model.parameters(), "weight_decay": 0.1, "decoupled_weight_decay": is_decoupled}
    found = resolve(sweep.from_torch(model, loss("BCEWithLogitsLoss"), fake("NAdam", param_groups=[own])))
    assert dict(found.optimizer.arguments)["weight_decay"] == (0.1 if is_decoupled else 0.0)
    assert found.output.kernel_regularizer.name == ("none" if is_decoupled else "l2")


@pytest.mark.parametrize("name", ["NLLLoss", "CrossEntropyLoss"])
def test_logarithms_of_a_softmax_are_a_softmax_under_cross_entropy(name: str) -> None:
    assert imported(small(fake("LogSoftmax", dim=1), units=2), loss(name)) == preset(output="softmax")


def test_label_smoothing() -> None:
    smoothed = {"name": "categorical_crossentropy", "label_smoothing": 0.1}
    assert imported(small(units=2), loss("CrossEntropyLoss", label_smoothing=0.1)) == preset(
        output="softmax", loss=smoothed
    )


def test_what_a_network_has() -> None:
    model = sequential(
        linear(2, 4),
        fake("Dropout", p=0.1),
        fake("LeakyReLU", negative_slope=0.01),
        sequential(linear(4, 3, bias=None), fake("Identity"), fake("GELU", approximate="tanh")),
        linear(3, 1),
    )
    sgd = fake(
        "SGD",
        param_groups=[
            {
                "params": [],
                "lr": 0.1,
                "momentum": 0.9,
                "dampening": 0,
                "weight_decay": 0,
                "nesterov": True,
                "maximize": False,
            }
        ],
    )
    inner = [
        p for _, child in model.named_children() if type(child).__name__ == "Sequential" for p in child.parameters()
    ]
    sgd.param_groups[0]["params"] = every = [*model.parameters(), *inner]
    model.parameters = lambda: iter(every)
    found = sweep.from_torch(model, loss("HuberLoss", delta=0.5), sgd)
    assert resolve(found) == preset(
        layers=[
            {"units": 4, "activation": "leaky_relu", "dropout": 0.1},
            {"units": 3, "activation": {"name": "gelu", "approximate": True}, "use_bias": False},
        ],
        output="linear",
        loss={"name": "huber", "delta": 0.5},
        optimizer={"name": "sgd", "momentum": 0.9, "nesterov": True},
        learning_rate=0.1,
    )


def test_every_obstacle_is_named_at_once() -> None:
    frozen = Parameter(0.1, 0.2)
    frozen.requires_grad = False
    model = sequential(
        fake("Flatten"),
        linear(2, 2, weight=frozen, bias=Parameter(0.1, 0.2, dtype="torch.float64")),
        fake("BatchNorm1d"),
        fake("Softmax", dim=-1),
        fake("Tanh"),
        linear(3, 1),
        fake("Dropout", p=0.5),
    )
    optimizer = adam(model, maximize=True, initial_lr=0.1)
    with pytest.raises(Obstacles) as caught:
        sweep.from_torch(model, loss("BCELoss", reduction="sum", weight=[1]), optimizer)
    assert [".".join(map(str, error.place)) for error in caught.value.every] == [
        *("0", "1.weight", "1.bias", "2", "4", "5.in_features", "1.activation", "5"),
        *("optimizer.lr", "optimizer.maximize", "loss.reduction", "loss.weight"),
        "5.activation",
    ]
    assert str(caught.value).splitlines()[-1].startswith("as it is: sweep.study(train, ")


def test_what_a_refusal_ends_with_tries_any_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def train(settings: Mapping[str, Any], seed: int) -> dict[str, float]:
        return {"accuracy": float(seed % 2)}

    monkeypatch.chdir(tmp_path)
    line = trained_as_it_is.partition("  #")[0].replace("seeds=64", "seeds=8")
    found = eval(line, {"sweep": sweep, "train": train})
    assert found.configurations["success_rate"].tolist() == [0.5]


@pytest.mark.parametrize(
    ("model", "criterion", "optimizer", "place", "found"),
    [
        (small(), loss("BCELoss"), adam, ("2", "activation"), "linear under BCELoss"),
        (small(fake("Sigmoid")), loss("BCEWithLogitsLoss"), adam, ("2", "activation"), "under BCEWithLogitsLoss"),
        (small(), loss("CrossEntropyLoss"), adam, ("2", "activation"), "softmax of one unit"),
        (small(units=2), loss("NLLLoss"), adam, ("2",), "Linear under NLLLoss, which is of logarithms"),
        (small(fake("Softmax", dim=1), units=2), loss("NLLLoss"), adam, ("3",), "Softmax under NLLLoss"),
        (small(fake("LogSoftmax", dim=0), units=2), loss("NLLLoss"), adam, ("3", "dim"), "found 0"),
        (small(fake("LogSoftmax", dim=1), units=2), loss("MSELoss"), adam, ("3",), "a module LogSoftmax"),
        (small(), type(loss("MSELoss")), adam, ("loss",), "found the class MSELoss and not MSELoss(..)"),
        (small(), loss("MSELoss"), lambda m: type(adam(m)), ("optimizer",), "found the class Adam and not Adam(..)"),
        (small(), loss("MSELoss"), lambda m: adam(m, initial_lr=0.1), ("optimizer", "lr"), "a scheduler changes it"),
        (small(), loss("PoissonNLLLoss"), adam, ("loss",), "found PoissonNLLLoss"),
        (small(), 3, adam, ("loss",), "found int"),
        (small(), loss("SmoothL1Loss", beta=0.5), adam, ("loss", "beta"), "found 0.5"),
        (small(), loss("MSELoss"), lambda m: adam(m, "RAdam"), ("optimizer",), "found RAdam, an update that no"),
        (
            small(),
            loss("MSELoss"),
            lambda m: fake("NAdam", param_groups=[{**NADAM, "params": m.parameters(), "momentum_decay": 0.004}]),
            ("optimizer", "momentum_decay"),
            "found 0.004",
        ),
        (small(), loss("MSELoss"), lambda m: adam(sequential(linear(2, 1))), ("optimizer", "params"), "not those"),
        (small(fake("Softplus", beta=2.0, threshold=20)), loss("MSELoss"), adam, ("3", "beta"), "found 2.0"),
        (sequential(), loss("MSELoss"), adam, ("model",), "no Linear layer"),
        (fake("Transformer"), loss("MSELoss"), lambda m: None, ("model",), "found Transformer"),
        (7, loss("MSELoss"), lambda m: None, ("model",), "found int"),
    ],
)
def test_what_is_refused(
    model: Any, criterion: Any, optimizer: Callable[[Any], Any], place: tuple[str, ...], found: str
) -> None:
    with pytest.raises(Obstacles) as caught:
        sweep.from_torch(model, criterion, optimizer(model))
    assert caught.value.place == place
    assert found in caught.value.found
    assert len(caught.value.every) == 1


@pytest.mark.parametrize("weights", [Parameter(0.1, 0.9), Parameter(0.0, 0.0)])
def test_a_start_of_its_own_is_said_not_to_be_taken_over(weights: Parameter) -> None:
    model = sequential(linear(2, 1, weight=weights))
    with pytest.warns(UserWarning, match="does not begin with such weights as those of 0"):
        sweep.from_torch(model, loss("MSELoss"), adam(model))


# PyTorch itself

with_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed: pip install 'xor-sweep[torch]'"
)
N_STEPS = 50
# no two gradients cancel, as those of a table of 0 and 1 do: what Adam makes of a rest is rounding
TABLE = {
    "inputs": [[0.3, -1.2], [1.7, 0.4], [-0.6, 0.9], [2.1, -0.5], [-1.4, -0.8]],
    "targets": [[0], [1], [1], [0], [1]],
}


def pytorch() -> Any:
    return importlib.import_module("torch")


STACKS: Mapping[str, Callable[[Any], list[Any]]] = {
    "relu": lambda nn: [nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)],
    "leaky relu": lambda nn: [nn.Linear(2, 4), nn.LeakyReLU(), nn.Linear(4, 4), nn.LeakyReLU(0.3), nn.Linear(4, 1)],
    "tanh and sigmoid": lambda nn: [nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3), nn.Sigmoid(), nn.Linear(3, 1)],
    "gelu": lambda nn: [nn.Linear(2, 4), nn.GELU(), nn.Linear(4, 4), nn.GELU("tanh"), nn.Linear(4, 1)],
    "soft": lambda nn: [nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 4), nn.Softsign(), nn.Linear(4, 1)],
    "silu and elu": lambda nn: [nn.Linear(2, 4), nn.SiLU(), nn.Linear(4, 4), nn.ELU(0.5), nn.Linear(4, 1)],
    "selu and ceilings": lambda nn: [nn.Linear(2, 4), nn.SELU(), nn.Linear(4, 4), nn.ReLU6(), nn.Linear(4, 1)],
    "hard sigmoid": lambda nn: [nn.Linear(2, 4), nn.Hardsigmoid(), nn.Linear(4, 1)],
    "no bias": lambda nn: [nn.Linear(2, 4, bias=False), nn.Tanh(), nn.Linear(4, 1)],
}
LOSSES: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], list[Any]], int]] = {
    "logits": (lambda nn: nn.BCEWithLogitsLoss(), lambda nn: [], 1),
    "probabilities": (lambda nn: nn.BCELoss(), lambda nn: [nn.Sigmoid()], 1),
    "classes": (lambda nn: nn.CrossEntropyLoss(), lambda nn: [], 2),
    "logarithms": (lambda nn: nn.NLLLoss(), lambda nn: [nn.LogSoftmax(-1)], 2),
    "smoothed classes": (lambda nn: nn.CrossEntropyLoss(label_smoothing=0.2), lambda nn: [], 2),
    "squares": (lambda nn: nn.MSELoss(), lambda nn: [nn.Tanh()], 1),
    "distances": (lambda nn: nn.L1Loss(), lambda nn: [nn.Sigmoid()], 1),
    "huber": (lambda nn: nn.HuberLoss(delta=0.3), lambda nn: [], 1),
    "smooth": (lambda nn: nn.SmoothL1Loss(), lambda nn: [nn.Softmax(-1)], 2),
}
OPTIMIZERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "sgd": lambda optim, p: optim.SGD(p, lr=0.5),
    "momentum": lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9),
    "nesterov": lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "decay": lambda optim, p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adam with decay": lambda optim, p: optim.Adam(p, lr=0.01, weight_decay=0.1),
    "adam": lambda optim, p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda optim, p: optim.Adam(p, lr=0.01, betas=(0.8, 0.99), amsgrad=True),
    "adamw": lambda optim, p: optim.AdamW(p, lr=0.01),
    "adamw of its own": lambda optim, p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda optim, p: optim.RMSprop(p, eps=1e-12),
    "rmsprop with momentum": lambda optim, p: optim.RMSprop(p, alpha=0.9, eps=1e-12, momentum=0.5),
    "centered rmsprop": lambda optim, p: optim.RMSprop(p, eps=1e-12, centered=True, weight_decay=0.1),
    "adagrad": lambda optim, p: optim.Adagrad(p, lr=0.1),
    "adagrad that slows down": lambda optim, p: optim.Adagrad(p, lr=0.1, lr_decay=0.1, initial_accumulator_value=0.2),
    "adamax": lambda optim, p: optim.Adamax(p, weight_decay=0.1),
    "nadam": lambda optim, p: optim.NAdam(p, momentum_decay=1, weight_decay=0.1),
    "nadam with decay": lambda optim, p: optim.NAdam(
        p, momentum_decay=1, weight_decay=0.1, decoupled_weight_decay=True
    ),
}


def networks(stack: str, criterion: str, optimizer: str) -> tuple[Any, Any, Any]:
    torch = pytorch()
    make, behind, units = LOSSES[criterion]
    layers = STACKS[stack](torch.nn)
    layers[-1] = torch.nn.Linear(layers[-1].in_features, units)
    model = torch.nn.Sequential(*layers, *behind(torch.nn))
    return model, make(torch.nn), OPTIMIZERS[optimizer](torch.optim, model.parameters())


def place(model: Any, weights: npt.NDArray[np.float32]) -> None:
    """Put a model at our weights `[parameter]`: a kernel stands transposed there."""
    torch = pytorch()
    start = 0
    with torch.no_grad():
        for parameter in model.parameters():
            shape = tuple(reversed(parameter.shape))
            values = weights[start : start + parameter.numel()].reshape(shape).T.copy()
            parameter.copy_(torch.from_numpy(values))
            start += parameter.numel()


def trajectory(model: Any, criterion: Any, optimizer: Any, c: Configuration) -> list[npt.NDArray[np.float64]]:
    """The weights before training and after each step, in our order; the whole table is a batch.

    Adam's epsilon stands where Keras has it, outside of the correction of its averages. That of RMSprop stands outside
    of the root, and is so small in these tests that its place is nothing.
    """
    torch = pytorch()
    inputs, targets = (torch.from_numpy(x.astype(np.float64)) for x in (c.inputs(), c.targets()))
    if type(criterion).__name__ in ("CrossEntropyLoss", "NLLLoss"):
        targets = targets.argmax(dim=1)
    course: list[npt.NDArray[np.float64]] = []
    for step in range(1, N_STEPS + 2):
        for group in optimizer.param_groups:
            if type(optimizer).__name__ in ("Adam", "AdamW"):
                group["eps"] = c.optimizer["epsilon"] / math.sqrt(1 - group["betas"][1] ** step)
        course.append(np.concatenate([p.detach().numpy().T.ravel() for p in model.parameters()]))
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        optimizer.step()
    return course


PAIRS: Sequence[tuple[str, str, str]] = (
    *((stack, "logits", "adam") for stack in STACKS),
    *(("tanh and sigmoid", criterion, "sgd") for criterion in LOSSES),
    *(("leaky relu", "classes", optimizer) for optimizer in OPTIMIZERS),
    ("relu", "squares", "nesterov"),
    ("gelu", "huber", "adamw"),
    ("no bias", "classes", "amsgrad"),
)


@with_torch
@pytest.mark.slow
@pytest.mark.parametrize(("stack", "criterion", "optimizer"), PAIRS)
def test_after_one_step_and_fifty_weights_are_those_of_pytorch(stack: str, criterion: str, optimizer: str) -> None:
    """By at most 1% of the largest movement of a step; PyTorch's are computed in float64."""
    settings = sweep.from_torch(*networks(stack, criterion, optimizer))
    for n_steps in (1, N_STEPS):
        c = resolve({**settings, "task": TABLE, "epochs": n_steps})
        cohort = Cohort(c, np.arange(3, dtype=np.uint32))
        start, ours = initial_weights(cohort), NativeEngine().train(cohort).weights
        for model_weights, found in zip(start, ours, strict=True):
            model, criterion_, made = networks(stack, criterion, optimizer)
            model.double()
            place(model, model_weights)
            course = trajectory(model, criterion_, made, c)
            step = np.abs(course[n_steps] - course[n_steps - 1]).max()
            assert np.abs(found - course[n_steps]).max() <= 0.01 * step


@with_torch
@pytest.mark.slow
def test_weights_begin_as_those_of_pytorch() -> None:
    """A two-sample Kolmogorov-Smirnov test for each variable, at 0.1% for all four together; fixed in advance."""
    torch = pytorch()
    n = 4000
    cohort = Cohort(preset(width=3, activation="tanh"), np.arange(n, dtype=np.uint32))
    ours = initial_weights(cohort)
    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1)) for _ in range(n)]
    theirs = np.array([np.concatenate([p.detach().numpy().T.ravel() for p in m.parameters()]) for m in models])
    for cut in (slice(0, 6), slice(6, 9), slice(9, 12), slice(12, 13)):
        tested: Any = stats.ks_2samp(ours[:, cut].ravel(), theirs[:, cut].ravel())
        assert tested.pvalue > 0.001 / 4
        assert np.abs(ours[:, cut]).max() <= np.abs(theirs[:, cut]).max() * 1.01
