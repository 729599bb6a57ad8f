"""Write docs/findings.md from the results of the experiments in this folder: `make experiments`.

Every number of the page is computed here from the tables; every rate stands with its 95% interval (Wilson's). The page
ends with the SHA-256 of each experiment's runs.csv, which must be those of digests.txt: the native engine gives the
same bytes on every processor.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sweep
from sweep import executors, experiment_file
from sweep.engines.native import NativeEngine
from sweep.model import Configuration, resolve
from sweep.reliability import mcnemar, pair, paired_difference, wilson
from sweep.results import Results
from sweep.runs import Cohort, failures

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "findings.md"
DIGESTS = HERE / "digests.txt"
CONFIDENCE = 0.95


def rate(n_learned: int, n_runs: int) -> str:
    """A rate in per cent with its interval: `83.0% (80.5-85.2)`."""
    r = wilson(n_learned, n_runs, CONFIDENCE)
    return f"{100 * float(r.value):.1f}% ({100 * float(r.low):.1f}-{100 * float(r.high):.1f})"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def shares(runs: Any) -> str:
    """How runs failed, the most frequent outcome first: `stuck 60%, dead 40%`; empty where none did."""
    failed = runs[~runs["learned"]]
    counts = failed["outcome"].value_counts()
    return ", ".join(f"{name} {_percent(n / len(failed))}" for name, n in counts.items() if name in failures)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "under 1%"


def learned(runs: Any) -> str:
    """The success rate of runs, with its interval."""
    return rate(int(runs["learned"].sum()), len(runs))


def grid(runs: Any, down: str, across: str) -> str:
    """Success rates by two hyperparameters."""
    columns = list(dict.fromkeys(runs[across]))
    rows = [
        [value, *(learned(block[block[across] == c]) for c in columns)]
        for value, block in runs.groupby(down, sort=False)
    ]
    return table([f"{down} / {across}", *map(str, columns)], rows)


def is_three_merged(runs: Any) -> Any:
    """Which runs give three rows one output and have a row of target 0 right."""
    groups = runs["merged_rows"].fillna("")
    return groups.isin(["01+10+11", "00+01+10"])


def configurations(results: Results) -> list[Configuration]:
    """The configurations of an experiment, in the order of their trials."""
    experiment = experiment_file.load(results.folder.experiment)
    return [experiment.configuration(point) for point in experiment.grid()]


def question(results: Results) -> str:
    """The network that was asked about."""
    runs = results.runs
    fresh = results.manifest["confirmation"]
    printed = runs[is_three_merged(runs)]
    sentence = (
        f"Of {len(runs)} seeds {int(runs['learned'].sum())} learn: {learned(runs)}; of {fresh['n_runs']:,} fresh seeds "
        f"{fresh['n_learned']:,}: {rate(fresh['n_learned'], fresh['n_runs'])}. The others: {shares(runs)}."
    )
    counts = runs[~runs["learned"]].groupby(["outcome", runs["merged_rows"].fillna("")])["final_loss"]
    rows = [
        [outcome, merged or "none", n, f"{low:.4f}", f"{high:.4f}"]
        for (outcome, merged), n, low, high in zip(
            counts.size().index, counts.size(), counts.min(), counts.max(), strict=True
        )
    ]
    where = table(["outcome", "rows given one output", "seeds", "lowest loss", "highest loss"], rows)
    end = (
        f"The printed result, 0.663 for three rows and 0.006 for the fourth, is the state in which three rows get one "
        f"output (two of them ones: the best common prediction is 2/3) and the fourth, a zero, is right: "
        f"{len(printed)} of {len(runs)} seeds end so, {rate(len(printed), len(runs))}. Their loss is at its floor of "
        "0.4774: no training moves it any more. Each run printing something else is no accident either: which state a "
        "run ends in is decided by its seed."
    )
    return "\n\n".join([sentence, where, end])


def answer(results: Results) -> str:
    """The network of the answer."""
    runs = results.runs
    loss, quoted = runs["final_loss"].to_numpy(), 0.1294
    below = int((loss < quoted).sum())
    quantiles = np.quantile(loss, [0.05, 0.25, 0.5, 0.75, 0.95])
    verdict = results.configurations["verdict"].iloc[0]
    return (
        f"It learns for {int(runs['learned'].sum())} of {len(runs):,} seeds: {learned(runs)}. Its author saw a loss of "
        f"{quoted} (that of the four predictions quoted): {rate(below, len(runs))} of seeds end lower. The 5, 25, 50, "
        f"75 and 95% quantiles of the final loss are {', '.join(f'{q:.4f}' for q in quantiles)}. The failures: "
        f"{shares(runs)}. Against a target of 90% the configuration is {verdict}: a good start, and one seed in "
        f"{1 / (1 - runs['learned'].mean()):.0f} still fails."
    )


def describe_case(c: Configuration) -> str:
    """A configuration of the advice in words."""
    words = [f"{c.layers[0]} x {c.depth}"]
    if c.samples is not None:
        words.append(f"{c.samples:,} samples")
    words.append(f"batch {c.batch_size}")
    if c.dropout:
        words.append(f"dropout {c.dropout:g}")
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


def advice(results: Results) -> str:
    """Each piece of the advice: paired on the same seeds."""
    by_trial = {trial: block.sort_values("seed") for trial, block in results.runs.groupby("trial")}
    cases = configurations(results)
    tried = table(
        ["configuration", "learns", "failures"],
        [[describe_case(cases[t]), learned(block), shares(block)] for t, block in by_trial.items()],
    )
    rows: list[list[str]] = []
    for words, without, following in ADVICE:
        pairs = pair(by_trial[following]["learned"].to_numpy(bool), by_trial[without]["learned"].to_numpy(bool))
        d = paired_difference(pairs, CONFIDENCE)
        judged = "helps" if d.low > 0 else "harms" if d.high < 0 else "not shown to matter"
        change = f"{100 * d.value:+.1f} points ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
        rows.append(
            [words, learned(by_trial[without]), learned(by_trial[following]), change, f"{mcnemar(pairs):.1g}", judged]
        )
    judged = table(["advice", "without", "with", "difference, same seeds", "exact p", "so"], rows)
    words = "Each piece of advice, on the same seeds with and without it (Tango's interval, McNemar's exact test):"
    return f"{tried}\n\n{words}\n\n{judged}"


def ceiling(width: int) -> float:
    """P(at least two of `width` first-layer ReLU units are alive), each off with probability 1/4."""
    return 1 - 0.25**width - width * 0.75 * 0.25 ** (width - 1)


def width(results: Results) -> str:
    """Success by width against the exact ceiling."""
    rows = [
        [w, learned(block), f"{100 * ceiling(int(w)):.2f}%", shares(block)]
        for w, block in results.runs.groupby("width", sort=False)
    ]
    return table(["width", "learns", "ceiling", "failures"], rows)


def born_dead(width: int, depth: int, seeds: Any) -> int:
    """How many seeds have a hidden layer whose units are all off before training."""
    configuration = resolve({"width": width, "depth": depth, "epochs": 1})
    (measured,) = executors.train(NativeEngine(), [Cohort(configuration, seeds)], 1, lambda *_: None)
    return int((measured.units_off_initial == width).any(axis=1).sum())


def depth(results: Results) -> str:
    """Born-dead shares and success by width and depth."""
    seeds = np.arange(20_000, dtype=np.uint32)
    rows: list[list[Any]] = []
    for (w, d), block in results.runs.groupby(["width", "depth"], sort=False):
        dead = born_dead(int(w), int(d), seeds)
        bound = 1 - (1 - 2.0 ** (-2 * int(w))) if d == 1 else 1 - (1 - 2.0 ** -int(w)) ** int(d)
        theory = f"{100 * bound:.2f}%" if d == 1 else f"at most {100 * bound:.1f}%"
        rows.append([w, d, rate(dead, len(seeds)), theory, learned(block), shares(block)])
    note = (
        f"Born dead: some hidden layer is off on every row before training, of {len(seeds):,} seeds. Theory: exactly "
        "4^-width after one layer, at most 1 - (1 - 2^-width)^depth after more."
    )
    return table(["width", "depth", "born dead", "theory", "learns", "failures"], rows) + "\n\n" + note


def activation(results: Results) -> str:
    """Success by activation, width and depth."""
    parts = [
        f"{d} hidden layer{'s' if d > 1 else ''}, by width:\n\n{grid(block, 'activation', 'width')}"
        for d, block in results.runs.groupby("depth", sort=False)
    ]
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
    return grid(results.runs, "optimizer", "learning_rate")


def batch_and_dropout(results: Results) -> str:
    """Success by batch size, dropout and width."""
    parts = [
        f"Batch {b}, dropout by width:\n\n{grid(block, 'dropout', 'width')}"
        for b, block in results.runs.groupby("batch_size", sort=False)
    ]
    return "\n\n".join(parts)


def parity(results: Results) -> str:
    """Success by bits and width."""
    return grid(results.runs, "task", "width")


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
    return grid(results.runs, "task", "width")


def seeds(results: Results) -> str:
    """How far small studies of one configuration go wrong."""
    learned_ = results.runs["learned"].to_numpy(bool)
    p = learned_.mean()
    rows: list[list[Any]] = []
    for n in (5, 10, 30, 100, 1000):
        studies = learned_[: len(learned_) // n * n].reshape(-1, n).sum(axis=1)
        interval = wilson(studies, n, CONFIDENCE)
        low, high = np.quantile(studies / n, [0.025, 0.975])
        far = np.abs(studies / n - p) > 0.1
        missed = (interval.low > p) | (interval.high < p)
        rows.append([n, f"{len(studies):,}", f"{low:.0%} to {high:.0%}", f"{far.mean():.0%}", f"{missed.mean():.1%}"])
    head = f"The rate of all {len(learned_):,} seeds: {learned(results.runs)}. The same seeds cut into studies of n:"
    columns = [
        "seeds in a study",
        "studies",
        "95% of studies report",
        "off by over 10 points",
        "Wilson interval misses",
    ]
    return f"{head}\n\n{table(columns, rows)}"


SECTIONS: Mapping[str, tuple[str, Callable[[Results], str]]] = {
    "question": ("The question: three layers of two units on 40,000 samples", question),
    "answer": ("The answer: one layer of eight units on the four rows", answer),
    "advice": ("The advice, point by point", advice),
    "width": ("How wide?", width),
    "depth": ("How deep?", depth),
    "activation": ("Which activation?", activation),
    "initializer": ("Which initial weights?", initializer),
    "optimizer": ("Which optimizer, at which learning rate?", optimizer),
    "batch_and_dropout": ("Small batches and dropout", batch_and_dropout),
    "parity": ("Parity of more bits", parity),
    "gates": ("All sixteen functions of two inputs", gates),
    "adders": ("Half and full adder", adders),
    "seeds": ("How many seeds?", seeds),
}

HEAD = """# Findings

Somebody asked why a small Keras network does not learn XOR and prints something else at every run; somebody answered.
This page puts a rate and an interval to each claim of both. It is written by `make experiments` from the results of the
experiments in [experiments/](../experiments), which anybody can run again to the same bytes.

A rate stands with its 95% interval in brackets (Wilson's). `2 x 3`: three hidden layers of two units. What the outcomes
of failed runs mean is in [method.md](method.md).
"""


def purpose(name: str) -> str:
    """The comment at the head of an experiment file."""
    lines = (HERE / f"{name}.yaml").read_text().splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return " ".join(line.removeprefix("#").strip() for line in head)


def digest(results: Results) -> str:
    """The SHA-256 of an experiment's runs."""
    return hashlib.sha256(results.folder.runs.read_bytes()).hexdigest()


def page(results: Mapping[str, Results]) -> str:
    """The whole page."""
    parts = [HEAD]
    for name, (title, describe) in SECTIONS.items():
        parts.append(
            f"## {title}\n\n[{name}.yaml](../experiments/{name}.yaml): {purpose(name)}\n\n{describe(results[name])}\n"
        )
    listed = "\n".join(f"    {digest(results[name])}  {name}" for name in SECTIONS)
    parts.append(f"## Digests\n\nSHA-256 of each experiment's `runs.csv`, the same on every processor:\n\n{listed}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the page; with `--digests` the committed digests too. Exit code 1 where a digest is another."""
    folder = Path("results")
    results = {name: sweep.load(folder / name) for name in SECTIONS}
    found = "".join(f"{digest(results[name])}  {name}\n" for name in SECTIONS)
    PAGE.write_text(page(results), encoding="utf-8")
    print(f"wrote {PAGE}")
    if "--digests" in sys.argv[1:]:
        DIGESTS.write_text(found)
    elif found != DIGESTS.read_text():
        known = set(DIGESTS.read_text().splitlines())
        others = ", ".join(line.split()[1] for line in found.splitlines() if line not in known)
        sys.exit(f"these results differ from the committed digests: {others}")


if __name__ == "__main__":
    main()
