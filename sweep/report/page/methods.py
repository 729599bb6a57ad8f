"""The words of the page: the answer in two sentences, a paragraph for a paper's methods section, the table as LaTeX."""

from collections.abc import Mapping
from typing import Any

from sweep.experiment.experiment import Experiment
from sweep.report.page.figures import find_levels
from sweep.report.summaries import Answer
from sweep.report.verdict_words import count_words, error_words, seeds_words
from sweep.report.words import counted, describe_settings, describe_size, interval, percent
from sweep.results.tables import to_records
from sweep.runs.settings import setting_text, title_of
from sweep.search.allocation import Allocation
from sweep.statistics.exact_tests import Count

max_latex_rows = 20
dash = "\u2013"
interval_names: Mapping[str, str] = {
    "wilson": "Wilson score intervals (Brown, Cai and DasGupta 2001)",
    "beta-binomial": "beta-binomial confidence sequences (Robbins; Howard et al. 2021)",
}


def answer_sentences(answer: Answer, merged: str | None = None, count: Count | None = None) -> tuple[str, str]:
    """How many configurations reliably learn under which conditions; the smallest, and what goes wrong otherwise.

    `merged`: the rows that stuck runs most often give one output; `count`: how many as many other seeds call reliable.
    """
    v, n = answer.verdicts, answer.n_configurations
    verb, _, what = answer.aim.partition(" ")
    aim = f"{verb}{'s' if v['reliable'] == 1 else ''} {what}".rstrip()
    conditions = answer.conditions.replace(">=", "\u2265")
    first = f"{v['reliable']:,} of {counted(n, 'configuration')} reliably {aim} "
    first += f"by {seeds_words(answer)}{error_words(answer)} ({conditions}); "
    first += f"{v['unreliable']:,} {'does' if v['unreliable'] == 1 else 'do'} not"
    if v["inconclusive"]:
        verb = "is" if v["inconclusive"] == 1 else "are"
        first += f", and {v['inconclusive']:,} {verb} inconclusive: the seeds cannot tell"
    first = ". ".join([first, *count_words(answer, count)])
    return first + ".", f"{_named_words(answer)}; {_failure_words(answer, merged)}."


def _named_words(answer: Answer) -> str:
    row, confirmed = answer.named, answer.confirmation
    if row is None or confirmed is None:
        return "No configuration was trained again on fresh seeds"
    best = "The smallest that is shown to" if "n_parameters" in row else "The most reliable"
    lead = best if row["verdict"] == "reliable" else "None is shown reliable; the best"
    return (
        f"{lead} is {describe_settings(row, answer.columns)}{describe_size(row).replace(', ', ', with ', 1)}: "
        f"{confirmed.n_learned:,} of {confirmed.n_runs:,} fresh seeds learned "
        f"({percent(confirmed.success_rate)}, interval {interval(confirmed.ci_low, confirmed.ci_high, dash)})"
        f"{_smaller_words(answer)}"
    )


def _smaller_words(answer: Answer) -> str:
    """What is not known of smaller configurations than the one that is named."""
    n = answer.n_smaller_open
    if not n:
        return ""
    found = f"; {n:,} smaller {'one is' if n == 1 else 'ones are'} inconclusive"
    n_reliable = sum(c.verdict == "reliable" for c in answer.settled)
    return found + (f", {n_reliable:,} of them reliable by fresh seeds" if answer.settled else "")


def _failure_words(answer: Answer, merged: str | None) -> str:
    total = sum(answer.n_failed.values())
    if not total:
        return "no run failed"
    name, n = max(answer.n_failed.items(), key=lambda item: item[1])
    words = (
        f"of the {total:,} runs that failed, {percent(n / total)} ended {name}" if total > 1 else f"one ended {name}"
    )
    return words + (f", most often with {merged} given one output" if merged and name == "stuck" else "")


def describe_methods(results: Any, answer: Answer, experiment: Experiment) -> str:
    """A paragraph ready to paste: what was trained, how often, what counted, which interval, with which versions."""
    table, manifest = results.configurations, results.manifest
    n_runs = int(table["n_runs"].sum())
    low, high = int(table["n_runs"].min()), int(table["n_runs"].max())
    seeds = f"{low:,}" if low == high else f"between {low:,} and {high:,}"
    methods = [interval_names.get(m, m) for m in dict.fromkeys(table["ci_method"])]
    reliability, versions = experiment.reliability, manifest.versions
    named = {k: v for k, v in versions.items() if k in ("xor-sweep", "numpy", "keras", "optuna")}
    factors = "; ".join(_factor(table, c) for c in answer.columns)
    conditions = answer.conditions.partition("; ")[2]
    if experiment.subject == "network":
        trained = (
            f"We trained {len(table):,} network configurations on the task {answer.aim.partition(' ')[2]} "
            f"({_sampler(experiment)} over {factors}), each under {seeds} random seeds that decide initial weights, "
            f"row order, dropout masks and drawn samples: {n_runs:,} networks in all, in float32, with Keras's "
            f"initializers, losses and optimizer updates ({conditions}). A network counts as having learned when "
            f"{_learned_words(experiment)}. "
        )
    else:
        trained = (
            f"We ran {manifest.engine} with {len(table):,} settings ({_sampler(experiment)} over {factors}), each "
            f"under {seeds} random seeds: {n_runs:,} runs in all. A run counts as a success when {experiment.success}. "
        )
    text = trained + (
        f"Runs that failed count as failures{_missing_words(table)}. Success rates carry "
        f"{100 * reliability.confidence:g}% {' or '.join(methods)}; {_test_words(experiment)}"
    )
    if answer.confirmation is not None:
        text += (
            f" The configuration named in the text was trained again on {answer.confirmation.n_runs:,} seeds "
            "that had no part in choosing it."
        )
    made = ", ".join(f"{k} {v}" for k, v in named.items())
    return text + (f" Software: {made}, engine {manifest.engine}." if made else "")


_of_networks = {
    "margin": "the smallest signed margin of the table",
    "accuracy": "the accuracy on the table",
    "loss": "the mean loss over the table",
    "max_error": "the largest distance of an output from its target",
}
_relations = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}


def _learned_words(experiment: Experiment) -> str:
    """When a network counts as having learned; by default that depends on what its outputs are to answer."""
    success = experiment.success
    if success is not None:
        found = f"{_of_networks[success.metric]} is {_relations[success.comparison]} {success.threshold:g}"
        return f"{found} after the last epoch with dropout off"
    heads = dict.fromkeys(c.head for c in experiment.networks)
    sides = (
        "the true class of every row of the table has the largest output"
        if head.has_classes
        else f"every output of the table lies on the right side of {head.border:g}"
        for head in heads
    )
    margin = f", by a margin above {experiment.reliability.margin:g}" if experiment.reliability.margin else ""
    return f"{' or '.join(dict.fromkeys(sides))} after the last epoch with dropout off{margin}"


def _test_words(experiment: Experiment) -> str:
    """By which tests verdicts are found, and what their error is of."""
    allocation, reliability = Allocation.of(experiment), experiment.reliability
    alpha = f"{100 * (1 - reliability.confidence):g}%"
    tests = "exact one-sided binomial tests"
    if allocation.is_adaptive:
        tests = "e-values of one-sided uniform mixtures (Ville's inequality), looked at while seeds were added"
    method = {
        ("none", False): f"each at {100 * (1 - reliability.confidence) / 2:g}%",
        ("none", True): f"each at {alpha}",
        ("fwer", False): f"with Bonferroni's correction at {alpha}",
        ("fwer", True): f"with Bonferroni's correction at {alpha}",
        ("fdr", False): f"at a false discovery rate of {alpha} (Benjamini and Hochberg 1995)",
        ("fdr", True): f"at a false discovery rate of {alpha} (e-BH, Wang and Ramdas 2022)",
    }[allocation.family, allocation.is_adaptive]
    return (
        f"a configuration is called reliable where its rate is shown to be at least {reliability.target:g}, unreliable "
        f"where it is shown to be lower, by {tests}, {method}."
    )


def _missing_words(table: Any) -> str:
    n_missing = int(table["n_missing"].sum())
    return f"; {n_missing:,} planned runs are missing" if n_missing else ""


def _sampler(experiment: Experiment) -> str:
    name = experiment.study.sampler
    return "full factorial" if name == "grid" and experiment.study.trials is None else f"sampler {name}"


def _factor(table: Any, column: str) -> str:
    names = find_levels(table, column).names
    shown = ", ".join(names) if len(names) <= 8 else f"{len(names)} values from {names[0]} to {names[-1]}"
    return f"{title_of(column)} {shown}"


_latex_signs = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_latex_signs |= {"\\": r"\textbackslash{}", "<": r"\textless{}", ">": r"\textgreater{}", "\u2013": "--"}


def escape_latex(text: str) -> str:
    r"""Text that LaTeX prints as it stands.

    >>> escape_latex("50% of a_b")
    '50\\% of a\\_b'
    """
    return "".join(_latex_signs.get(c, c) for c in text)


def latex_table(table: Any, answer: Answer, confidence: float) -> str:
    """The first 20 rows of the table as LaTeX, for the package booktabs."""
    sizes = ("n_parameters",) if "n_parameters" in table else ()
    titles = [*map(title_of, answer.columns), *("parameters" for _ in sizes), "learned", "runs", "rate"]
    lines = [
        rf"\begin{{tabular}}{{{'l' * len(answer.columns)}{'r' * len(sizes)}rrrll}}",
        r"\toprule",
        " & ".join(map(escape_latex, [*titles, f"{100 * confidence:g}% interval", "verdict"])) + r" \\",
        r"\midrule",
    ]
    for row in to_records(table.head(max_latex_rows)):
        cells = [setting_text(row[c]) for c in answer.columns]
        cells += [f"{row[c]:,}" for c in (*sizes, "n_learned", "n_runs")]
        rate = "" if row["success_rate"] is None else f"{row['success_rate']:.3f}"
        cells += [rate, interval(row["ci_low"], row["ci_high"], dash), row["verdict"]]
        lines.append(" & ".join(map(escape_latex, cells)) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"
