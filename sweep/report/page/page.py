"""The page: one file that holds everything it shows, made from a results folder alone and equal for equal tables.

The charts are drawn here, without a browser; the map, the table and the single configurations are drawn in the browser
from data inside the page. Nothing on it depends on time, machine or the folder's place: the browser puts the folder
into the commands, from the page's own address.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sweep.commands.importance import Importances, find_importances, summarise_marginals
from sweep.experiment.experiment import Experiment, without_passwords
from sweep.experiment.regular_files import read_text
from sweep.networks import floors
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Example
from sweep.report.limits import describe_limits
from sweep.report.page import charts, figures, methods, metrics
from sweep.report.page.details import summarise_details
from sweep.report.page.mistakes import summarise_mistakes
from sweep.report.page.networks import rows_most_often_wrong, summarise_networks
from sweep.report.page.template_files import template
from sweep.report.summaries import Answer, commonest_merge, count_over_seeds, said_at_their_end, summarise
from sweep.report.words import describe_settings, say_network
from sweep.results.files import write_atomically
from sweep.results.results import Results
from sweep.results.tables import to_records
from sweep.runs.curves import Curve
from sweep.runs.errors import visible
from sweep.runs.outcomes import failures_of, outcomes, outcomes_of
from sweep.runs.settings import setting_text, title_of
from sweep.statistics.verdicts import verdicts

n_said = 20  # lines of what a run said at its end
shown_digests = ("experiment.yaml", "runs.csv", "configurations.csv", "examples.npz")
labels: Mapping[str, str] = {
    "map": "Success rate of every configuration; the table below has the same numbers",
    "curves": "Loss by epoch of example runs, a panel for each outcome, with the floors of the loss",
    "final_losses": "Histogram of the final losses of all runs, for each outcome, with the floors of the loss",
    "shares": "Share of seeds that would succeed at each threshold, with a band, by configuration",
    "course": "A number by step, median and middle 80% of the seeds, by configuration",
    "marginals": "Mean success rate by level, with intervals",
    "pareto": "Success rate against the number of parameters; the configurations that no smaller one beats are joined",
}


def to_script_json(content: Any) -> str:
    r"""JSON that is safe between script tags: nothing in it can end the script or begin a comment.

    >>> to_script_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(content, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


_needed_of_runs = {"configuration", "seed", "learned", "final_loss", "epochs_to_learn", "outcome", "merged_rows"}


@dataclass(frozen=True)
class Material:
    """What the page is made of, read once: the experiment, both tables (of the runs what is needed), the examples.

    known: the networks of the table by their ids; importances: None where no hyperparameter varies. metrics: the
    numbers that runs of one's own gave; curves: theirs, by run.
    """

    results: Results
    experiment: Experiment
    answer: Answer
    table: Any
    known: Mapping[str, Configuration]
    runs: Any
    kept: Sequence[Example]
    importances: Importances | None
    metrics: Sequence[str]
    curves: Mapping[str, Curve]


def read_material(results: Results) -> Material:
    """Read a finished results folder. Raises `ResultsError` for files that cannot be read."""
    experiment = results.experiment
    is_of_networks = experiment.subject == "network"
    ids = results.configurations["configuration"] if is_of_networks else ()
    known = {identity: results.configuration(identity) for identity in ids}
    needed = _needed_of_runs | ({"accuracy"} if any(not _has_columns(c) for c in known.values()) else set())
    runs = results.read_runs(lambda c: not is_of_networks or c in needed or c.startswith(("p_", "test_")))
    return Material(
        results=results,
        experiment=experiment,
        answer=summarise(results),
        table=results.configurations,
        known=known,
        runs=runs,
        kept=results.examples,
        importances=find_importances(results.configurations, runs, experiment),
        metrics=metrics.metrics_of(runs, experiment),
        curves={} if is_of_networks else results.folder.read_curves(),
    )


def _has_columns(c: Configuration) -> bool:
    """Whether the table of runs has a column for each prediction of a network."""
    return any(name.startswith("p_") for name in c.prediction_names)


def draw_figures(results: Results) -> dict[str, Any]:
    """Every chart of a results folder by name; those that have nothing to show are left out."""
    return _draw(read_material(results))


def _draw(material: Material) -> dict[str, Any]:
    answer, target = material.answer, material.experiment.reliability.target
    table, runs = material.table, material.runs
    layout = figures.map_layout(table, answer.columns)
    layout = layout[:2] if figures.is_sparse(table, layout) else layout
    levels = {c: figures.find_levels(table, c).names for c in layout}
    floors = known_floors(material.known)
    curves = figures.summarise_curves(material.kept)
    losses: list[dict[str, Any]] = []
    if material.known:
        losses = figures.summarise_final_losses(runs["outcome"].to_numpy(object), runs["final_loss"].to_numpy(float))
    drawn = {"map": charts.draw_map(figures.summarise_map(table, layout), layout, levels, target)}
    if curves:
        drawn["curves"] = charts.draw_curves(curves, floors)
    if losses:
        drawn["final_losses"] = charts.draw_final_losses(losses, floors)
    if material.importances is not None:
        drawn["marginals"] = charts.draw_marginals(summarise_marginals(material.importances))
    sizes = figures.summarise_pareto(table) if material.known else []
    if len({s["n_parameters"] for s in sizes}) > 1:
        drawn["pareto"] = charts.draw_pareto(sizes, target)
    return drawn | _draw_metrics(material)


def _draw_curves_apart(material: Material) -> dict[str, Any]:
    """A picture of the losses for each outcome, so that a narrow screen shows one below the other."""
    points, limits = figures.summarise_curves(material.kept), known_floors(material.known)
    return {
        f"curves-{outcome}": charts.draw_curves([p for p in points if p["outcome"] == outcome], limits)
        for outcome in outcomes
        if any(p["outcome"] == outcome for p in points)
    }


def _title(material: Material) -> str:
    """The question that the page answers."""
    if len(material.table) != 1:
        return f"Which configurations reliably {material.answer.aim}?"
    return f"How reliably does this {'network' if material.known else 'configuration'} {material.answer.aim}?"


def say_only(material: Material) -> str | None:
    """The one configuration of a page that has no other, in words; None of a page of several."""
    if len(material.table) != 1:
        return None
    for c in material.known.values():
        words = say_network(c)
        return words[:1].upper() + words[1:]
    return describe_settings(to_records(material.table)[0], material.answer.columns)


def _draw_metrics(material: Material) -> dict[str, Any]:
    """The charts of the numbers that runs of one's own gave."""
    success, confidence = material.experiment.success, material.experiment.reliability.confidence
    if success is None or success.metric not in material.metrics:
        return {}
    called = metrics.labels_of(material.table, material.answer.columns, material.answer.id_length)
    shares = metrics.summarise_shares(material.runs, called, success, confidence)
    courses = metrics.summarise_courses(material.curves, called)
    drawn = {"shares": charts.draw_shares(shares, success)} if shares else {}
    return drawn | {f"course-{i}": charts.draw_course(own, name) for i, (name, own) in enumerate(courses.items())}


def known_floors(known: Mapping[str, Configuration]) -> list[tuple[float, str]]:
    """The floors of the loss, where all configurations have one task and one head, and no regularizer lifts them."""
    if any(c.is_regularized for c in known.values()):
        return []
    found = {(c.task, c.head) for c in known.values()}
    return floors.loss_floors(*found.pop()) if len(found) == 1 else []


def _column(table: Any, name: str) -> dict[str, Any]:
    """One varied hyperparameter: the values as shown, their order, and their levels on the map."""
    levels = figures.find_levels(table, name)
    values = table[name]
    is_number = values.dtype.kind in "iuf"
    return {
        "name": name,
        "title": title_of(name),
        "numeric": is_number,
        "values": [
            None if gone else v if is_number else setting_text(v)
            for v, gone in zip(values.tolist(), values.isna(), strict=True)
        ],
        "levels": levels.names,
        "codes": levels.codes.tolist(),
    }


def _numbers(values: Any, digits: int) -> list[float | None]:
    return [round(float(x), digits) if np.isfinite(x) else None for x in values.to_numpy(float, na_value=np.nan)]


def page_data(material: Material) -> dict[str, Any]:
    """What the page's own drawings need: the table by columns, and the details of each configuration."""
    table, answer, experiment = material.table, material.answer, material.experiment
    counts = table[[f"n_{name}" for name in failures_of(experiment.subject)]].to_numpy(np.int64)
    target, possible = experiment.reliability.target, outcomes_of(experiment.subject)
    of_networks = _of_networks(table) | summarise_networks(material.known, target) if material.known else {}
    details = summarise_details(table, material.runs, material.kept, material.known)
    return {
        "target": target,
        "colours": charts.rate_colours(target),
        "outcomes": [outcome.name for outcome in possible],
        "meanings": [outcome.meaning for outcome in possible],
        "letters": "".join(outcome.letter for outcome in possible),
        "verdicts": verdicts,
        "layout": figures.map_layout(table, answer.columns),
        "is_sparse": figures.is_sparse(table, answer.columns),
        "columns": [_column(table, c) for c in answer.columns],
        "ids": table["configuration"].tolist(),
        "id_length": answer.id_length,
        "follows": {} if material.importances is None else material.importances.follows,
        "fresh": _on_fresh_seeds(answer),
        **of_networks,
        "n_runs": table["n_runs"].tolist(),
        "n_learned": table["n_learned"].tolist(),
        "n_missing": table["n_missing"].tolist(),
        "low": _numbers(table["ci_low"], 4),
        "high": _numbers(table["ci_high"], 4),
        "method": table["ci_method"].tolist(),
        "verdict": [verdicts.index(v) for v in table["verdict"]],
        "failures": counts.tolist(),
        "epochs": table["epochs"].tolist() if any(row["q"] for row in details["rows"]) else None,
        "details": details,
    }


def _on_fresh_seeds(answer: Answer) -> dict[str, Sequence[float]]:
    """What fresh seeds came to, by configuration: learned, runs, and the interval's ends."""
    found = [*answer.settled, *([answer.confirmation] if answer.confirmation is not None else [])]
    return {c.configuration: (c.n_learned, c.n_runs, c.ci_low, c.ci_high) for c in found}


def _of_networks(table: Any) -> dict[str, Any]:
    """What the page's drawings need of networks alone."""
    return {
        "task": table["task"].tolist(),
        "n_parameters": table["n_parameters"].tolist(),
        "median_epochs": _numbers(table["median_epochs_to_learn"], 1),
    }


def _first_of_all(material: Material) -> str:
    """The configuration that the answer names, or the first of the table."""
    named = material.answer.named
    first = material.table["configuration"].head(1).tolist()
    return str(named["configuration"]) if named is not None else (first or [""])[0]


def _front(table: Any, answer: Answer) -> list[dict[str, Any]]:
    """The configurations that no smaller one beats, smallest first, as the page lists them."""
    if "n_parameters" not in table:
        return []
    is_front = figures.pareto_front(table["n_parameters"].to_numpy(), table["success_rate"].fillna(0).to_numpy(float))
    rows = to_records(table[is_front].sort_values("n_parameters", kind="stable"))
    return [{**row, "described": describe_settings(row, answer.columns)} for row in rows]


def build(results: Results) -> str:
    """The page of a finished results folder, as HTML."""
    from markupsafe import Markup

    material = read_material(results)
    folder, table, manifest = results.folder, material.table, results.manifest
    experiment, answer = material.experiment, material.answer
    drawn = {
        name: Markup(charts.to_svg(c, name, label=labels[name.partition("-")[0]]))
        for name, c in (_draw(material) | _draw_curves_apart(material)).items()
        if name != "curves"
    }
    target = experiment.reliability.target
    count = count_over_seeds(answer, table, material.runs)
    words = methods.answer_sentences(answer, commonest_merge(material.runs), count)
    return template("page.html").render(
        outcomes=outcomes_of(experiment.subject),
        title=_title(material),
        sentences=words,
        is_of_networks=bool(material.known),
        answer=answer,
        verdicts=verdicts,
        target=target,
        confidence=experiment.reliability.confidence,
        figures=drawn,
        curves=[chart for name, chart in drawn.items() if name.startswith("curves-")],
        wrong=rows_most_often_wrong(material.kept, material.known),
        mistakes=summarise_mistakes(_first_of_all(material), material.known, material.kept),
        ramp=", ".join(f"{colour} {100 * rate:g}%" for rate, colour in charts.rate_colours(target)),
        only=say_only(material),
        marginals=material.importances is not None,
        courses=[chart for name, chart in drawn.items() if name.startswith("course-")],
        spreads=[(name, metrics.summarise_spread(table, material.runs, name)) for name in material.metrics],
        importances=material.importances,
        floors=known_floors(material.known),
        limits=describe_limits(list(material.known.values()), target),
        front=_front(table, answer),
        said=[(ending, visible(told)) for ending, told in said_at_their_end(results, n_said)],
        n_runs=int(table["n_runs"].sum()),
        experiment_text=without_passwords(read_text(folder.experiment), experiment.study.storage),
        versions=manifest.versions,
        engine=manifest.engine,
        device=manifest.device,
        digests={k: v for k, v in manifest.files.items() if k in shown_digests},
        methods=methods.describe_methods(results, answer, experiment),
        latex=methods.latex_table(table, answer, experiment.reliability.confidence),
        max_latex_rows=methods.max_latex_rows,
        csv=results.table,
        so_far=results.so_far,
        data=Markup(to_script_json(page_data(material))),
    )


def write_page(results: Results) -> Path:
    """Build the page and write it into the folder as report.html."""
    path = results.folder.report
    write_atomically(path, build(results).encode())
    return path


def rebuild(results: Results) -> None:
    """Build the page and the figures anew where they lie already and the tables are younger: they showed other runs."""
    folder = results.folder
    if folder.report.exists() and not folder.is_current(folder.report):
        write_page(results)
    figures_there = [folder.figures / "map.svg", folder.figures / "map.png"]
    if any(path.exists() and not folder.is_current(path) for path in figures_there):
        list(charts.write_figures(folder.figures, draw_figures(results)))  # each is written as it is asked for
