"""The sections of the page of findings: each experiment's results in words, tables and a figure.

Every number is computed from the tables, every rate stands with its 95% interval (Wilson's).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import findings_figures as figures
import numpy as np
import numpy.typing as npt
from findings_words import confidence, effect, grid, learned, percent, points, rate, shares, table

import sweep
from sweep.experiment import file as experiment_file
from sweep.networks.configuration import Configuration
from sweep.networks.settings import resolve
from sweep.report.page.charts import to_svg
from sweep.results.results import Results
from sweep.runs.cohort import Cohort
from sweep.statistics.intervals import wilson
from sweep.statistics.pairs import Difference, mcnemar, pair, paired_difference
from sweep.training.native import NativeEngine

IMAGES = Path(__file__).parent.parent / "docs" / "images"

# what the script of the question printed for 00, 01, 10 and 11, up to the order of the rows, and that of the answer
PRINTED = (0.6629775, 0.6629775, 0.6629775, 0.00603844)
ANSWERED = (0.04611744, 0.9702552, 0.93392825, 0.31054294)
XOR = np.array([0, 1, 1, 0])


def cross_entropy(predictions: npt.ArrayLike) -> float:
    """The mean cross-entropy of four predictions for XOR, in nats."""
    p = np.asarray(predictions)
    return float(-np.mean(np.where(XOR == 1, np.log(p), np.log(1 - p))))


def figure(name: str, alternative: str, chart: Any) -> str:
    """Draw a figure of the page; the Markdown that shows it."""
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"findings-{name}.svg").write_text(to_svg(chart, name), encoding="utf-8")
    return f"![{alternative}](images/findings-{name}.svg)"


def is_three_merged(runs: Any) -> Any:
    """Which runs give three rows one output and have a row of target 0 right: 2/3, 2/3, 2/3 and 0."""
    return runs["merged_rows"].fillna("").isin(["01+10+11", "00+01+10"])


def configurations(results: Results) -> list[Configuration]:
    """The configurations of an experiment, in the order of their trials."""
    return list(experiment_file.load(results.folder.experiment).networks)


def target(results: Results) -> str:
    """The target of an experiment's verdicts."""
    return percent(experiment_file.load(results.folder.experiment).reliability.target)


def smallest_reliable(results: Results, table: Any, by: str) -> str:
    """A sentence: the smallest width in a table of configurations that is shown reliable, by a hyperparameter."""
    widths = {
        value: block.loc[block["verdict"] == "reliable", "width"].min()
        for value, block in table.sort_values("trial").groupby(by, sort=False)
    }
    words = ", ".join(f"{value} {'none' if np.isnan(w) else int(w)}" for value, w in widths.items())
    return f"The smallest of these widths that is shown reliable (at least {target(results)}): {words}."


def question(results: Results) -> str:
    """The network that was asked about."""
    runs = results.runs
    fresh = results.manifest.confirmation
    assert fresh is not None
    printed = runs[is_three_merged(runs)]
    predictions = np.sort(printed[["p_00", "p_01", "p_10", "p_11"]].to_numpy(float), axis=1)
    nearest = printed.iloc[np.abs(predictions - np.sort(PRINTED)).max(axis=1).argmin()]
    sentence = (
        f"Of {len(runs)} seeds {int(runs['learned'].sum())} learn: {learned(runs)}; of {fresh.n_runs:,} fresh seeds "
        f"{fresh.n_learned:,}: **{rate(fresh.n_learned, fresh.n_runs)}**. It can learn, and mostly does not. "
        f"How the others end: {shares(runs)}."
    )
    counts = runs[~runs["learned"]].groupby(["outcome", runs["merged_rows"].fillna("")])["final_loss"]
    rows = [
        [outcome, merged or "none", n, f"{low:.4f}", f"{high:.4f}"]
        for (outcome, merged), n, low, high in zip(
            counts.size().index, counts.size(), counts.min(), counts.max(), strict=True
        )
    ]
    where = table(["outcome", "rows given one output", "seeds", "lowest loss", "highest loss"], rows)
    one = (printed["merged_rows"] == "01+10+11").sum()
    floor = cross_entropy((2 / 3, 2 / 3, 2 / 3, 1e-12))
    end = (
        f"The result it printed, {PRINTED[0]:.3f} three times and {PRINTED[3]:.3f}, is one of these endings: three "
        "rows get one output, two ones and a zero, whose best common prediction is 2/3, and the fourth, a zero, is "
        f"right. {len(printed)} of {len(runs)} seeds end so, {rate(len(printed), len(runs))}: {one} with 01+10+11, "
        f"{len(printed) - one} with 00+01+10. The nearest is seed {nearest['seed']}, which predicts "
        f"{nearest['p_00']:.4f}, {nearest['p_01']:.4f}, {nearest['p_10']:.4f}, {nearest['p_11']:.4f}. The printed loss "
        f"was {cross_entropy(PRINTED):.4f}; the lowest that a network has which gives these rows one "
        f"output is {floor:.4f}. That every run prints something else is no accident either: the seed decides which "
        "ending it is."
    )
    return "\n\n".join([sentence, where, end])


def answer(results: Results) -> str:
    """The network of the answer."""
    runs = results.runs
    loss, quoted = runs["final_loss"].to_numpy(float), cross_entropy(ANSWERED)
    below = int((loss < quoted).sum())
    quantiles = np.quantile(loss, [0.05, 0.25, 0.5, 0.75, 0.95])
    verdict = results.configurations["verdict"].iloc[0]
    asked = sweep.load(results.folder.path.parent / "question").runs["final_loss"].to_numpy(float)
    panels = {
        f"the network of the question, {len(asked)} seeds": figures.summarise_losses(asked),
        f"the network of the answer, {len(loss):,} seeds": figures.summarise_losses(loss),
    }
    first, second = panels
    marks = [
        {"panel": first, "low": cross_entropy(PRINTED), "name": "printed"},
        {"panel": second, "low": quoted, "name": "printed"},
    ]
    return (
        f"It learns for {int(runs['learned'].sum())} of {len(runs):,} seeds: **{learned(runs)}**. The four predictions "
        f"that its author printed have a loss of {quoted:.4f}: {rate(below, len(runs))} of seeds end lower. "
        f"The 5, 25, 50, 75 and 95% quantiles of the final loss are {', '.join(f'{q:.4f}' for q in quantiles)}. "
        f"The failures: {shares(runs)}. Is it good enough? Against a target of {target(results)} it is {verdict}: "
        f"one seed in {1 / (1 - runs['learned'].mean()):.0f} fails. What mends it is below: "
        "more epochs, more units.\n\n"
        + figure(
            "losses", "Final losses of the question's and of the answer's network", figures.draw_losses(panels, marks)
        )
    )


def describe_case(c: Configuration) -> str:
    """A configuration of the advice in words."""
    words = [f"{c.widths[0]} x {c.depth}"]
    if c.samples is not None:
        words.append(f"{c.samples:,} samples")
    words.append(f"batch {c.batch_size}")
    if c.has_dropout:
        words.append(f"dropout {c.hidden[0].dropout:g}")
    return ", ".join([*words, f"{c.epochs * c.steps_per_epoch:,} steps"])


ADVICE = (  # the advice, the trial without it, the trial with it
    ("use the four rows, not 40,000 samples", 0, 1),
    ("one hidden layer, not three (two units)", 1, 2),
    ("more than two units: four", 2, 3),
    ("more than two units: eight", 2, 4),
    ("one hidden layer, not three (eight units)", 5, 4),
    ("no dropout (one layer of eight)", 6, 4),
    ("no dropout (three layers of two)", 7, 1),
    ("train on: 5,000 epochs, not 1,000", 8, 9),
)


def judged(results: Results) -> Iterator[tuple[str, str, str, Difference, float, str]]:
    """Each piece of advice: rates without and with it, the difference on the same seeds, exact p, what follows."""
    by_trial = {trial: block.sort_values("seed") for trial, block in results.runs.groupby("trial")}
    for words, without, following in ADVICE:
        pairs = pair(by_trial[following]["learned"].to_numpy(bool), by_trial[without]["learned"].to_numpy(bool))
        d = paired_difference(pairs, confidence)
        yield words, learned(by_trial[without]), learned(by_trial[following]), d, mcnemar(pairs), effect(d)


def advice(results: Results) -> str:
    """Each piece of the advice: paired on the same seeds."""
    cases = configurations(results)
    tried = table(
        ["configuration", "learns", "failures"],
        [[describe_case(cases[t]), learned(block), shares(block)] for t, block in results.runs.groupby("trial")],
    )
    rows: list[list[str]] = []
    drawn: list[figures.Record] = []
    for words, without, following, d, p, so in judged(results):
        rows.append([words, without, following, points(d), f"{p:.1g}", so])
        drawn.append({"advice": words, "value": 100 * d.value, "low": 100 * d.low, "high": 100 * d.high})
    columns = ["advice", "without", "with", "difference, same seeds", "exact p", "so"]
    picture = figure("advice", "What each piece of advice changes", figures.draw_differences(drawn))
    words = "Each piece of advice, on the same seeds with and without it (Tango's interval, McNemar's exact test):"
    return f"{tried}\n\n{words}\n\n{table(columns, rows)}\n\n{picture}"


def ceiling(width: int) -> float:
    """P(at least two of `width` first-layer ReLU units are alive), each off with probability 1/4."""
    return 1 - 0.25**width - width * 0.75 * 0.25 ** (width - 1)


def width(results: Results) -> str:
    """Success by width against the exact ceiling."""
    rows = [
        [w, learned(block), f"{100 * ceiling(int(w)):.2f}%", shares(block)]
        for w, block in results.runs.groupby("width", sort=False)
    ]
    drawn = [{**r, "line": "learns"} for r in figures.summarise_rates(results.runs, x="width")]
    exact = [{"x": r["x"], "rate": ceiling(int(r["x"])), "line": "ceiling"} for r in drawn]
    picture = figures.draw_rates(drawn, x="width", line=None, title="share of seeds", exact=exact, is_log=True)
    note = (
        "A network with one live unit mostly ends stuck, not dead: its layer still lets a gradient pass. Those between "
        "the rate and the ceiling begin with two live units and fail all the same: training gives rows of unlike "
        "target one output."
    )
    shown = figure("width", "Success rate by width, and its exact ceiling", picture)
    return "\n\n".join([table(["width", "learns", "ceiling", "failures"], rows), note, shown])


def born_dead(width: int, depth: int, n_seeds: int) -> npt.NDArray[np.bool_]:
    """Which of the seeds 0, 1, ... have a hidden layer whose units are all off before training."""
    configuration = resolve({"width": width, "depth": depth, "epochs": 1})
    blocks = [np.arange(i, min(i + 1000, n_seeds), dtype=np.uint32) for i in range(0, n_seeds, 1000)]
    counts = [NativeEngine().train(Cohort(configuration, seeds)).units_off_initial for seeds in blocks]
    return (np.concatenate(counts) == width).any(axis=1)


def depth(results: Results) -> str:
    """Born-dead shares and success by width and depth."""
    n_seeds = 20_000
    rows: list[list[Any]] = []
    drawn: list[figures.Record] = []
    for (w, d), block in results.runs.groupby(["width", "depth"], sort=False):
        dead = born_dead(int(w), int(d), n_seeds)
        drawn.append(figures.rate_record(dead, x=d, line=w))
        bound = 4.0 ** -int(w) if d == 1 else 1 - (1 - 2.0 ** -int(w)) ** int(d)
        theory = f"{100 * bound:.3g}%" if d == 1 else f"at most {100 * bound:.3g}%"
        living = block[~dead[block["seed"].to_numpy(int)]]
        rows.append([w, d, rate(int(dead.sum()), n_seeds), theory, learned(block), learned(living), shares(block)])
    note = (
        f"Born dead: some hidden layer is off on every row before training, of {n_seeds:,} seeds. Theory: exactly "
        "4^-width after one layer, at most 1 - (1 - 2^-width)^depth after more. The others: those of the same seeds "
        "that are not born dead."
    )
    columns = ["width", "depth", "born dead", "theory", "learns", "of the others learn", "failures"]
    picture = figures.draw_rates(drawn, x="hidden layers", line="width", title="born dead")
    return "\n\n".join([table(columns, rows), note, figure("depth", "Share born dead by depth and width", picture)])


def activation(results: Results) -> str:
    """Success by activation, width and depth."""
    parts: list[str] = []
    for d, block in results.runs.groupby("depth", sort=False):
        found = results.configurations[results.configurations["depth"] == d]
        parts.append(f"{d} hidden layer{'s' if d > 1 else ''}, by width:\n\n{grid(block, 'activation', 'width')}")
        parts.append(smallest_reliable(results, found, "activation"))
    return "\n\n".join(parts)


def initializer(results: Results) -> str:
    """Success by initializers."""
    parts = [
        f"{a}, {b.replace('constant(value=0.1)', 'bias 0.1').replace('zeros', 'bias 0')}, by width:\n\n"
        f"{grid(block, 'kernel_initializer', 'width')}"
        for (a, b), block in results.runs.groupby(["activation", "bias_initializer"], sort=False)
    ]
    return "\n\n".join(parts)


def optimizer(results: Results) -> str:
    """Success by optimizer and learning rate."""
    cells = figures.summarise_rates(results.runs, y="optimizer", x="learning_rate")
    picture = figures.draw_table(cells, x="learning rate", y="optimizer")
    shown = figure("optimizer", "Success rate by optimizer and learning rate", picture)
    return f"{grid(results.runs, 'optimizer', 'learning_rate')}\n\n{shown}"


def batch_and_dropout(results: Results) -> str:
    """Success by batch size, dropout and width."""
    parts = [
        f"Batch {b}, dropout by width:\n\n{grid(block, 'dropout', 'width')}"
        for b, block in results.runs.groupby("batch_size", sort=False)
    ]
    return "\n\n".join(parts)


def parity(results: Results) -> str:
    """Success by bits and width, and the smallest width of the experiment that is reliable."""
    runs = results.runs.assign(bits=results.runs["task"].str.extract(r"bits=(\d+)", expand=False).astype(int))
    records = figures.summarise_rates(runs, line="bits", x="width")
    picture = figures.draw_rates(records, x="width", line="bits", is_log=True)
    note = smallest_reliable(results, results.configurations, "task")
    return "\n\n".join([grid(runs, "bits", "width"), note, figure("parity", "Success rate by width and bits", picture)])


def gates(results: Results) -> str:
    """All sixteen functions of two inputs."""
    tables = {c.task.label: "".join(str(int(t)) for (t,) in c.task.targets) for c in configurations(results)}
    names = {"0000": "never", "1111": "always"}
    rows: list[list[str]] = []
    for label, block in results.runs.groupby("task", sort=False):
        targets = tables[label]
        name = names.get(targets, label if not label.startswith("table-") else "")
        rows.append([targets, name, *(learned(block[block["depth"] == d]) for d in (0, 1))])
    return table(["targets of 00, 01, 10, 11", "name", "no hidden layer", "one of eight units"], rows)


def adders(results: Results) -> str:
    """Half and full adder by width."""
    note = smallest_reliable(results, results.configurations, "task")
    return f"{grid(results.runs, 'task', 'width')}\n\n{note}"


def seeds(results: Results) -> str:
    """How far small studies of one configuration go wrong."""
    flags = results.runs["learned"].to_numpy(bool)
    p = flags.mean()
    rows: list[list[Any]] = []
    for n in (5, 10, 30, 100, 1000):
        studies = flags[: len(flags) // n * n].reshape(-1, n).sum(axis=1)
        interval = wilson(studies, n, confidence)
        low, high = np.quantile(studies / n, [0.025, 0.975])
        far = np.abs(studies / n - p) > 0.1
        missed = (interval.low > p) | (interval.high < p)
        rows.append(
            [n, f"{len(studies):,}", f"{low:.0%} to {high:.0%}", percent(far.mean()), rate(missed.sum(), len(missed))]
        )
    head = f"The rate of all {len(flags):,} seeds: {learned(results.runs)}. The same seeds cut into studies of n:"
    columns = [
        "seeds in a study",
        "studies",
        "95% of studies report",
        "off by over 10 points",
        "Wilson interval misses",
    ]
    picture = figures.draw_studies(figures.summarise_studies(flags, (5, 10, 30)), float(p))
    shown = figure("seeds", "What studies of 5, 10 and 30 seeds report", picture)
    return f"{head}\n\n{table(columns, rows)}\n\n{shown}"


def xor(results: Results) -> str:
    """How many configurations of the factorial are reliable, by width and depth."""
    found = results.configurations
    by_size = found.assign(is_reliable=found["verdict"] == "reliable").groupby(["width", "depth"])["is_reliable"]
    counts, totals = by_size.sum().unstack(), by_size.size().unstack()
    rows = [[w, *(f"{counts.loc[w, d]} of {totals.loc[w, d]}" for d in counts)] for w in counts.index]
    verdicts = ", ".join(f"{n} {name}" for name, n in found["verdict"].value_counts().items())
    head = f"Of {len(found)} configurations, {len(results.runs) // len(found)} seeds each: {verdicts}. Shown reliable:"
    return f"{head}\n\n{table(['width / depth', *counts], rows)}"


def adaptive(results: Results) -> str:
    """The same factorial with seeds where they decide something, beside the fixed number."""
    fixed = sweep.load(results.folder.path.parent / "xor").configurations.set_index("configuration")["verdict"]
    own = results.configurations.set_index("configuration")
    verdicts = ("reliable", "inconclusive", "unreliable")
    rows = [[v, *(int(((fixed == v) & (own["verdict"] == w)).sum()) for w in verdicts)] for v in verdicts]
    n_seeds = len(experiment_file.load(results.folder.experiment).seeds)
    most = len(own) * n_seeds
    return (
        f"{len(results.runs):,} runs, {len(results.runs) / most:.0%} of the {most:,} that {n_seeds:,} seeds for each "
        f"would take; half of the configurations needed no more than {int(own['n_runs'].median())}. The verdicts of "
        f"xor.yaml down, its own across:\n\n{table(['', *verdicts], rows)}"
    )


def held_out(results: Results) -> str:
    """Each configuration: how many of its seeds are right often enough on rows held out, and how right they are."""
    found, runs = results.configurations, results.runs
    names = [n for n in ("task", "width", "depth", "activation", "dropout") if found[n].nunique() > 1]
    rows: list[list[str]] = []
    for row in found.to_dict("records"):
        own = runs[runs["configuration"] == row["configuration"]]["test_accuracy"]
        given = results.configuration(row["configuration"]).task.given or {}
        scale = "scaled" if given.get("scale") else "as measured"
        cells = [scale if n == "task" else f"{row[n]:g}" if n != "activation" else str(row[n]) for n in names]
        rows.append([*cells, rate(int(row["n_learned"]), int(row["n_runs"])), f"{own.median():.1%}", row["verdict"]])
    return table([*("inputs" if n == "task" else n for n in names), "reach it", "median accuracy", "verdict"], rows)
