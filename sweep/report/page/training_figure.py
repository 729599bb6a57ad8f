"""One training as a picture: loss and predictions by epoch, the decision surface, which units are off where.

`summarise_training` makes plain rows of data, `draw_training` a chart of them; the same run gives the same file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.forward import layer_sums
from sweep.networks.measurements import Example
from sweep.report.page.charts import dotted, font, ink, muted, panel_title, styled, to_png, to_svg, values
from sweep.report.page.surfaces import plane, plane_range
from sweep.results.files import ResultsError, write_atomically

Doubles = npt.NDArray[np.float64]
Record = Mapping[str, Any]

# grid points along each side of a surface
n_grid = 61
room = 0.3
max_outputs = 4
max_lines = 32
max_rows = 16
max_units = 48
max_named_rows = 8
# pixels: sides of a surface, width and height of a curve
side = 330
width, height = 400, 130
blue, orange = "#2166ac", "#b35806"
row_colors = ((blue, "#92c5de", "#053061", "#4393c3"), (orange, "#fdb863", "#7f3b08", "#e08214"))
formats = (".png", ".svg")


@dataclass(frozen=True)
class Surface:
    """What a network of two inputs answers in one output.

    low: the lower target, 1 is the upper; cells: x, y, x2, y2 and prediction, cut to lie between the two; border:
    segments x, y, x2, y2 along which the answer changes; lines: segments along which a hidden unit's sum is 0, with its
    layer; rows: x, y, target, and whether that is the upper one.
    """

    output: int
    low: int
    cells: Sequence[Record]
    border: Sequence[Record]
    lines: Sequence[Record]
    rows: Sequence[Record]


@dataclass(frozen=True)
class Picture:
    """The data of a figure. losses, floors and predictions by epoch; units: layer, unit, row, whether it is on.

    ends: from which prediction to which the figure goes; border: the one on whose two sides the two answers lie.
    """

    title: str
    notes: Sequence[str]
    losses: Sequence[Record]
    floors: Sequence[Record]
    predictions: Sequence[Record]
    surfaces: Sequence[Surface]
    units: Sequence[Record]
    ends: tuple[float, float] = (0, 1)
    border: float = 0.5


def summarise_training(
    configuration: Configuration, example: Example, floors: Mapping[str, float], *, title: str, notes: Sequence[str]
) -> Picture:
    """The data of a run's figure. `floors`: losses to mark, by name. What is not finite is left out."""
    c = configuration
    names = c.task.row_names or tuple(f"row {i}" for i in range(c.task.n_rows))
    is_finite = np.isfinite(example.losses)
    losses = [
        {"epoch": int(t), "loss": float(x)}
        for t, x in zip(example.epochs[is_finite], example.losses[is_finite], strict=True)
    ]
    wanted, is_upper = c.targets().astype(int), c.targets() > c.head.border
    predictions = [
        {
            "epoch": int(t),
            "prediction": float(p),
            "row": names[row] + (f" output {output}" if c.n_outputs > 1 else ""),
            "target": int(wanted[row, output]),
            "is_upper": int(is_upper[row, output]),
        }
        for s, t in enumerate(example.epochs if c.task.is_small else ())  # else they are not known on the way
        for (row, output), p in np.ndenumerate(example.predictions[s])
        if np.isfinite(p)
    ]
    shown = [record["prediction"] for record in predictions]
    has_surface = c.task.n_inputs == 2 and bool(np.isfinite(example.weights).all())
    return Picture(
        title=title,
        notes=notes,
        losses=losses,
        floors=[{"floor": value, "name": f"{name}: {value:.4f}"} for name, value in floors.items()],
        predictions=predictions,
        surfaces=_surfaces(c, example) if has_surface else [],
        units=_units(c, example, names),
        ends=(min([int(c.head.low), *shown]), max([1, *shown])),
        border=c.head.border,
    )


def _surfaces(c: Configuration, example: Example) -> list[Surface]:
    inputs = c.inputs().astype(np.float64)
    limits = plane_range(inputs, room)
    x, y = np.linspace(*limits[:2], n_grid), np.linspace(*limits[2:], n_grid)
    *hidden, last = plane(c, example.weights, x, y)
    lines = [
        {**segment, "layer": f"of layer {layer}"}
        for layer, unit in [(i, u) for i, n in enumerate(c.widths, 1) for u in range(n)][:max_lines]
        for segment in zero_segments(hidden[layer - 1][:, :, unit], x, y)
    ]
    step = (x[1] - x[0], y[1] - y[0])
    surfaces: list[Surface] = []
    low = int(c.head.low)
    answers, leaning = low + (1 - low) * c.head.shares(c.head.answers(last)), c.head.leaning(last)
    for output in range(min(c.n_outputs, max_outputs)):
        cells = [
            {"x": x[j] - step[0] / 2, "x2": x[j] + step[0] / 2, "y": y[i] - step[1] / 2, "y2": y[i] + step[1] / 2}
            | {"prediction": round(float(answers[i, j, output]), 4)}
            for i in range(n_grid)
            for j in range(n_grid)
        ]
        rows = [
            {"x": float(p[0]), "y": float(p[1]), "target": int(t[output]), "is_upper": int(t[output] > low)}
            for p, t in zip(inputs, c.targets(), strict=True)
        ]
        surfaces.append(Surface(output, low, cells, zero_segments(leaning[:, :, output], x, y), lines, rows))
    return surfaces


def zero_segments(values: Doubles, x: Doubles, y: Doubles) -> list[dict[str, float]]:
    """Where values on a grid `[y, x]` change sign: segments x, y, x2, y2, by marching squares with straight edges.

    >>> zero_segments(np.array([[-1.0, 1.0], [-1.0, 1.0]]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    [{'x': 0.5, 'y': 0.0, 'x2': 0.5, 'y2': 1.0}]
    """
    is_above = values > 0
    mixed = is_above[:-1, :-1] + 0 + is_above[:-1, 1:] + is_above[1:, :-1] + is_above[1:, 1:]
    segments: list[dict[str, float]] = []
    for i, j in np.argwhere((mixed > 0) & (mixed < 4)).tolist():
        corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)]
        crossings: list[tuple[float, float]] = []
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            if is_above[a] != is_above[b]:
                share = values[a] / (values[a] - values[b])
                crossings.append((x[a[1]] + share * (x[b[1]] - x[a[1]]), y[a[0]] + share * (y[b[0]] - y[a[0]])))
        for (x1, y1), (x2, y2) in zip(crossings[::2], crossings[1::2], strict=True):
            segments.append({"x": float(x1), "y": float(y1), "x2": float(x2), "y2": float(y2)})
    return segments


def _units(c: Configuration, example: Example, names: Sequence[str]) -> list[Record]:
    """Which relu units are on for which rows; none of other activations, or where there are too many to see."""
    if sum(c.widths) > max_units or c.task.n_rows > max_rows or not np.isfinite(example.weights).all():
        return []
    hidden = layer_sums(c, example.weights, c.inputs().astype(np.float64))[:-1]
    return [
        {"layer": f"layer {layer}", "unit": unit + 1, "row": names[row], "state": "on" if value > 0 else "off"}
        for layer, sums in enumerate(hidden, 1)
        if c.layers[layer - 1].activation.name == "relu"
        for (row, unit), value in np.ndenumerate(sums)
    ]


# drawing --------------------------------------------------------------------------------------------------------------


def draw_training(picture: Picture) -> Any:
    """A picture as a chart."""
    import altair as alt

    blocks = [_draw_losses(picture)]
    if picture.predictions:
        blocks.append(_draw_predictions(picture))
    if picture.units:
        blocks.append(_draw_units(picture))
    chart = alt.vconcat(*blocks, spacing=14).resolve_scale(color="independent")
    if picture.surfaces:
        left = [_draw_surface(surface, has_others=len(picture.surfaces) > 1) for surface in picture.surfaces]
        surfaces = alt.vconcat(*left, spacing=14).resolve_scale(color="independent", strokeDash="independent")
        chart = alt.hconcat(surfaces, chart, spacing=34)
        chart = chart.resolve_scale(color="independent", strokeDash="independent", strokeWidth="independent")
    words: dict[str, Any] = {"font": font, "color": ink, "subtitleFont": font, "subtitleColor": muted}
    title = alt.TitleParams(picture.title, subtitle=list(picture.notes), anchor="start", offset=14, **words)
    return styled(chart.properties(title=title))


def _epoch(title: str) -> Any:
    import altair as alt

    axis = alt.Axis(title=title, format=",d", grid=False, tickCount=6, labelFlush=False)
    return alt.X("epoch:Q", scale=alt.Scale(type="sqrt", nice=False), axis=axis)


def _draw_losses(picture: Picture) -> Any:
    import altair as alt

    top = max([r["loss"] for r in picture.losses] + [r["floor"] for r in picture.floors], default=1.0)
    scale = alt.Scale(domain=[0, 1.12 * top], nice=False)
    y = alt.Y("loss:Q", scale=scale, axis=alt.Axis(title="loss of the table", grid=False, format="~g", tickCount=5))
    line = alt.Chart(values(picture.losses)).mark_line(color=ink, strokeWidth=2).encode(x=_epoch(""), y=y)
    floors = alt.Chart(values(picture.floors))
    rules = floors.mark_rule(**dotted).encode(y=alt.Y("floor:Q", scale=scale, title=""))
    texts = floors.mark_text(
        align="right", baseline="bottom", dy=-2, dx=-3, fontSize=10, font=font, color=muted
    ).encode(x=alt.value(width), y=alt.Y("floor:Q", scale=scale, title=""), text="name:N")
    layers = [rules, texts, line] if picture.floors else [line]
    return alt.layer(*layers).properties(width=width, height=height)


def _draw_predictions(picture: Picture) -> Any:
    import altair as alt

    by_row: dict[str, list[Record]] = {}
    for record in picture.predictions:
        by_row.setdefault(record["row"], []).append(record)
    x = _epoch("epoch (square-root scale)")
    y = alt.Y(
        "prediction:Q",
        scale=alt.Scale(domain=list(picture.ends)),
        axis=alt.Axis(title="prediction of each row", tickCount=5),
    )
    half = alt.Chart(values([{"half": picture.border}])).mark_rule(**dotted).encode(y="half:Q")
    if len(by_row) <= max_named_rows:
        names = {row: f"{row} wants {records[0]['target']}" for row, records in by_row.items()}
        scale = alt.Scale(domain=list(names.values()), range=_row_colors([r[0]["is_upper"] for r in by_row.values()]))
        lines: list[Any] = []
        for i, (row, records) in enumerate(by_row.items()):
            named = [{**r, "row": names[row]} for r in records]
            # rows of one prediction lie on each other: the first widest, so that each shows
            chart = alt.Chart(values(named)).mark_line(strokeWidth=1.6 + 1.8 * (len(by_row) - 1 - i))
            lines.append(chart.encode(x=x, y=y, color=alt.Color("row:N", scale=scale, legend=alt.Legend(title="row"))))
    else:
        color = alt.Color("is_upper:N", scale=alt.Scale(domain=[0, 1], range=[blue, orange]), title="target")
        chart = alt.Chart(values(picture.predictions)).mark_line(strokeWidth=1, opacity=0.7)
        lines = [chart.encode(x=x, y=y, color=color, detail="row:N")]
    return alt.layer(half, *lines).properties(width=width, height=height)


def _row_colors(targets: Sequence[int]) -> list[str]:
    """A colour for each row: blues for the lower target, 0, oranges for the upper, 1."""
    used = [0, 0]
    colors: list[str] = []
    for target in targets:
        colors.append(row_colors[target][used[target] % len(row_colors[target])])
        used[target] += 1
    return colors


def _draw_surface(surface: Surface, *, has_others: bool) -> Any:
    import altair as alt

    first, last = surface.cells[0], surface.cells[-1]
    axes = {axis: alt.Scale(domain=[first[axis], last[f"{axis}2"]], nice=False, zero=False) for axis in ("x", "y")}
    x = alt.X("x:Q", scale=axes["x"], axis=alt.Axis(title="first input", grid=False, tickCount=5))
    y = alt.Y("y:Q", scale=axes["y"], axis=alt.Axis(title="second input", grid=False, tickCount=5))
    place: dict[str, Any] = {"x": x, "y": y, "x2": "x2", "y2": "y2"}
    of_output = f" of output {surface.output}" if has_others else ""
    ends = [surface.low, (surface.low + 1) / 2, 1]
    shades = alt.Scale(domain=ends, range=["#92c5de", "#f7f7f7", "#fdb863"])
    legend = alt.Legend(
        title=f"prediction{of_output}", orient="bottom", type="gradient", gradientLength=side - 60, values=ends
    )
    cells = (
        alt.Chart(values(surface.cells))
        .mark_rect(strokeWidth=0.6)
        .encode(
            **place,
            color=alt.Color("prediction:Q", scale=shades, legend=legend),
            stroke=alt.Stroke("prediction:Q", scale=shades, legend=None),
        )
    )
    layers = list(dict.fromkeys(r["layer"] for r in surface.lines))
    dashes = [[1, 0], [6, 3], [2, 3], [8, 3, 2, 3]]
    dash = alt.StrokeDash(
        "layer:N",
        scale=alt.Scale(domain=layers, range=[dashes[min(i, 3)] for i in range(len(layers))]),
        legend=alt.Legend(
            title="where the sum of a hidden unit is 0", orient="bottom", symbolStrokeColor=muted, columns=4
        ),
    )
    drawn: list[Any] = [cells]
    if surface.lines:
        drawn.append(
            alt.Chart(values(surface.lines)).mark_rule(color=muted, strokeWidth=1.1).encode(**place, strokeDash=dash)
        )
    drawn.append(
        alt.Chart(values(surface.border)).mark_rule(color=ink, strokeWidth=2.6, strokeCap="round").encode(**place)
    )
    rows = alt.Chart(values(surface.rows))
    fill = alt.Color("is_upper:N", scale=alt.Scale(domain=[0, 1], range=[blue, orange]), legend=None)
    has_room = len(surface.rows) <= max_rows
    size, edge = (330, 2) if has_room else (40, 1)
    points = rows.mark_point(filled=True, size=size, opacity=1, stroke="white", strokeWidth=edge)
    drawn.append(points.encode(x=x, y=y, color=fill))
    if has_room:
        drawn.append(rows.mark_text(color="white", fontWeight="bold", fontSize=12).encode(x=x, y=y, text="target:N"))
    return (
        alt.layer(*drawn).resolve_scale(color="independent", stroke="independent").properties(width=side, height=side)
    )


def _draw_units(picture: Picture) -> Any:
    import altair as alt

    rows = list(dict.fromkeys(r["row"] for r in picture.units))
    color = alt.Color(
        "state:N",
        scale=alt.Scale(domain=["on", "off"], range=["#4d4d4d", "#e6e6e6"]),
        legend=alt.Legend(title="unit is"),
    )
    charts: list[Any] = []
    for layer in dict.fromkeys(r["layer"] for r in picture.units):
        own = [r for r in picture.units if r["layer"] == layer]
        chart = alt.Chart(values(own), title=alt.TitleParams(f"units of {layer}", **panel_title))
        charts.append(
            chart.mark_rect(stroke="white", strokeWidth=2)
            .encode(
                x=alt.X("unit:O", axis=alt.Axis(title="unit", labelAngle=0)),
                y=alt.Y("row:N", sort=rows, title="row"),
                color=color,
            )
            .properties(width=alt.Step(22), height=alt.Step(18))
        )
    return alt.hconcat(*charts, spacing=24)


def write_figure(chart: Any, path: Path) -> None:
    """Write a chart as .png or .svg; `ResultsError` for another ending."""
    check_figure_path(path)
    write_atomically(path, to_png(chart) if path.suffix == ".png" else to_svg(chart, "training").encode())


def check_figure_path(path: Path) -> None:
    """Raise `ResultsError` for a file name whose ending is no format of a figure."""
    if path.suffix not in formats:
        raise ResultsError(f"{path}: found the ending {path.suffix or 'none'}; allowed: {', '.join(formats)}")
