"""A run trained again, in words and characters: is it the same, how did it go, why did it end so."""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sweep.commands.replay import Evidence, Replay, Saved, evidence, marked_floors, save_tolerance
from sweep.networks.diagnosis import tolerances
from sweep.networks.forward import predict
from sweep.report.limits import describe_limits
from sweep.report.page.training_figure import Picture, summarise_training
from sweep.report.words import describe_configuration
from sweep.runs.outcomes import by_name

shades = " ░▒▓█"
sparks = "▁▂▃▄▅▆▇█"
surface_size = (31, 13)
max_shown_rows = 8
max_shown_units = 32
max_differences = 6


def describe_replay(replayed: Replay) -> list[str]:
    """The lines that a terminal shows."""
    lines = [
        describe_head(replayed),
        *describe_sameness(replayed),
        *describe_outcome(replayed),
        "",
        *describe_training(replayed),
    ]
    return [*lines, *_with_gap(describe_units(replayed)), *_with_gap(draw_surface(replayed))]


def describe_head(replayed: Replay) -> str:
    """Which run it is."""
    return f"{replayed.example.run}: {describe_configuration(replayed.configuration)}, seed {replayed.example.seed}"


def describe_saved(saved: Saved) -> str:
    """Whether the saved model predicts what the run did."""
    verb = "equal the run's to rounding" if saved.is_equal else "DIFFER from the run's"
    return (
        f"saved {saved.path}: read back in Keras's safe mode, its predictions {verb} "
        f"(largest difference {saved.difference:.2g}, allowed {save_tolerance:g})"
    )


def summarise_replay(replayed: Replay) -> Picture:
    """The data of the figure of a run."""
    return summarise_training(
        replayed.configuration,
        replayed.example,
        marked_floors(replayed),
        title=describe_head(replayed),
        notes=describe_outcome(replayed),
    )


def _with_gap(lines: list[str]) -> list[str]:
    return ["", *lines] if lines else []


def describe_sameness(replayed: Replay) -> list[str]:
    """Whether the row came out again, and what did not."""
    if replayed.is_same:
        return [f"trained again by {replayed.engine}: every value equals the row's"]
    lines: list[str] = []
    if replayed.engine != replayed.trainer:
        same = "the same outcome" if replayed.has_same_outcome else "ANOTHER OUTCOME"
        name = replayed.trainer.partition(" ")[0]
        lines = [
            f"trained again by {replayed.engine}, the row by {replayed.trainer}: {same}; "
            f"equal bits are not to be expected (--engine {name})"
        ]
    else:
        n = len(replayed.differences)
        verb = "value DIFFERS" if n == 1 else "values DIFFER"
        lines = [f"trained again by {replayed.engine}: {n} {verb} from the row"]
    shown = replayed.differences[:max_differences]
    lines += [f"  {d.column}: row {d.in_row or 'empty'}, now {d.now or 'empty'}" for d in shown]
    more = len(replayed.differences) - len(shown)
    return [*lines, f"  and {more} more"] if more else lines


def describe_outcome(replayed: Replay) -> list[str]:
    """How it ended, with the numbers that say so."""
    seen = evidence(replayed)
    runs = replayed.runs
    name = replayed.example.outcome
    match name:
        case "learned":
            said = _learned(replayed)
        case "diverged":
            first = seen.first_infinite
            said = "a weight is not finite" if first is None else f"not finite from epoch {first:,} on"
        case "dead":
            said = _dead(replayed)
        case "stuck":
            said = _stuck(replayed, seen)
        case "unconverged":
            said = _unconverged(replayed, seen)
        case "unsettled":
            said = f"the loss wandered: it changed by {seen.change:.1%} over the last tenth"
        case _:
            said = by_name[name].meaning
    numbers = (
        f"loss {runs['final_loss'][0]:.6g}, accuracy {runs['accuracy'][0]:.0%}, margin {runs['margin'][0] + 0:.4g}"
    )
    proven = describe_limits([replayed.configuration], math.ulp(0.0)) if name != "learned" else []
    return [f"{name}: {said}", f"  {numbers}", *(f"  proven: {line}" for line in proven)]


def _learned(replayed: Replay) -> str:
    start = int(replayed.runs["epochs_to_learn"][0])
    when = "from the start" if start == 0 else f"from epoch {start:,} on"
    success, runs = replayed.success, replayed.runs
    if (success.metric, success.comparison) != ("margin", ">"):
        value = runs["final_loss" if success.metric == "loss" else success.metric][0]
        return f"{success} {when} ({value:.4g})"
    border = replayed.configuration.head.border
    side = "has its class" if replayed.configuration.head.has_classes else f"is on its side of {border:g}"
    return f"every row {side} {when} (margin {runs['margin'][0]:.4g} > {success.threshold:g})"


def _dead(replayed: Replay) -> str:
    layer = int(replayed.runs["dead_layer"][0])
    if layer > replayed.configuration.depth:
        return "all units of the output layer are off on every row: no gradient passes them"
    n = replayed.configuration.widths[layer - 1]
    at_start = int(replayed.units_off_initial[layer - 1])
    born = "before training began" if at_start == n else f"{at_start} of {n} before training"
    said = f"all {n} units of hidden layer {layer} are off on every row, {born}; no gradient passes it"
    c = replayed.configuration
    may_wake = at_start < n or c.has_dropout or c.is_regularized or c.optimizer["weight_decay"] > 0
    return said if may_wake else f"{said}, and nothing else moves it: proven, no training wakes it"


def _unconverged(replayed: Replay, seen: Evidence) -> str:
    changed = f"it changed by {seen.change:.1%} over the last tenth"
    if seen.change > tolerances.rest or not replayed.descent > tolerances.descent:
        return f"the loss was still falling: {changed}"
    return f"the loss looked flat, {changed}; but a descent was found, which lowers it by {replayed.descent:.0%}"


def _stuck(replayed: Replay, seen: Evidence) -> str:
    why = "no descent was found" if replayed.runs["rest"][0] == "certified" else "as far as a flat loss tells"
    still = f"at rest, {why}; the loss changed by {seen.change:.2g} of itself over the last tenth"
    merged = str(replayed.runs["merged_rows"][0])
    if not merged:
        return f"{still}; no rows are merged"
    loss = float(replayed.runs["final_loss"][0])
    floor = "" if math.isnan(seen.floor) else f", whose floor is {seen.floor:.6f} (loss {loss:.6f})"
    return f"{still}; rows {merged} get one output{floor}"


def row_margins(replayed: Replay) -> npt.NDArray[np.float32]:
    """The smallest margin of each row at the end, `[row]`; of a prediction that is not finite minus infinity."""
    c = replayed.configuration
    margins = c.head.sides(replayed.example.predictions[-1], c.targets()).min(axis=-1)
    return np.where(np.isnan(margins), -np.inf, margins)


def shown_rows(replayed: Replay) -> list[int]:
    """The rows of a small table; of a larger one those that came out worst, in the order of the table."""
    return sorted(np.argsort(row_margins(replayed), kind="stable")[:max_shown_rows].tolist())


def describe_training(replayed: Replay) -> list[str]:
    """Loss by epoch as a line of bars, high to low, and the predictions at some epochs as a table."""
    e, task = replayed.example, replayed.configuration.task
    finite = e.losses[np.isfinite(e.losses)]
    lines = [f"loss  {sparkline(e.losses)}", f"      {_short(e.losses[0])} -> {_short(e.losses[-1])}"]
    if len(finite):
        lines[1] += f", lowest {_short(finite.min())}"
    names = task.row_names or tuple(f"row {i}" for i in range(task.n_rows))
    shown = shown_rows(replayed)
    head = ["epoch", "loss"]
    coded = replayed.configuration.targets().astype(int).tolist()
    for i in shown:
        is_bipolar = replayed.configuration.coding == "bipolar"
        wanted = " ".join(map(str, coded[i])) if is_bipolar else "".join(map(str, task.targets[i]))
        head.append(f"{names[i]}={wanted}")
    rows = [head]
    for s in _shown_snapshots(e.epochs):
        cells = [" ".join(f"{p:.3f}" for p in e.predictions[s, i]) for i in shown]
        rows.append([f"{e.epochs[s]:,}", _short(e.losses[s]), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines += ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    if len(shown) < task.n_rows:
        n_wrong = int((row_margins(replayed) <= 0).sum())
        lines.append(f"(the {len(shown)} worst of {task.n_rows} rows; {n_wrong} not on their side)")
    return lines


def _short(x: np.float32 | float) -> str:
    return f"{float(x):.4g}"


def _shown_snapshots(epochs: npt.NDArray[np.int64]) -> list[int]:
    """The kept epochs nearest to 0, 1, 3, 10, 30, 60, 90 and 100 percent."""
    shares = np.array([0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 1.0]) * epochs[-1]
    return sorted({int(np.abs(epochs - share).argmin()) for share in shares})


def sparkline(values: npt.NDArray[np.float32]) -> str:
    """Values as characters of eight heights, from 0 to the largest; `x` where not finite.

    >>> sparkline(np.array([0.7, 0.4, 0.1, 0.0, np.inf], np.float32))
    '█▅▂▁x'
    """
    is_finite = np.isfinite(values)
    top = float(values[is_finite].max()) if is_finite.any() else 0.0
    heights = np.where(is_finite, values, 0) / (top or 1.0) * (len(sparks) - 1)
    marks = [sparks[round(float(h))] for h in heights]
    return "".join(m if ok else "x" for m, ok in zip(marks, is_finite, strict=True))


def describe_units(replayed: Replay) -> list[str]:
    """Which relu units are off where: for each layer the rows, a mark for each unit."""
    c = replayed.configuration
    is_relu = [layer.activation.name == "relu" for layer in c.hidden]
    if not any(is_relu):
        return []
    names = c.task.row_names or tuple(f"row {i}" for i in range(c.task.n_rows))
    lines = ["hidden units after training, on # and off . on each row"]
    for layer, off in enumerate(replayed.units_off, 1):
        if not is_relu[layer - 1]:
            continue
        n_dead = int(off.all(axis=0).sum())
        n_born = int(replayed.units_off_initial[layer - 1])
        shown = [
            f"{names[i]} {''.join('.#'[int(not x)] for x in off[i, :max_shown_units])}" for i in shown_rows(replayed)
        ]
        more = " ..." if off.shape[1] > max_shown_units or len(off) > max_shown_rows else ""
        lines.append(
            f"  layer {layer}: {'  '.join(shown)}{more}  {n_dead} of {off.shape[1]} off everywhere ({n_born} at first)"
        )
    return lines


def draw_surface(replayed: Replay) -> list[str]:
    """What the network answers over the input square, in shades, for two inputs; the rows stand as their targets."""
    c = replayed.configuration
    if c.task.n_inputs != 2 or not np.isfinite(replayed.example.weights).all():
        return []
    inputs = c.inputs().astype(np.float64)
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    room = 0.25 * np.where(high > low, high - low, 1.0)
    width, height = surface_size
    x = np.linspace(low[0] - room[0], high[0] + room[0], width)
    y = np.linspace(high[1] + room[1], low[1] - room[1], height)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    answers = c.head.shares(predict(c, replayed.example.weights, points))
    targets = (c.targets() > c.head.border).astype(int).tolist()
    lines: list[str] = []
    for output in range(c.n_outputs):
        of_output = f" of output {output}" if c.n_outputs > 1 else ""
        lines.append(
            f"prediction{of_output} over the inputs, ' ' near {c.head.low:g}, █ near 1; rows stand as their targets"
        )
        grid = [[_shade(p) for p in row] for row in answers[:, output].reshape(height, width)]
        for point, target in zip(inputs, targets, strict=True):
            column, row = int(np.abs(x - point[0]).argmin()), int(np.abs(y - point[1]).argmin())
            grid[row][column] = str(target[output])
        lines += _framed(grid, (x, y), inputs)
    return lines


def _shade(p: float) -> str:
    return shades[min(len(shades) - 1, int(p * len(shades)))]


def _framed(
    grid: list[list[str]], axes: tuple[npt.NDArray[np.float64], ...], inputs: npt.NDArray[np.float64]
) -> Iterator[str]:
    """The grid in a frame, with the rows' lowest and highest coordinates beside it."""
    x, y = axes
    marks = {int(np.abs(y - v).argmin()): f"{v:g}" for v in (inputs[:, 1].min(), inputs[:, 1].max())}
    side = max(map(len, marks.values()))
    yield " " * side + " ┌" + "─" * len(x) + "┐"
    for i, row in enumerate(grid):
        yield marks.get(i, "").rjust(side) + " │" + "".join(row) + "│"
    yield " " * side + " └" + "─" * len(x) + "┘"
    below = [" "] * (len(x) + 2)
    for v in (inputs[:, 0].min(), inputs[:, 0].max()):
        text, at = f"{v:g}", int(np.abs(x - v).argmin()) + 1
        below[at : at + len(text)] = text
    yield " " * side + " " + "".join(below).rstrip()
