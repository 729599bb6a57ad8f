"""The figures of the findings: a data half, plain records, and a drawing half, Altair charts as SVG.

Rates stand with their 95% intervals (Wilson's), which are drawn as bars.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
from findings_words import confidence

from sweep.report.page import charts
from sweep.statistics.intervals import wilson

Record = Mapping[str, Any]
Flags = npt.NDArray[np.bool_]
n_bins = 50
# Okabe and Ito's colours
colours = ("#0060b8", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")


def rate_record(learned: Flags, **known: Any) -> Record:
    """The rate of runs with its interval, beside what is `known` of them."""
    r = wilson(int(learned.sum()), len(learned), confidence)
    return {**known, "rate": float(r.value), "low": float(r.low), "high": float(r.high)}


def summarise_rates(runs: Any, **columns: str) -> list[Record]:
    """The rate of every combination of hyperparameters; `columns` names them: x="width", line="task"."""
    records: list[Record] = []
    for values, block in runs.groupby(list(columns.values()), sort=False):
        records.append(rate_record(block["learned"].to_numpy(bool), **dict(zip(columns, values, strict=True))))
    return records


def summarise_losses(losses: npt.NDArray[np.float64], top: float = 0.72) -> list[Record]:
    """A histogram of final losses: the share of runs in each bin from 0 to `top`."""
    counts, edges = np.histogram(losses, n_bins, (0.0, top))
    return [
        {"low": round(float(a), 6), "high": round(float(b), 6), "share": float(n) / len(losses)}
        for n, a, b in zip(counts, edges, edges[1:], strict=False)
    ]


def summarise_studies(learned: Flags, sizes: Sequence[int]) -> list[Record]:
    """What studies of n seeds report: the share of studies at each rate, the seeds cut into studies in order."""
    records: list[Record] = []
    for n in sizes:
        found = learned[: len(learned) // n * n].reshape(-1, n).sum(axis=1)
        counts = np.bincount(found, minlength=n + 1)
        records += [
            {"size": n, "rate": k / n, "low": (k - 0.4) / n, "high": (k + 0.4) / n, "share": float(c) / len(found)}
            for k, c in enumerate(counts)
        ]
    return records


def _data(records: Sequence[Record]) -> Any:
    return alt.Data(values=[dict(r) for r in records])


def _finish(chart: Any) -> Any:
    axis = {"labelColor": charts.muted, "titleColor": charts.ink, "gridColor": charts.line, "domainColor": charts.line}
    words = {"labelFont": charts.font, "titleFont": charts.font, "titleFontWeight": "normal"}
    return (
        chart.configure(background=charts.paper, padding=10, font=charts.font)
        .configure_axis(**axis, **words, labelFontSize=11, titleFontSize=12)
        .configure_legend(**words, labelFontSize=11, titleFontSize=11)
        .configure_title(font=charts.font, fontSize=12, fontWeight="normal", color=charts.ink, anchor="start")
        .configure_view(stroke=None)
    )


def _share(name: str, title: str | None) -> Any:
    return alt.Y(f"{name}:Q", title=title, axis=alt.Axis(format=".0%", tickCount=5))


def draw_rates(
    records: Sequence[Record],
    *,
    x: str,
    line: str | None,
    title: str = "learns",
    exact: Sequence[Record] = (),
    is_log: bool = False,
) -> Any:
    """The rate by `x`, one line for each value of `line`, intervals as bars; `exact` values as dashed lines."""
    names = list(dict.fromkeys(str(r["line"]) for r in (*records, *exact)))
    values = sorted({r["x"] for r in records})
    scale = alt.Scale(type="log" if is_log else "linear", nice=False, zero=False, padding=12)
    across = alt.X("x:Q", title=x, scale=scale, axis=alt.Axis(values=values, grid=False, format="~g"))
    colour = alt.Color("line:N", title=line, sort=names, scale=alt.Scale(domain=names, range=list(colours)))
    y = alt.Y("rate:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%", tickCount=5))
    found = alt.Chart(_data([{**r, "line": str(r["line"])} for r in records])).encode(x=across, color=colour)
    bars = found.mark_rule(strokeWidth=1.5).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    layers = [
        found.mark_line(strokeWidth=1.5).encode(y=y),
        bars,
        found.mark_point(filled=True, size=40, opacity=1).encode(y=y),
    ]
    if exact:
        known = alt.Chart(_data(exact)).encode(x=across, color=colour, y=y)
        layers.insert(0, known.mark_line(strokeWidth=1.5, strokeDash=[4, 3]))
    return _finish(alt.layer(*layers).properties(width=440, height=240))


def draw_losses(
    panels: Mapping[str, Sequence[Record]], marks: Sequence[Record], title: str = "final loss (nats)"
) -> Any:
    """Histograms of final losses one below the other; `marks`: panel, loss and what it is, as dotted lines."""
    drawn: list[Any] = []
    for panel, bins in panels.items():
        is_last = panel == list(panels)[-1]
        x = alt.X(
            "low:Q",
            bin="binned",
            title=title if is_last else None,
            scale=alt.Scale(domain=[0, 0.72], nice=False),
            axis=alt.Axis(grid=False, labels=is_last),
        )
        bars = alt.Chart(_data(bins)).mark_bar(color=charts.accent, binSpacing=0)
        own = [m for m in marks if m["panel"] == panel]
        named = alt.Chart(_data(own)).encode(x=alt.X("low:Q"))
        rules = named.mark_rule(color=charts.ink, strokeDash=[2, 3])
        text = named.mark_text(fontSize=10, color=charts.muted, baseline="bottom", dy=-2).encode(
            y=alt.value(0), text="name:N"
        )
        layers = alt.layer(bars.encode(x=x, x2="high:Q", y=_share("share", "share of seeds")), rules, text)
        drawn.append(layers.properties(width=520, height=90, title=alt.TitleParams(panel, offset=16)))
    return _finish(alt.vconcat(*drawn, spacing=12))


def draw_differences(records: Sequence[Record]) -> Any:
    """Differences of rates with their intervals, one below the other; 0 is no difference."""
    order = [r["advice"] for r in records]
    y = alt.Y("advice:N", sort=order, title=None, axis=alt.Axis(labelLimit=0, ticks=False, domain=False, minExtent=330))
    base = alt.Chart(_data(records)).encode(y=y)
    gained = "points of success rate gained, same seeds"
    x = alt.X("value:Q", title=gained, axis=alt.Axis(tickCount=8))
    bars = base.mark_rule(color=charts.accent, strokeWidth=2).encode(x=alt.X("low:Q", title=gained), x2="high:Q")
    points = base.mark_point(filled=True, color=charts.accent, size=50, opacity=1).encode(x=x)
    zero = alt.Chart(_data([{"zero": 0}])).mark_rule(color=charts.ink, strokeDash=[2, 3])
    zero = zero.encode(x=alt.X("zero:Q", title=gained))
    return _finish(alt.layer(zero, bars, points).properties(width=360, height=alt.Step(24)))


def draw_table(records: Sequence[Record], *, x: str, y: str) -> Any:
    """The rate by two hyperparameters as coloured cells with their numbers."""
    records = [{**r, "x": str(r["x"]), "y": str(r["y"]), "text": f"{r['rate']:.0%}"} for r in records]
    across = alt.X("x:N", sort=list(dict.fromkeys(r["x"] for r in records)), title=x, axis=alt.Axis(labelAngle=0))
    down = alt.Y("y:N", sort=list(dict.fromkeys(r["y"] for r in records)), title=y)
    base = alt.Chart(_data(records)).encode(x=across, y=down)
    scale = alt.Scale(scheme="viridis", domain=[0, 1])
    cells = base.mark_rect().encode(color=alt.Color("rate:Q", scale=scale, title="learns", legend=None))
    ink = alt.when("datum.rate > 0.55").then(alt.value("#111111")).otherwise(alt.value("#ffffff"))
    text = base.mark_text(fontSize=11, font=charts.font).encode(text="text:N", color=ink)
    return _finish(alt.layer(cells, text).properties(width=alt.Step(58), height=alt.Step(24)))


def draw_studies(records: Sequence[Record], true_rate: float) -> Any:
    """What studies report by their size, one histogram below the other, and the rate of all seeds as a line."""
    drawn: list[Any] = []
    sizes = list(dict.fromkeys(r["size"] for r in records))
    for size in sizes:
        own = [r for r in records if r["size"] == size]
        is_last = size == sizes[-1]
        x = alt.X(
            "low:Q",
            bin="binned",
            title="success rate that a study reports" if is_last else None,
            scale=alt.Scale(domain=[-0.08, 1.08], nice=False),
            axis=alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".0%", grid=False, labels=is_last),
        )
        bars = alt.Chart(_data(own)).mark_bar(color=charts.accent, binSpacing=0)
        rule = alt.Chart(_data([{"low": true_rate}])).mark_rule(color=charts.ink, strokeDash=[2, 3]).encode(x="low:Q")
        layers = alt.layer(bars.encode(x=x, x2="high:Q", y=_share("share", None)), rule)
        drawn.append(layers.properties(width=520, height=64, title=f"studies of {size} seeds"))
    return _finish(alt.vconcat(*drawn, spacing=8))


def summarise_outputs(predictions: npt.NDArray[np.float64], targets: Mapping[str, int]) -> list[Record]:
    """The outputs of each row in bins of a twentieth: the share of runs in each; `predictions` `[run, row]`."""
    bins = np.clip(np.round(predictions * 20), 0, 20).astype(int)
    records: list[Record] = []
    for row, (name, target) in enumerate(targets.items()):
        counts = np.bincount(bins[:, row], minlength=21)
        records += [
            {"row": f"{name}, target {target}", "output": k / 20, "share": float(n) / len(bins)}
            for k, n in enumerate(counts)
            if n
        ]
    return records


def draw_outputs(records: Sequence[Record]) -> Any:
    """What each row is answered with: a disc for each bin of outputs, its area the share of runs."""
    x = alt.X("row:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, ticks=False, domain=False))
    scale, axis = alt.Scale(domain=[-0.1, 1.1], nice=False), alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1])
    y = alt.Y("output:Q", title="output", scale=scale, axis=axis)
    size = alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 900]), legend=None)
    discs = alt.Chart(_data(records)).mark_circle(color=charts.accent, opacity=0.8).encode(x=x, y=y, size=size)
    half = alt.Chart(_data([{"half": 0.5}])).mark_rule(color=charts.ink, strokeDash=[2, 3]).encode(y="half:Q")
    return _finish(alt.layer(half, discs).properties(width=440, height=220))


def draw_overshoot(rate: float, inputs: Sequence[float], n_steps: int = 8) -> Any:
    """The error of the weight of a linear unit without a bias, by step of gradient descent on the squared error.

    A step takes it times 1 - 2 rate m, m the mean of the squared inputs: away from 0 where that is below -1.
    """
    factor = 1 - 2 * rate * float(np.mean(np.square(inputs)))
    records = [{"step": k, "error": abs(factor) ** k} for k in range(n_steps + 1)]
    axis = alt.Axis(format=".0e", tickCount=5)
    y = alt.Y("error:Q", title="distance from the best weight, times", scale=alt.Scale(type="log"), axis=axis)
    chart = alt.Chart(_data(records)).mark_line(point=True, color=charts.accent)
    return _finish(
        chart.encode(x=alt.X("step:O", title="step", axis=alt.Axis(labelAngle=0)), y=y).properties(width=440)
    )


def draw_squashed() -> Any:
    """A softmax of one sum beside a sigmoid of it."""
    sums = np.linspace(-6, 6, 49)
    records = [
        {"sum": float(z), "output": float(p), "line": name}
        for name, values in (("softmax of one", np.ones_like(sums)), ("sigmoid", 1 / (1 + np.exp(-sums))))
        for z, p in zip(sums, values, strict=True)
    ]
    colour = alt.Color("line:N", title=None, sort=None, scale=alt.Scale(range=list(colours[:2])))
    y = alt.Y("output:Q", title="output", scale=alt.Scale(domain=[0, 1.1]), axis=alt.Axis(tickCount=5))
    chart = alt.Chart(_data(records)).mark_line(strokeWidth=2)
    x = alt.X("sum:Q", title="sum", axis=alt.Axis(grid=False))
    return _finish(chart.encode(x=x, y=y, color=colour).properties(width=440, height=200))
