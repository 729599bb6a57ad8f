"""The columns of runs.csv and configurations.csv, each said once: they are written, read and documented by this."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from sweep.experiment.experiment import Experiment
from sweep.networks.settings import hyperparameters, scalars
from sweep.runs.outcomes import failures, failures_of, outcomes
from sweep.statistics.verdicts import verdicts


@dataclass(frozen=True)
class Column:
    """A column: its name, what its cells are, by pandas's name, and what they mean.

    Cells of whole numbers `int64` and of truth `bool` are never empty, all others may be. names: the words that may
    stand there, any where that is empty; missing: the number that stands for none in `Runs`, `Int64` only; is_needed:
    whether every such table of a sweep has the column; alike: of text, what its cells are where no network of the table
    has layers that differ in it, or a schedule.
    """

    name: str
    type: str
    meaning: str
    names: tuple[str, ...] = ()
    missing: int = -1
    is_needed: bool = True
    alike: str = ""


base_hyperparameters = (
    "task",
    "width",
    "depth",
    "activation",
    "dropout",
    "optimizer",
    "learning_rate",
    "batch_size",
    "epochs",
)
_types = {bool: "bool", int: "int64", float: "float64", str: "str"}
_other_types = {"samples": "Int64"}  # without samples it is the table
# numbers, and texts where unlike layers stand as 4-2 or the rate is a schedule
_or_texts = {"width", "dropout", "use_bias", "learning_rate"}


def settings_columns(experiment: Experiment) -> tuple[str, ...]:
    """The settings that an experiment's tables show."""
    if experiment.subject != "network":
        return experiment.names
    return hyperparameter_columns({*experiment.names, *(name for c in experiment.networks for name in c.unlike)})


def hyperparameter_columns(named: Collection[str]) -> tuple[str, ...]:
    """The tables' hyperparameters: the basic ones, then the others that the experiment names."""
    others = set(named) - {"layers", "framework"}
    if "framework" in named:  # a preset: what it decides of the start
        others |= {"kernel_initializer", "bias_initializer"}
    return (*base_hyperparameters, *(h for h in hyperparameters if h in others and h not in base_hyperparameters))


def _hyperparameter(name: str) -> Column:
    usual = _types[type(scalars[name].default)] if name in scalars else "str"
    return Column(
        name,
        "str" if name in _or_texts else _other_types.get(name, usual),
        "the hyperparameters, and a column for each other that the experiment names or that unlike layers differ in; "
        "unlike layers stand as `4-2`, arguments that are not Keras's defaults as `sgd(momentum=0.9)`, a schedule as "
        "`cosine_decay(initial_learning_rate=0.1,decay_steps=1000)`",
        is_needed=name in base_hyperparameters,
        alike=usual if name in _or_texts else "",
    )


_hyperparameters = tuple(map(_hyperparameter, hyperparameter_columns(hyperparameters)))
_configuration = Column(
    "configuration", "str", "`c` and 12 hex digits: a digest of everything that decides a training except the seed"
)
_trial = Column("trial", "int64", "the place of the configuration in the order of the study's suggestions, from 0")
_n_parameters = Column("n_parameters", "int64", "trained weights and biases")
_off = "hidden units with output and slope zero on every row, before and after training, summed over layers"
_trainer = "what trained it: `native`, `fused` or `keras`, `cpu` or `gpu`"

of_runs: tuple[Column, ...] = (
    Column("run", "str", "`<configuration>-<seed>`"),
    _trial,
    _configuration,
    *_hyperparameters,
    Column("seed", "int64", "decides initial weights, row order and dropout masks, each by a stream of its own"),
    Column("engine", "str", _trainer),
    Column("device", "str", _trainer),
    _n_parameters,
    Column("final_loss", "float32", "mean loss over the table after the last epoch, dropout off"),
    Column(
        "accuracy",
        "float64",
        "share of table entries with `(p > 0.5) == y`, for targets -1 and 1 `(p > 0) == (y > 0)`; of classes the share "
        "of rows whose true class has the largest output",
    ),
    Column(
        "learned",
        "bool",
        "whether the criterion holds: `reliability.success`, else a margin above `reliability.margin` (0 by default, "
        "so that a tie at 0.5 is not learned)",
    ),
    Column(
        "margin",
        "float32",
        "the smallest over the table, from -1 to 1: `(2y - 1)(2p - 1)`, p cut to [0, 1]; for targets -1 and 1 `y p`, p "
        "cut to [-1, 1]; for classes the output of the true one less the largest other",
    ),
    Column(
        "max_error",
        "float32",
        "where the criterion is of it: the largest distance of a prediction from its target over the table",
        is_needed=False,
    ),
    Column(
        "epochs_to_learn",
        "Int64",
        "the first epoch from which the table stays learned to the end; empty where it is not",
    ),
    Column(
        "outcome",
        "str",
        "the first that holds. `diverged`: a weight, a prediction or the loss is not finite; `learned`; `dead`: all "
        "units of some hidden layer are off on every row, so no gradient passes it; `stuck`: at rest, see `rest`; "
        "`unconverged`: the loss was still falling, or looked flat and a descent was found, so more epochs may do; "
        "`unsettled`: none of these, the loss wandered ([tolerances](../docs/method.md#outcomes-and-their-tolerances))",
        names=outcomes,
    ),
    Column(
        "rest",
        "str",
        "of a stuck run, what speaks for its rest. `certified`: a descent from its end weights did not lower the "
        "training loss by 5%, which is evidence and no proof; `flat`: the network is too large for one, and its loss "
        "was flat ([method](../docs/method.md#the-certificate-of-rest))",
        names=("certified", "flat", ""),
        is_needed=False,
    ),
    Column(
        "merged_rows",
        "str",
        "of a run that is stuck, or unconverged though it looked flat, the rows of unlike target that get one "
        "prediction, where the loss is the lowest that such a network can have: `00+11`, several groups `00+01 10+11`, "
        "several outputs by their number, from 0, `0:00+11`; rows of a table that is not Boolean by their number, from "
        "0. Empty where rows rest at a loss without being merged",
    ),
    Column("dead_units_initial", "int64", _off),
    Column("dead_units", "int64", _off),
    Column(
        "dead_layer",
        "Int64",
        "the first layer, from 1, whose units are all off at the end: a hidden one, or an output layer of relu, "
        "relu6 or hard_sigmoid",
        missing=0,
    ),
)
course = Column(
    "course",
    "str",
    "of a run of one's own that missed and has a curve of `loss`, how that ended, by the rules for networks: "
    "`at rest`, `still falling`, `wandering`",
    is_needed=False,
)
of_trainers = ("seconds", "attempts")  # what is measured of any run of one's own
metric = Column("metric", "number", "a number that a trainer of one's own gave", is_needed=False)
prediction = Column(
    "p_00",
    "float32",
    "the prediction for this row of a Boolean table of up to 16 rows, named by its bits, and so `p_01`, ... "
    "(`p_00_0` where there are several outputs)",
    is_needed=False,
)
predicted_class = Column(
    "class_00",
    "Int64",
    "of classes, in place of the predictions: the number of the largest output for this row, from 0",
    is_needed=False,
)

_interval = (
    "the interval of the success rate at the experiment's confidence, each configuration for itself: `wilson` where "
    "the number of seeds is fixed; `beta-binomial` where seeds are added (`up_to`), a confidence sequence, which holds "
    "whenever they end (its error is divided by the number of trials with `family: fwer`)"
)
_p_values = (
    "p-values of exact one-sided binomial tests: were the rate below the target, `p_reliable` would be at most x with "
    "a chance of at most x; `p_unreliable` likewise for a rate at or above it. Where the number of seeds is fixed"
)
_e_values = (
    "e-values of one-sided mixtures, which take the place of the p-values where seeds are added: were the rate below "
    "the target, `e_reliable` would ever reach x with a chance of at most 1/x; at most about 1e300"
)
_counted = "runs by outcome, and those that are missing; planned = `n_learned` + all of these"

of_configurations: tuple[Column, ...] = (
    _configuration,
    _trial,
    *_hyperparameters,
    _n_parameters,
    Column("n_runs", "int64", "runs"),
    Column("n_learned", "int64", "runs that learned"),
    Column("success_rate", "float64", "their share: the estimate of P(learn)"),
    Column("ci_low", "float64", _interval),
    Column("ci_high", "float64", _interval),
    Column("ci_method", "str", _interval),
    Column(
        "verdict",
        "str",
        "`reliable`, `unreliable` or `inconclusive`, by these tests at the experiment's confidence and `family` "
        "([method](../docs/method.md#verdicts)); not by the interval, which may disagree at its edge",
        names=verdicts,
    ),
    *(Column(name, "float64", _p_values, is_needed=False) for name in ("p_reliable", "p_unreliable")),
    *(Column(name, "float64", _e_values, is_needed=False) for name in ("e_reliable", "e_unreliable")),
    Column("median_epochs_to_learn", "float64", "over all runs; empty where under half learned"),
    Column("median_final_loss", "float32", "over all runs"),
    *(Column(f"n_{name}", "int64", _counted) for name in (*failures, "missing")),
)


evidence = ("p_reliable", "p_unreliable", "e_reliable", "e_unreliable")
of_any_run = {"run", "trial", "configuration", "seed", "engine", "device", "learned", "outcome"}
_of_any_count = {"configuration", "trial", "n_runs", "n_learned", "success_rate", "ci_low", "ci_high", "ci_method"}
measured_of_networks = {c.name: c for c in of_runs if c.name not in (*of_any_run, *hyperparameters, "n_parameters")}
# the columns of text that runs of one's own may have
words_of_settings = {c.name: replace(c, is_needed=False) for c in (course, measured_of_networks["merged_rows"])}


def measured_column(name: str, subject: str = "network") -> Column:
    """The column of what was measured of runs of this kind of subject."""
    if subject != "network":
        return words_of_settings.get(name, metric)
    usual = predicted_class if name.startswith("class_") else prediction
    return measured_of_networks.get(name, usual)


def columns_of_runs(subject: str) -> tuple[Column, ...]:
    """The columns of runs.csv that are known of runs of this kind of subject."""
    if subject == "network":
        return of_runs
    return (*(c for c in of_runs if c.name in of_any_run), *words_of_settings.values())


def columns_of_configurations(subject: str) -> tuple[Column, ...]:
    """The columns of configurations.csv that are known of this kind of subject."""
    if subject == "network":
        return of_configurations
    counts = (Column(f"n_{name}", "int64", _counted) for name in (*failures_of(subject), "missing"))
    return (*(c for c in of_configurations if c.name in (*_of_any_count, "verdict", *evidence)), *counts)


def header(columns: Sequence[Column], named: Iterable[str], others: Iterable[str] = ()) -> list[str]:
    """The names of a table's columns: those of `columns`, of its hyperparameters those named, then the `others`.

    Settings that are no hyperparameters stand where those do, behind the configuration and its trial.
    """
    named, others = tuple(named), tuple(others)
    known = [c.name for c in columns if c.name in (*named, *others) or (c.is_needed and c.name not in hyperparameters)]
    after = 1 + max(known.index("configuration"), known.index("trial"))
    own = [name for name in named if name not in known]
    return [*known[:after], *own, *known[after:], *(name for name in others if name not in known)]
