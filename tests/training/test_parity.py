"""Native and fused against Keras, all against a float64 training: weights after 1, 2 and 50 steps, pairs of options.

Tolerance. For each network the yardstick is the movement of one step: the root mean square over its weights of what a
step changes, the median over the steps so far of the float64 training. Every single weight has to agree to 1% of that.

Where float32 itself cannot hold that, no engine can: a gradient that cancels to rounding noise is turned into a full
step by Adam, RMSprop, Nadam and Lion, a unit's input within rounding of a kink falls on either side, and in a dead
network a step may be smaller than the spacing of float32, or nothing where gradients cancel. Such networks are found by
the float64 training alone, never by looking at an engine: it is repeated with weights rounded to float32 after each
step and every gradient disturbed by a quarter of a millionth of its largest entry. A network that this moves beyond the
tolerance is left out. The last test of this file bounds how many these are, option by option.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from support.reference import trajectory
from test_engine_contract import fused_engine

from sweep.networks import vocabulary
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training.engine import Engine
from sweep.training.initial import initial_weights
from sweep.training.keras.referee import KerasEngine
from sweep.training.native import NativeEngine

Case = Mapping[str, Any]

N_MODELS = 3
STEPS = (1, 2, 50)
TOLERANCE = 0.01
DISTURBANCE = 2.0**-22
# how many cases of the extended design each new option is in before the rest is left to the slow tests
N_QUICK = 2

real_table = {
    "inputs": [[0.3, -1.25, 2.0], [-0.7, 0.4, 0.1], [1.5, 0.9, -0.6], [0.05, -0.35, -1.1], [2.2, 1.3, 0.75]],
    "targets": [[0, 1], [1, 1], [1, 0], [0, 0], [1, 0]],
}

# every factor's options by name; together they are the hyperparameters that a network has
activations: dict[str, Any] = {name: name for name in ("relu", "tanh", "sigmoid", "linear")}
more_activations: dict[str, Any] = {
    "leaky_relu": "leaky_relu",
    "leaky_relu(0.01)": {"name": "leaky_relu", "negative_slope": 0.01},
    "elu": "elu",
    "elu(0.5)": {"name": "elu", "alpha": 0.5},
    "selu": "selu",
    "softplus": "softplus",
    "softsign": "softsign",
    "silu": "silu",
    "gelu": "gelu",
    "gelu(tanh)": {"name": "gelu", "approximate": True},
    "relu6": "relu6",
    "hard_sigmoid": "hard_sigmoid",
}
optimizers: dict[str, Any] = {
    "sgd": {"name": "sgd", "learning_rate": 0.1},
    "sgd momentum": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    "sgd nesterov": {"name": "sgd", "learning_rate": 0.05, "momentum": 0.9, "nesterov": True},
    "rmsprop": {"name": "rmsprop", "learning_rate": 0.01},
    "rmsprop momentum": {"name": "rmsprop", "learning_rate": 0.005, "momentum": 0.8, "rho": 0.95},
    "rmsprop centered": {"name": "rmsprop", "learning_rate": 0.01, "centered": True, "epsilon": 1e-4},
    "adam": {"name": "adam", "learning_rate": 0.01},
}
more_optimizers: dict[str, Any] = {
    "sgd decay": {"name": "sgd", "learning_rate": 0.1, "weight_decay": 0.01},
    "rmsprop decay": {"name": "rmsprop", "learning_rate": 0.01, "weight_decay": 0.01},
    "rmsprop centered momentum": {"name": "rmsprop", "centered": True, "momentum": 0.5, "learning_rate": 0.005},
    "adam amsgrad": {"name": "adam", "learning_rate": 0.01, "amsgrad": True},
    "adam decay": {"name": "adam", "learning_rate": 0.01, "weight_decay": 0.02, "beta_1": 0.8},
    "adamw": {"name": "adamw", "learning_rate": 0.01},
    "adagrad": {"name": "adagrad", "learning_rate": 0.05},
    "adamax": {"name": "adamax", "learning_rate": 0.01},
    "nadam": {"name": "nadam", "learning_rate": 0.01},
    "lion": {"name": "lion", "learning_rate": 0.003},
}
others: dict[str, dict[str, Any]] = {
    "loss": {"entropy": "binary_crossentropy", "squares": "mean_squared_error"},
    "dropout": {"no dropout": 0.0, "dropout 0.3": 0.3},
    "batch_size": {"batch 1": 1, "batch 2": 2, "batch 3": 3, "full batch": "full"},
    "layers": {"depth 0": [], "5": [5], "17": [17], "4-3": [4, 3], "3-4-2": [3, 4, 2]},
    "kernel_initializer": {
        "glorot_uniform": "glorot_uniform",
        "he_normal": "he_normal",
        "lecun_uniform": "lecun_uniform",
        "random_normal": {"name": "random_normal", "stddev": 0.6},
        "random_uniform": {"name": "random_uniform", "minval": -1.0, "maxval": 0.8},
        "truncated_normal": {"name": "truncated_normal", "stddev": 0.7},
    },
    "bias": {
        "zero biases": {"bias_initializer": "zeros"},
        "drawn biases": {"bias_initializer": {"name": "random_normal", "stddev": 0.3}},
        "no biases": {"use_bias": False},
        "as kernels": {"bias_initializer": "as_kernel"},
    },
    "table": {
        "xor": {"task": "xor"},
        "bipolar xor": {"task": "xor", "encoding": "bipolar"},
        "half adder": {"task": "half_adder"},
        "real table": {"task": real_table},
        "parity of 3": {"task": {"name": "parity", "bits": 3}},
    },
}
# factors of the design with drawn samples, instead of dropout and batch size
samples: dict[str, Any] = {
    "7 samples by 3": {"samples": 7, "batch_size": 3},
    "10 samples by 10": {"samples": 10, "batch_size": 10},
    "20 samples by 4": {"samples": 20, "batch_size": 4},
}
others_with_samples = {f: options for f, options in others.items() if f not in ("dropout", "batch_size")}
others_with_samples["samples"] = samples
# heads, each in pairs with every option above that it can have: tables of one target, any loss but its own
heads: dict[str, dict[str, Any]] = {
    "linear squares": {"output": "linear", "loss": "mean_squared_error"},
    "hard sigmoid entropy": {"output": "hard_sigmoid"},
    "linear huber": {"output": "linear", "loss": {"name": "huber", "delta": 0.3}},
    "linear hinge": {"output": "linear", "loss": "hinge"},
    "tanh squared hinge": {"output": "tanh", "loss": "squared_hinge", "targets": "bipolar"},
    "sigmoid absolute": {"loss": "mean_absolute_error", "targets": "one_hot"},
    "relu squares": {"output": {"activation": "relu", "bias_initializer": "ones"}, "loss": "mean_squared_error"},
    "softmax": {"output": "softmax"},
    "softmax squares": {"output": "softmax", "loss": "mean_squared_error"},
}
# added to a training of before, each in pairs with every option above; schedules in parts of the optimizer's rate.
# Periods at whose end the rate jumps are powers of two: compiled, Keras multiplies by their reciprocal, which at the
# multiples of other numbers may fall on the other side
additions: dict[str, dict[str, Any]] = {
    "l1": {"kernel_regularizer": {"name": "l1", "l1": 0.03}},
    "l2 of biases": {"bias_regularizer": {"name": "l2", "l2": 0.2}},
    "l1_l2 and l1": {"kernel_regularizer": {"name": "l1_l2", "l1": 0.01, "l2": 0.05}, "bias_regularizer": "l1"},
    "smoothing": {"loss": {"name": "binary_crossentropy", "label_smoothing": 0.2}},
    "exponential": {"learning_rate": {"name": "exponential_decay", "decay_steps": 20, "decay_rate": 0.5}},
    "inverse time": {
        "learning_rate": {"name": "inverse_time_decay", "decay_steps": 8, "decay_rate": 0.8, "staircase": True}
    },
    "polynomial": {"learning_rate": {"name": "polynomial_decay", "decay_steps": 16, "power": 2.0, "cycle": True}},
    "cosine": {"learning_rate": {"name": "cosine_decay", "decay_steps": 40, "alpha": 0.1}},
    "pieces": {"learning_rate": {"name": "piecewise_constant_decay", "boundaries": [1, 20], "values": [1, 2, 0.5]}},
}


def covering(factors: Mapping[str, Sequence[str]], is_wanted: Callable[[str, str], bool]) -> Iterator[dict[str, str]]:
    """Greedily chosen cases in which every wanted pair of options of two factors occurs."""
    rng = np.random.default_rng(7)
    names = list(factors)
    open_pairs = {
        ((f, a), (g, b))
        for f, g in itertools.combinations(names, 2)
        for a, b in itertools.product(factors[f], factors[g])
        if is_wanted(a, b)
    }
    while open_pairs:
        case = dict(sorted(open_pairs)[int(rng.integers(len(open_pairs)))])
        for i in rng.permutation(len(names)):
            factor = names[i]
            if factor in case:
                continue
            options = [str(option) for option in rng.permutation(list(factors[factor]))]
            new = {o: {((factor, o), other) for other in case.items()} for o in options}
            gains = [len(open_pairs & (new[o] | {(b, a) for a, b in new[o]})) for o in options]
            case[factor] = options[int(np.argmax(gains))]
        open_pairs -= set(itertools.permutations(case.items(), 2))
        yield {f: case[f] for f in names}


def settings(case: Mapping[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {
        "activation": {**activations, **more_activations}[case["activation"]],
        "optimizer": {**optimizers, **more_optimizers}[case["optimizer"]],
    }
    for factor, options in (others_with_samples if "samples" in case else others).items():
        if factor in case:
            value = options[case[factor]]
            chosen |= value if factor in ("bias", "table", "samples") else {factor: value}
    chosen |= heads[case["head"]] if "head" in case else {}
    return with_addition(chosen, additions[case["addition"]]) if "addition" in case else chosen


def with_addition(chosen: dict[str, Any], addition: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with one of `additions`, a schedule beginning at the optimizer's rate."""
    if "learning_rate" not in addition:
        return chosen | dict(addition)
    rate, schedule = chosen["optimizer"]["learning_rate"], addition["learning_rate"]
    if "values" in schedule:
        schedule = {**schedule, "values": [rate * share for share in schedule["values"]]}
    else:
        schedule = {**schedule, "initial_learning_rate": rate}
    return chosen | {"optimizer": {**chosen["optimizer"], "learning_rate": schedule}}


def core_design() -> list[dict[str, str]]:
    """Every pair of options of what every engine must have."""
    factors = {"activation": list(activations), "optimizer": list(optimizers)}
    return list(covering(factors | {f: list(options) for f, options in others.items()}, lambda a, b: True))


def extended_design() -> list[dict[str, str]]:
    """Every pair of activation and optimizer of which one is new, the other options drawn; depth at least 1."""
    new = {*more_activations, *more_optimizers}
    factors = {"activation": [*activations, *more_activations], "optimizer": [*optimizers, *more_optimizers]}
    rng = np.random.default_rng(11)
    return [
        case | {f: str(rng.choice([o for o in options if o != "depth 0"])) for f, options in others.items()}
        for case in covering(factors, lambda a, b: a in new or b in new)
    ]


def sampled_design() -> list[dict[str, str]]:
    """Every pair of drawn samples and an option of what every engine must have."""
    factors = {"activation": list(activations), "optimizer": list(optimizers)}
    factors |= {f: list(options) for f, options in others_with_samples.items()}
    return list(covering(factors, lambda a, b: a in samples or b in samples))


def headed_design() -> list[dict[str, str]]:
    """Every pair of a head and an option of what every engine must have."""
    factors = {"activation": list(activations), "optimizer": list(optimizers), "head": list(heads)}
    factors |= {f: list(options) for f, options in others.items() if f != "loss"}
    factors["table"] = ["xor", "bipolar xor", "parity of 3"]
    return list(covering(factors, lambda a, b: a in heads or b in heads))


def added_design() -> list[dict[str, str]]:
    """Every pair of an addition and an option of what every engine must have."""
    factors = {"activation": list(activations), "optimizer": list(optimizers), "addition": list(additions)}
    factors |= {f: list(options) for f, options in others.items()}
    return list(covering(factors, lambda a, b: a in additions or b in additions))


def label(case: Mapping[str, str]) -> str:
    return ", ".join(case.values())


def cohort(case: Mapping[str, str], n_steps: int) -> NetworkCohort:
    """The case trained until `n_steps` steps are done, or a few more to end an epoch."""
    one = resolve(settings(case) | {"epochs": 1})
    epochs = -(-n_steps // one.steps_per_epoch)
    return Cohort(resolve(settings(case) | {"epochs": epochs}), np.arange(100, 100 + N_MODELS, dtype=np.uint32))


@cache
def engine(name: str) -> Engine:
    if name == "fused":
        return fused_engine()
    return KerasEngine() if name == "keras" else NativeEngine()


@cache
def weights(name: str, case: str, n_steps: int) -> npt.NDArray[np.float32]:
    """What an engine makes of a case (by its label): `[model, parameter]`."""
    return engine(name).train(cohort(cases[case], n_steps)).weights


@cache
def expected(case: str) -> dict[int, list[tuple[npt.NDArray[np.float64], float] | None]]:
    """Per number of steps and model, the float64 weights and the tolerance; None where float32 cannot hold it."""
    longest = cohort(cases[case], STEPS[-1])
    found: dict[int, list[tuple[npt.NDArray[np.float64], float] | None]] = {n: [] for n in STEPS}
    for model in range(N_MODELS):
        exact, disturbed = (trajectory(longest, model, disturbance) for disturbance in (0.0, DISTURBANCE))
        movement = np.sqrt((np.diff(exact, axis=0) ** 2).mean(axis=1))
        here: list[tuple[npt.NDArray[np.float64], float]] = []
        is_settled = True
        for n_steps in STEPS:
            c = cohort(cases[case], n_steps).configuration
            step = c.epochs * c.steps_per_epoch
            tolerance = TOLERANCE * float(np.median(movement[:step]))
            is_settled &= bool(np.abs(disturbed[step] - exact[step]).max() <= tolerance) and tolerance > 0
            here.append((exact[step], tolerance))
        for n_steps, point in zip(STEPS, here, strict=True):
            found[n_steps].append(point if is_settled else None)
    return found


def assert_agree(name: str, case: str, other: str | None = None) -> None:
    """An engine's weights agree with another's, or with the float64 training, wherever float32 can hold it."""
    for n_steps in STEPS:
        mine = weights(name, case, n_steps)
        for model, point in enumerate(expected(case)[n_steps]):
            if point is not None:
                theirs = point[0] if other is None else weights(other, case, n_steps)[model]
                worst = np.abs(mine[model].astype(np.float64) - theirs).max()
                assert worst <= point[1], f"{n_steps} steps, model {model}: off by {worst / point[1]:.3g} tolerances"


core = core_design()
extended = extended_design()
sampled = sampled_design()
headed = headed_design()
added = added_design()
cases = {label(case): case for case in (*core, *sampled, *extended, *headed, *added)}


def slow_beyond_the_first(design: Sequence[Case], n_quick: int = N_QUICK) -> Iterator[Any]:
    """The labels of a design; marked slow where every new option has occurred `n_quick` times before."""
    seen: Counter[str] = Counter()
    for case in design:
        new = [o for o in case.values() if o in {*more_activations, *more_optimizers, *heads, *additions}]
        is_slow = all(seen[o] >= n_quick for o in new)
        seen.update(new)
        yield pytest.param(label(case), marks=pytest.mark.slow if is_slow else ())


# what the quick cases of the fused engine, which compiles seconds for each, have among them
quick_options = {
    *("dropout 0.3", "batch 3", "7 samples by 3", "squares", "sgd nesterov", "rmsprop centered", "adam", "no biases"),
    *("17", "3-4-2"),
}


def with_quick_options(design: Sequence[Case]) -> list[str]:
    """The labels of a few cases that have all of `quick_options`, chosen greedily."""
    wanted = set(quick_options)
    chosen: list[Case] = []
    while wanted:
        chosen.append(max(design, key=lambda case: len(wanted & set(case.values()))))
        wanted -= set(chosen[-1].values())
    return list(map(label, chosen))


quick = with_quick_options([*core, *sampled])
quick_first = [
    pytest.param(name, id=name, marks=() if name in quick else pytest.mark.slow)
    for name in map(label, [*core, *sampled])
]


@pytest.mark.parametrize("case", list(map(label, [*core, *sampled])))
def test_keras_agrees_with_float64(case: str) -> None:
    assert_agree("keras", case)


@pytest.mark.parametrize("case", list(map(label, [*core, *sampled])))
def test_native_agrees_with_keras(case: str) -> None:
    assert engine("native").refusal(cohort(cases[case], 1).configuration) is None
    assert_agree("native", case, "keras")


@pytest.mark.parametrize("case", list(map(label, [*core, *sampled])))
def test_native_agrees_with_float64(case: str) -> None:
    assert_agree("native", case)


@pytest.mark.parametrize("case", list(slow_beyond_the_first(extended)))
def test_keras_agrees_with_float64_on_further_options(case: str) -> None:
    assert_agree("keras", case)


@pytest.mark.parametrize("case", list(slow_beyond_the_first(extended)))
def test_native_agrees_with_keras_on_further_options(case: str) -> None:
    refused = engine("native").refusal(cohort(cases[case], 1).configuration)
    if refused is not None:
        pytest.skip(f"native refuses {refused}")
    assert_agree("native", case, "keras")


@pytest.mark.parametrize("case", quick_first)
def test_fused_agrees_with_keras(case: str) -> None:
    assert_agree("fused", case, "keras")


@pytest.mark.parametrize("case", quick_first)
def test_fused_agrees_with_native(case: str) -> None:
    assert_agree("fused", case, "native")


@pytest.mark.slow
@pytest.mark.parametrize("case", list(map(label, extended)))
def test_fused_agrees_with_float64_on_further_options(case: str) -> None:
    assert_agree("fused", case)


@pytest.mark.parametrize("case", list(map(label, headed)))
def test_native_agrees_with_float64_on_heads(case: str) -> None:
    assert_agree("native", case)


@pytest.mark.parametrize("case", list(slow_beyond_the_first(headed, 1)))
def test_native_agrees_with_keras_on_heads(case: str) -> None:
    assert_agree("native", case, "keras")


@pytest.mark.slow
@pytest.mark.parametrize("case", list(map(label, headed)))
def test_keras_and_fused_agree_with_float64_on_heads(case: str) -> None:
    assert_agree("keras", case)
    assert_agree("fused", case)


@pytest.mark.parametrize("case", list(map(label, added)))
def test_native_agrees_with_float64_on_additions(case: str) -> None:
    assert_agree("native", case)


@pytest.mark.parametrize("case", list(slow_beyond_the_first(added, 1)))
def test_native_agrees_with_keras_on_additions(case: str) -> None:
    assert_agree("native", case, "keras")


@pytest.mark.slow
@pytest.mark.parametrize("case", list(map(label, added)))
def test_keras_and_fused_agree_with_float64_on_additions(case: str) -> None:
    assert_agree("keras", case)
    assert_agree("fused", case)


@pytest.mark.parametrize("initializer", list(vocabulary.initializers))
@pytest.mark.parametrize("name", ["native", "keras"])
def test_training_starts_at_the_initializers_weights(name: str, initializer: str) -> None:
    drawn = {"kernel_initializer": initializer, "bias_initializer": initializer}
    c = resolve({"learning_rate": 0.0, "epochs": 1, "layers": [3, 2], "optimizer": "sgd"} | drawn)
    block = Cohort(c, np.arange(4, dtype=np.uint32))
    np.testing.assert_array_equal(engine(name).train(block).weights, initial_weights(block))


def test_few_networks_are_left_out() -> None:
    compared: dict[str, list[bool]] = {}
    for case in (*core, *sampled):
        settled = [point is not None for point in expected(label(case))[STEPS[0]]]
        for option in case.values():
            compared.setdefault(option, []).extend(settled)
    for factor, design in (("head", headed), ("addition", added)):
        for case in design:
            settled = [point is not None for point in expected(label(case))[STEPS[0]]]
            compared.setdefault(case[factor], []).extend(settled)
    everything = [is_settled for option in optimizers for is_settled in compared[option]]
    assert len(everything) == N_MODELS * (len(core) + len(sampled))
    assert np.mean(everything) >= 0.9
    assert {option: np.mean(settled) for option, settled in compared.items() if np.mean(settled) < 0.6} == {}


def test_the_design_has_every_pair() -> None:
    options = {"activation": activations, "optimizer": optimizers, **others}
    for f, g in itertools.combinations(options, 2):
        assert {(case[f], case[g]) for case in core} == set(itertools.product(options[f], options[g]))
    for f, named in options.items():
        if f not in ("loss", "table"):
            assert {(case[f], case["head"]) for case in headed} == set(itertools.product(named, heads))
        assert {(case[f], case["addition"]) for case in added} == set(itertools.product(named, additions))
        if f in ("dropout", "batch_size"):
            continue
        assert {(case[f], case["samples"]) for case in sampled} == set(itertools.product(named, samples))
