"""The page of symptoms: what people see, in the words they type, what it is, how often, and the change that helps.

Each symptom has a command that shows it and one that mends it. What the page says of them are the numbers of these two
trainings, which take a second each: it is written without the results of any experiment.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

import findings_figures as figures
import numpy as np
from asked_page import anchor
from asked_questions import Symptom, questions
from findings_sections import IMAGES, is_three_merged
from findings_words import rate

import sweep
from sweep.commands.train import ask, count_runs
from sweep.experiment import file as experiment_file
from sweep.experiment.seeds import SeedBlock
from sweep.report.limits import describe_limits
from sweep.report.page.charts import to_svg
from sweep.report.terminal.train import answer_lines
from sweep.statistics.verdicts import Target

PAGE = IMAGES.parent / "symptoms.md"
n_seeds = 256
widths = (2, 3, 4, 6, 8, 12, 16, 20)

HEAD = """# Symptoms

What people see when a small network does not learn, in the words that they type into a search box. Each symptom stands
here with what it is, a picture, how often it comes, a command that shows it, and a change that helps. The numbers are
of these commands, each of {n} seeds; the native engine gives the same ones everywhere.

**Is it yours?** Put your own settings into the command: `sweep train` takes them by name, and `sweep import
model.keras --out mine.yaml` reads them from a Keras model. Read how the others end: *stuck*, at rest, as no descent
was found; *dead*, a layer off on every row; *unconverged*, still falling or not at rest; *diverged*, no longer a
number. [method.md](method.md) says what these mean, [asked.md](asked.md) has the questions that people asked.
"""


@dataclass(frozen=True)
class Shown:
    """A symptom on the page.

    what: what it is; typed, mended: arguments of `sweep train`; seen: which runs show the symptom, and how that is said
    of a run; helps: the change in words; draw: the picture, by default the outputs of `typed` by row; beside: another
    command, to compare with.
    """

    what: str
    typed: tuple[str, ...]
    mended: tuple[str, ...]
    helps: str
    seen: Callable[[Any], Any]
    said: str
    draw: Callable[[], Any] | None = None
    beside: tuple[str, ...] = ()
    picture: str = "What each row is answered with at the end; the area is the share of seeds"


def predictions(runs: Any) -> Any:
    """The outputs of the four rows: `[run, row]`."""
    return runs[["p_00", "p_01", "p_10", "p_11"]].to_numpy(float)


def _near(value: float, width: float) -> Callable[[Any], Any]:
    return lambda runs: (runs["final_loss"] - value).abs() < width


def _rates(names: Sequence[str], over: Mapping[str, Mapping[str, Any]], title: str) -> Any:
    """The rate by width, a line for each of `over`: its name and the settings that it adds."""
    records: list[figures.Record] = []
    for name in names:
        for width in widths:
            runs = trained({"width": width, "learning_rate": 0.01, **over[name]})
            records.append(figures.rate_record(runs["learned"].to_numpy(bool), x=width, line=name))
    return figures.draw_rates(records, x="width", line=title, is_log=True)


def trained(settings: Mapping[str, Any]) -> Any:
    """The runs of some settings."""
    return sweep.train(settings, seeds=n_seeds, workers=1)


def _losses(typed: tuple[str, ...], mended: tuple[str, ...], floor: float, name: str) -> Any:
    """Final losses before and after the change."""
    parts = {f"as it is, {n_seeds} seeds": typed, f"with the change, {n_seeds} seeds": mended}
    panels = {t: figures.summarise_losses(runs_of(a)["final_loss"].to_numpy(float)) for t, a in parts.items()}
    marks = [{"panel": title, "low": floor, "name": name} for title in panels]
    return figures.draw_losses(panels, marks, title="final loss")


_sigmoids = ("width=2", "activation=sigmoid", "optimizer=sgd", "batch_size=4", "epochs=500")
_small = ("width=5", "activation=sigmoid", "optimizer=sgd", "learning_rate=0.03", "epochs=20000")
_squares = (
    "width=2",
    "activation=sigmoid",
    "loss=mean_squared_error",
    "optimizer=sgd",
    "learning_rate=2",
    "epochs=5000",
)
_numbers = ("depth=0", "output=linear", "loss=mean_squared_error", "optimizer=sgd", "learning_rate=0.1", "epochs=200")
_momentum = "optimizer={name: sgd, momentum: 0.9}"
_tiny = "kernel_initializer={name: random_normal, stddev: 0.01}"
_narrow = "kernel_initializer={name: truncated_normal, stddev: 0.02}"
_unit = "kernel_initializer={name: random_normal, stddev: 1.0}"
_wide = "kernel_initializer={name: random_uniform, minval: -1.0, maxval: 1.0}"

shown: Mapping[Symptom, Shown] = {
    "all outputs 0.5": Shown(
        "The best single answer for two zeros and two ones is 1/2: the network has found that and nothing more. It "
        "lies on a plateau, where the loss hardly falls, because steps are small or weights began near 0. Here it is "
        "plain gradient descent at Keras's rate on sigmoid units. Longer training helps late, larger steps at once.",
        _sigmoids,
        ("width=4", "activation=sigmoid", _momentum, "learning_rate=1", "batch_size=4", "epochs=500"),
        "larger steps, with momentum, and two units more",
        lambda runs: (np.abs(predictions(runs) - 0.5) < 0.1).all(axis=1),
        "answers every row within 0.1 of 0.5",
    ),
    "loss stays 0.693": Shown(
        "0.693 is ln 2, the cross-entropy of answering 1/2 to every row: the same plateau, seen in the loss. Weights "
        "that begin near 0 make all units nearly alike, and what drives them apart is as small.",
        (*_small, _tiny),
        (*_small, _unit),
        "weights that begin far from 0",
        _near(float(np.log(2)), 0.001),
        "ends with a loss within 0.001 of ln 2",
        lambda: _losses((*_small, _tiny), (*_small, _unit), float(np.log(2)), "ln 2"),
        picture="The final losses of these seeds",
    ),
    "loss stuck at 0.25": Shown(
        "0.25 is the squared error of answering 1/2 to every row: the same plateau under another loss. Here two "
        "layers of sigmoid units begin within 0.04 of 0.",
        ("depth=2", *_squares, _narrow),
        ("depth=1", *_squares, _wide),
        "one layer, and weights between -1 and 1",
        _near(0.25, 0.001),
        "ends with a loss within 0.001 of 0.25",
        lambda: _losses(("depth=2", *_squares, _narrow), ("depth=1", *_squares, _wide), 0.25, "1/4"),
        picture="The final losses of these seeds",
    ),
    "three rows 0.66": Shown(
        "Three rows are given one output: two ones and a zero, whose best common answer is 2/3, or two zeros and a "
        "one, 1/3. The network separates by one cut where XOR needs two; the fourth row is right. It is at rest there: "
        "no descent from it was found.",
        ("width=2", "learning_rate=0.01", "epochs=2000"),
        ("width=8", "activation=leaky_relu", "learning_rate=0.01", "epochs=2000"),
        "more units, and ones that do not switch off",
        is_three_merged,
        "gives three rows one output, two ones and a zero",
    ),
    "accuracy 75%": Shown(
        "Three rows are right and one is wrong, or stands at 1/2: the network separates by one cut where XOR needs "
        "two. Another seed may do better, and says nothing of the next one.",
        ("width=4", "optimizer=sgd", "learning_rate=0.5", "epochs=500"),
        ("width=4", "activation=tanh", "optimizer=sgd", "learning_rate=0.5", "epochs=500"),
        "tanh for relu",
        lambda runs: runs["accuracy"] == 0.75,
        "ends with three of four rows right",
    ),
    "accuracy 50%": Shown(
        "Half right is what guessing gives. Either the network cannot do better, or it has not begun to: without a "
        "hidden layer no weights answer more than three rows of XOR, and training ends at 1/2 for all, where "
        "rounding decides which count as right. The command says so before it trains.",
        ("depth=0", "learning_rate=0.01", "epochs=2000"),
        ("depth=1", "width=8", "activation=tanh", "learning_rate=0.01", "epochs=2000"),
        "a hidden layer",
        lambda runs: runs["accuracy"] <= 0.5,
        "ends with at most half of the rows right",
    ),
    "another result every run": Shown(
        "The seed draws the start, and the start decides in which of several endings the training lands. A second "
        "run is another draw, no repair. What can be known is the share of seeds that learn.",
        ("width=2", "depth=3"),
        ("width=8", "depth=3", "activation=leaky_relu"),
        "wider layers, of units that do not switch off",
        lambda runs: ~runs["learned"],
        "does not learn",
    ),
    "works in PyTorch, not in Keras": Shown(
        "The two draw other starts, and a run in each is one draw of each. Of this network neither start is "
        "reliable; in others it is Keras's that learns more often. "
        "[Findings](findings.md#does-the-frameworks-default-start-matter) has both for three activations and four "
        "widths.",
        ("width=4", "learning_rate=0.01", "epochs=2000"),
        ("width=16", "learning_rate=0.01", "epochs=2000"),
        "more units, with either start",
        lambda runs: ~runs["learned"],
        "does not learn",
        lambda: _rates(
            ["keras", "pytorch"], {name: {"framework": name, "epochs": 2000} for name in ("keras", "pytorch")}, "start"
        ),
        ("width=4", "learning_rate=0.01", "epochs=2000", "framework=pytorch"),
        "The share of seeds that learn, by width and start",
    ),
    "relu dies, tanh works": Shown(
        "A relu unit that is off on every row has no slope and never comes back. With few units too few are left: a "
        "unit of the first layer begins so with chance 1/4. tanh has a slope everywhere; it gets stuck too, less "
        "often.",
        ("width=3", "learning_rate=0.01", "epochs=2000"),
        ("width=3", "activation=tanh", "learning_rate=0.01", "epochs=2000"),
        "tanh for relu",
        lambda runs: runs["dead_units"] > 0,
        "ends with a unit off on every row",
        lambda: _rates(
            ["relu", "tanh"], {name: {"activation": name, "epochs": 2000} for name in ("relu", "tanh")}, "activation"
        ),
        picture="The share of seeds that learn, by width and activation",
    ),
    "NaN after a few epochs": Shown(
        "The steps are too large for inputs of that size: each one overshoots by more than the last, until the numbers "
        "overflow. Here the inputs go up to 99 and the rate is 0.1.",
        ("task={inputs: [[0], [25], [75], [99]], targets: [[0], [0], [1], [1]]}", *_numbers),
        ("task={inputs: [[0], [0.25], [0.75], [0.99]], targets: [[0], [0], [1], [1]]}", *_numbers),
        "inputs between 0 and 1",
        lambda runs: runs["outcome"] == "diverged",
        "diverges",
        lambda: figures.draw_overshoot(0.1, (0.0, 25.0, 75.0, 99.0)),
        picture="The weight of one linear unit, step by step, at that rate on these inputs",
    ),
    "softmax output always 1": Shown(
        "A softmax shares 1 among the outputs; a single one gets all of it, whatever the weights, and no training "
        "moves it. Such a network is refused. A softmax needs an output for each class, two for yes and no.",
        ("output=softmax", "targets=binary", "activation=tanh", "learning_rate=0.01"),
        ("output=softmax", "activation=tanh", "learning_rate=0.01"),
        "an output for each of the two classes; or a sigmoid",
        lambda runs: ~runs["learned"],
        "does not learn",
        lambda: figures.draw_squashed(),
        picture="What a softmax makes of one sum, and what a sigmoid makes of it",
    ),
    "works with 20 units, not with 2": Shown(
        "Two relu units can represent XOR, and training seldom finds it: both must begin alive and cut in the right "
        "places. Each unit more is another chance. It is a matter of rates, not of a number of units that is enough.",
        ("width=2", "learning_rate=0.01", "epochs=2000"),
        ("width=20", "learning_rate=0.01", "epochs=2000"),
        "more units",
        lambda runs: ~runs["learned"],
        "does not learn",
        lambda: _rates(["relu"], {"relu": {"epochs": 2000}}, "activation"),
        picture="The share of seeds that learn, by width",
    ),
}


@cache
def runs_of(arguments: tuple[str, ...]) -> Any:
    """The runs of `sweep train` with these arguments."""
    return trained(experiment_file.settings(arguments))


def command(arguments: Sequence[str]) -> str:
    """The line to type."""
    return " ".join(["sweep train", *(f"'{a}'" if " " in a else a for a in arguments), f"--seeds {n_seeds}"])


def answer(arguments: Sequence[str]) -> str:
    """The first lines that the command prints: limits, what was trained, how many learned, how the others end."""
    try:
        configuration = experiment_file.configuration(list(arguments))
    except experiment_file.ExperimentFileError as error:
        return str(error)
    known = describe_limits([configuration], Target().target)
    counted = count_runs(ask(configuration, SeedBlock(count=n_seeds), workers=1).train())
    return "\n".join([*known, "\n".join(answer_lines(counted)).partition("\n\n")[0]])


def block(arguments: Sequence[str]) -> str:
    """A command and its answer."""
    return f"```console\n$ {command(arguments)}\n{answer(arguments)}\n```"


def how_often(s: Shown, arguments: tuple[str, ...]) -> str:
    """How many runs show the symptom."""
    runs = runs_of(arguments)
    return f"{rate(int(np.asarray(s.seen(runs)).sum()), len(runs))} of seeds, where a run {s.said}."


def section(symptom: Symptom, s: Shown) -> str:
    """A symptom."""
    is_refused = answer(s.typed).startswith("targets=")
    linked = [f"[{q.title}](asked.md#{anchor(q.title)})" for q in questions.values() if symptom in q.symptoms]
    often = "Always: the output is 1 for every seed." if is_refused else how_often(s, s.typed)
    after = "" if is_refused else f" Then it is {how_often(s, s.mended)}"
    return "\n\n".join(
        [
            f"## {symptom[0].upper()}{symptom[1:]}",
            s.what,
            f"![{s.picture}](images/symptoms-{anchor(symptom)}.svg)",
            f"*{s.picture}.*",
            f"**How often.** {often}",
            "\n\n".join(map(block, filter(None, (s.typed, s.beside)))),
            f"**What helps:** {s.helps}.{after}",
            block(s.mended),
            f"Asked in: {', '.join(linked)}.",
        ]
    )


def draw(symptom: Symptom) -> str:
    """The picture of a symptom, as SVG."""
    s = shown[symptom]
    if s.draw is not None:
        return to_svg(s.draw(), f"symptoms-{anchor(symptom)}")
    records = figures.summarise_outputs(predictions(runs_of(s.typed)), {"00": 0, "01": 1, "10": 1, "11": 0})
    return to_svg(figures.draw_outputs(records), f"symptoms-{anchor(symptom)}")


def page() -> str:
    """The whole page."""
    index = "\n".join(f"- [{name}](#{anchor(name)})" for name in get_args(Symptom))
    sections = [section(name, shown[name]) + "\n" for name in get_args(Symptom)]
    return "\n".join([HEAD.format(n=n_seeds), index + "\n", *sections])


def write() -> None:
    """Write the page and its pictures."""
    for name in get_args(Symptom):
        (IMAGES / f"symptoms-{anchor(name)}.svg").write_text(draw(name), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
