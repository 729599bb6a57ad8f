"""The drawing halves of the figures: data in, Altair charts out, turned into SVG and PNG without a browser."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, cast

from sweep.experiment.regular_files import check_inside
from sweep.report.page.figures import max_loss
from sweep.report.words import percent
from sweep.results.files import write_atomically
from sweep.runs.errors import visible
from sweep.runs.outcomes import by_name, outcomes
from sweep.runs.settings import title_of
from sweep.runs.success import Success

verdict_shapes: Mapping[str, str] = {"reliable": "circle", "inconclusive": "diamond", "unreliable": "cross"}

# colours of the page's light theme; in the page each becomes a variable of the theme
ink, muted, line, paper, accent = "#1b1f24", "#57606a", "#d9dee4", "#fffffe", "#0060b8"
theme_variables: Mapping[str, str] = {
    ink: "var(--ink)",
    muted: "var(--muted)",
    line: "var(--line)",
    paper: "var(--paper)",
    accent: "var(--accent)",
}
line_colours = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")  # Okabe and Ito's
font = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"

panel_title: Mapping[str, Any] = {"font": font, "fontSize": 12, "color": ink, "fontWeight": "normal"}
small_words: Mapping[str, Any] = {"font": font, "fontSize": 10, "color": muted}
dotted: Mapping[str, Any] = {"color": ink, "strokeDash": [2, 3], "strokeWidth": 0.9}


def values(records: Sequence[Mapping[str, Any]]) -> Any:
    """Records as a chart's data: one text, since Altair checks and copies thousands of records again and again."""
    import altair as alt

    known = [{key: None if x != x else _drawn(x) for key, x in record.items()} for record in records]  # JSON has no NaN
    return alt.InlineData(values=json.dumps(known), format=alt.JsonDataFormat())


def _drawn(spec: Any) -> Any:
    """A value, or all of a chart, with the control characters of its texts made visible: drawing one aborts Python."""
    if isinstance(spec, str):
        return visible(spec)
    if isinstance(spec, dict):
        return {key: _drawn(own) for key, own in cast(dict[Any, Any], spec).items()}
    return [_drawn(own) for own in cast(list[Any], spec)] if isinstance(spec, list) else spec


def styled(chart: Any) -> Any:
    """The looks that all charts share."""
    axis = {"labelColor": muted, "titleColor": ink, "gridColor": line, "domainColor": line, "tickColor": line}
    words = {"labelFont": font, "titleFont": font, "titleFontWeight": "normal"}
    return (
        chart.configure(background=paper, padding=8, font=font)
        .configure_axis(**axis, **words, labelFontSize=11, titleFontSize=12)
        .configure_header(**words, labelColor=ink, titleColor=muted, labelFontSize=11, titleFontSize=11)
        .configure_legend(**words, labelColor=ink, titleColor=ink, labelFontSize=11, titleFontSize=11)
        .configure_view(stroke=None)
    )


def _in_order(records: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(r[key] for r in records))


def _by_level(names: Sequence[str], known: Sequence[str]) -> list[str]:
    return sorted(names, key=known.index)


def draw_map(cells: Sequence[Mapping[str, Any]], columns: Sequence[str], levels: Mapping[str, Sequence[str]]) -> Any:
    """The map: colour is the success rate, the mark the verdict; `cells` of `summarise_map`, `levels` by column."""
    import altair as alt

    shown = [*columns, "", "", ""][:3]
    orders = [_by_level(_in_order(cells, key), [*levels.get(c, ()), ""]) for key, c in zip("xy", shown, strict=False)]
    x = alt.X("x:N", sort=orders[0], title=None, axis=alt.Axis(labelAngle=0, ticks=False, domain=False))
    y_axis = alt.Axis(ticks=False, domain=False) if shown[1] else None
    y = alt.Y("y:N", sort=orders[1], title=None, axis=y_axis)
    rate = alt.Color(
        "success_rate:Q",
        scale=alt.Scale(scheme="viridis", domain=[0, 1]),
        legend=alt.Legend(title="success rate", format=".0%", orient="bottom", gradientLength=220),
    )
    names = ["reliable", "inconclusive"]
    mark = alt.Shape(
        "verdict:N",
        scale=alt.Scale(domain=names, range=[verdict_shapes[n] for n in names]),
        legend=alt.Legend(title="verdict", orient="bottom", symbolFillColor=muted),
    )
    base = alt.Chart().encode(x=x, y=y)
    points = base.transform_filter(alt.FieldOneOfPredicate("verdict", names)).mark_point(
        filled=True, size=26, stroke="#ffffff", strokeWidth=0.8, opacity=1, fill="#111111"
    )
    layers = alt.layer(base.mark_rect(stroke=paper, strokeWidth=1.5).encode(color=rate), points.encode(shape=mark))
    layers = layers.properties(data=values(cells), width=alt.Step(24), height=alt.Step(24))
    facets: dict[str, Any] = {}
    if shown[2]:
        order = _by_level(_in_order(cells, "facet_column"), [*levels[shown[2]], ""])
        facets["column"] = alt.Column("facet_column:N", sort=order, title=title_of(shown[2]))
    if len(columns) > 3:
        header = alt.Header(labelAngle=0, labelAlign="left")
        facets["row"] = alt.Row("facet_row:N", sort=_in_order(cells, "facet_row"), title=None, header=header)
    down = f", {title_of(shown[1])} (down)" if shown[1] else ""
    title = alt.TitleParams(f"success rate by {title_of(shown[0])} (across){down}", anchor="start", **panel_title)
    return styled((layers.facet(**facets, spacing=12) if facets else layers).properties(title=title))


def _outcome_facet(records: Sequence[Mapping[str, Any]], **known: Any) -> dict[str, Any]:
    import altair as alt

    present = [o for o in outcomes if any(r["outcome"] == o for r in records)]
    colours = alt.Scale(domain=present, range=[by_name[o].colour for o in present])
    return {
        "color": alt.Color("outcome:N", scale=colours, legend=None),
        "facet": {"sort": present, "title": None, **known},
    }


def _by_configuration(records: Sequence[Mapping[str, Any]], x: Any) -> Any:
    """A chart of lines by configuration, each in a colour of its own, named below."""
    import altair as alt

    present = _in_order(records, "configuration")
    legend = alt.Legend(title=None, orient="bottom", columns=1, labelLimit=520, symbolOpacity=1)
    scale = alt.Scale(domain=present, range=line_colours[: len(present)])
    return alt.Chart(values(records)).encode(x=x, color=alt.Color("configuration:N", scale=scale, legend=legend))


def draw_shares(records: Sequence[Mapping[str, Any]], success: Success) -> Any:
    """The share of seeds that would succeed at each threshold, with its band; dotted the threshold asked for."""
    import altair as alt

    steps = "step-before" if success.comparison.startswith(">") else "step-after"
    x = alt.X("t:Q", title=f"t of {success.metric} {success.comparison} t", axis=alt.Axis(grid=False))
    base = _by_configuration(records, x)
    scale, axis = alt.Scale(domain=[0, 1]), alt.Axis(format=".0%")
    band = base.mark_area(interpolate=steps, opacity=0.12).encode(y=alt.Y("low:Q", title="share of seeds"), y2="high:Q")
    shares = base.mark_line(interpolate=steps, strokeWidth=2).encode(
        y=alt.Y("share:Q", title="share of seeds", scale=scale, axis=axis)
    )
    asked = alt.Chart(values([{"t": success.threshold}])).mark_rule(**dotted).encode(x="t:Q")
    return styled(alt.layer(band, shares, asked).properties(width=560, height=220))


def draw_course(records: Sequence[Mapping[str, Any]], name: str) -> Any:
    """A number by step: the median over the seeds, and a band that the middle 80% of them are in."""
    import altair as alt

    base = _by_configuration(records, alt.X("step:Q", title="step", axis=alt.Axis(grid=False)))
    scale = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=name, scale=scale), y2="high:Q")
    median = base.mark_line(strokeWidth=2).encode(y=alt.Y("median:Q", title=name, scale=scale))
    return styled(alt.layer(band, median).properties(width=560, height=200))


def draw_curves(points: Sequence[Mapping[str, Any]], floors: Sequence[tuple[float, str]]) -> Any:
    """Loss by epoch of example runs, a panel for each outcome, floors as dotted lines."""
    import altair as alt

    look = _outcome_facet(points)
    lines = (
        alt.Chart()
        .mark_line(strokeWidth=1.1, opacity=0.55, clip=True)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickCount=3, grid=False)),
            y=alt.Y("loss:Q", title="loss (nats)", scale=alt.Scale(domain=[0, max_loss])),
            detail="run:N",
            color=look["color"],
        )
    )
    layers = alt.layer(lines, *_floor_rules(floors, "y"), data=values(points)).properties(width=150, height=150)
    facet = alt.Facet("outcome:N", **look["facet"], header=alt.Header(labelFontSize=12))
    return styled(layers.facet(facet, columns=3, spacing=14))


def _floor_rules(floors: Sequence[tuple[float, str]], axis: str) -> list[Any]:
    """One layer with a dotted line for each floor, of data of its own, so that every panel gets all of them once."""
    import altair as alt

    if not floors:
        return []
    rules = alt.Chart(values([{"floor": value} for value, _ in floors]))
    rules = rules.mark_rule(**dotted)
    return [rules.encode(x="floor:Q") if axis == "x" else rules.encode(y="floor:Q")]


def draw_final_losses(bins: Sequence[Mapping[str, Any]], floors: Sequence[tuple[float, str]]) -> Any:
    """Final losses of all runs, a histogram for each outcome; floors as dotted lines, named above the first."""
    import altair as alt

    present = [o for o in outcomes if any(b["outcome"] == o for b in bins)]
    panels: list[Any] = []
    for place, outcome in enumerate(present):
        own = [b for b in bins if b["outcome"] == outcome]
        is_last = place == len(present) - 1
        x = alt.X(
            "low:Q",
            bin="binned",
            title="final loss (nats)" if is_last else None,
            scale=alt.Scale(domain=[0, max_loss]),
            axis=alt.Axis(grid=False, labels=is_last),
        )
        bars = (
            alt.Chart(values(own))
            .mark_bar(color=by_name[outcome].colour, binSpacing=0)
            .encode(x=x, x2="high:Q", y=alt.Y("n_runs:Q", title=None, axis=alt.Axis(tickCount=2, format="~s")))
        )
        layers = [bars, *_floor_rules(floors, "x")]
        if place == 0 and floors:
            named = alt.Chart(values([{"low": value, "name": name} for value, name in floors]))
            text = named.mark_text(**small_words, baseline="bottom")
            layers.append(text.encode(x="low:Q", text="name:N", y=alt.value(-4)))
        total = sum(b["n_runs"] for b in own)
        title = alt.TitleParams(f"{outcome}: {total:,} runs", anchor="end", **panel_title)
        panels.append(alt.layer(*layers).properties(width=440, height=64, title=title))
    return styled(alt.vconcat(*panels, spacing=6))


def draw_marginals(records: Sequence[Mapping[str, Any]]) -> Any:
    """Mean success rate by level, a panel for each hyperparameter, the most important first."""
    import altair as alt

    panels: list[Any] = []
    for column in _in_order(records, "column"):
        own = [r for r in records if r["column"] == column]
        share = own[0]["share"]
        words = title_of(column) if share is None else f"{title_of(column)}: {percent(share)} of the variance"
        title = alt.TitleParams(words, anchor="start", frame="group", **panel_title)
        y = alt.Y("level:N", sort=[r["level"] for r in own], title=None, axis=alt.Axis(ticks=False, domain=False))
        base = alt.Chart(values(own)).encode(y=y)
        scale = alt.Scale(domain=[0, 1])
        interval = base.mark_rule(color=accent, strokeWidth=2).encode(
            x=alt.X("ci_low:Q", scale=scale, title=None), x2="ci_high:Q"
        )
        axis = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])
        dots = base.mark_point(filled=True, color=accent, size=50, opacity=1).encode(
            x=alt.X("success_rate:Q", scale=scale, axis=axis, title="mean success rate")
        )
        panels.append(alt.layer(interval, dots).properties(width=240, height=alt.Step(20), title=title))
    return styled(alt.concat(*panels, columns=3, spacing={"row": 18, "column": 28}))


def draw_pareto(records: Sequence[Mapping[str, Any]], target: float) -> Any:
    """Success rate against the number of parameters; the line joins those that none smaller beats."""
    import altair as alt

    sizes = [r["n_parameters"] for r in records]
    scale = alt.Scale(type="log", domain=[min(sizes) * 0.85, max(sizes) * 1.15], nice=False)
    x = alt.X("n_parameters:Q", scale=scale, title="parameters", axis=alt.Axis(grid=False, tickCount=6, format="~s"))
    y = alt.Y("success_rate:Q", scale=alt.Scale(domain=[0, 1]), title="success rate", axis=alt.Axis(format=".0%"))
    points = alt.Chart(values(records)).mark_point(filled=True, size=22, color=muted, opacity=0.45).encode(x=x, y=y)
    front = [r for r in records if r["is_front"]]
    own = alt.Chart(values(front)).encode(x=x, y=y)
    steps = own.mark_line(interpolate="step-after", color=accent, strokeWidth=2)
    bars = own.mark_rule(color=accent).encode(y=alt.Y("ci_low:Q"), y2="ci_high:Q")
    dots = own.mark_point(filled=True, size=48, color=accent, opacity=1)
    wanted = alt.Chart().mark_rule(color=ink, strokeDash=[2, 3]).encode(y=alt.datum(target))
    return styled(alt.layer(points, wanted, bars, steps, dots).properties(width=420, height=240))


def to_svg(chart: Any, name: str, *, label: str | None = None) -> str:
    """A chart as SVG text, the same for the same chart; `name` begins its ids, so that several share a page.

    With a `label` it is one picture of that name in a page, in the colours of the page's theme, and shrinks to fit.
    """
    import vl_convert

    svg = vl_convert.vegalite_to_svg(_drawn(chart.to_dict()), allowed_base_urls=[])
    for place, identity in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg))):
        svg = svg.replace(f'id="{identity}"', f'id="{name}-{place}"').replace(
            f"url(#{identity})", f"url(#{name}-{place})"
        )
    if label is None:
        return svg
    svg = re.sub(r' (role|aria-[a-z]+)="[^"]*"', "", svg)
    for colour, variable in theme_variables.items():
        svg = svg.replace(f'"{colour}"', f'"{variable}"')
    head = rf'<svg role="img" aria-label="{escape(label, quote=True)}" style="max-width:\2px" \1'
    return re.sub(r'<svg ([^>]*?)width="(\d+\.?\d*)" height="\d+\.?\d*"', head, svg, count=1)


def to_png(chart: Any) -> bytes:
    """A chart as PNG, two pixels to a point."""
    import vl_convert

    return vl_convert.vegalite_to_png(_drawn(chart.to_dict()), scale=2, allowed_base_urls=[])


def write_figures(folder: Path, charts: Mapping[str, Any]) -> Iterator[Path]:
    """Write PNG and SVG of each chart, in a folder that is made where it is not there: each path when it is written."""
    check_inside(folder.parent, folder / "any")
    folder.mkdir(exist_ok=True)
    for name, chart in charts.items():
        for path, content in (
            (folder / f"{name}.svg", to_svg(chart, name).encode()),
            (folder / f"{name}.png", to_png(chart)),
        ):
            write_atomically(path, content)
            yield path
