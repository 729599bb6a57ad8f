"""A rescue in words and a table, for a person who wants to know what to change."""

from collections.abc import Iterator, Sequence

from sweep.commands.rescue.answer import Attempt, Proportion, Rescue, Rescued
from sweep.commands.rescue.changes import longer
from sweep.commands.rescue.search import max_changes, max_cost_ratio, redraw_kinds
from sweep.report.limits import describe_limits
from sweep.report.scripts import script
from sweep.report.words import bar, counted, describe_configuration, interval, percents
from sweep.runs.outcomes import by_name

bar_width = 10


def describe_rescue(rescue: Rescue, width: int = 120) -> list[str]:
    """The lines that a terminal of `width` characters shows."""
    lines = [describe_failures(rescue)]
    lines += [f"  {name}: {by_name[name].meaning}" for name in rescue.by_outcome]
    lines += [f"  {line}" for line in describe_limits([rescue.configuration], rescue.reliability.target)]
    if rescue.attempts:
        lines += ["", *_table(rescue, width), "", describe_cause(rescue)]
        lines += describe_longer(rescue)
    return [*lines, "", *describe_end(rescue)]


def describe_failures(rescue: Rescue) -> str:
    """One line: how many seeds failed, and how."""
    head = describe_configuration(rescue.configuration)
    if not rescue.n_failed:
        return f"{head}: none of {counted(rescue.n_seeds, 'seed')} failed, so there is nothing to rescue."
    how = ", ".join(f"{n:,} {name}" for name, n in rescue.by_outcome.items())
    return f"{head}: {rescue.n_failed:,} of {counted(rescue.n_seeds, 'seed')} failed: {how}."


def _table(rescue: Rescue, width: int) -> Iterator[str]:
    """A row for each change, its cells in columns; then the redraws.

    Where the columns do not fit, those that can be missed most easily are left out: bars, steps, parameters, then those
    of outcomes, from the right.
    """
    outcomes = list(rescue.by_outcome) if len(rescue.by_outcome) > 1 else []
    above = ["", "rescues", "", f"{100 * rescue.reliability.confidence:g}%"]
    below = ["one change", f"of {rescue.n_failed:,}", "", "interval"]
    above += [*(f"of {rescue.by_outcome[name]:,}" for name in outcomes), "loses", "", ""]
    below += [*outcomes, f"of {rescue.n_seeds - rescue.n_failed:,}", "params", "steps"]
    changes = [_cells(rescue, a, outcomes) for a in rescue.attempts if a.kind not in redraw_kinds]
    redrawn = [_cells(rescue, a, outcomes) for a in rescue.attempts if a.kind in redraw_kinds]
    if redrawn:
        redrawn.insert(0, ["the same again, but"] + [""] * (len(below) - 1))
    rows = [above, below, *changes, *redrawn]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown, bars, steps, parameters = list(range(len(widths))), 2, len(widths) - 1, len(widths) - 2
    of_outcomes = range(4, 4 + len(outcomes))
    for missed in (bars, steps, parameters, *reversed(of_outcomes)):
        if sum(widths[i] for i in shown) + 2 * (len(shown) - 1) > width:
            shown.remove(missed)
    for row in rows:
        padded = [row[i].ljust(widths[i]) if i in (0, bars) else row[i].rjust(widths[i]) for i in shown]
        yield "  ".join(padded).rstrip()


def _cells(rescue: Rescue, a: Attempt, outcomes: Sequence[str]) -> list[str]:
    n_failed, n_learned = rescue.by_outcome, rescue.n_seeds - rescue.n_failed
    parts = [_part(*a.by_outcome[name], n_failed[name]) for name in outcomes]
    ratios = [f"x{_ratio(a.parameters_ratio)}", f"x{_ratio(a.steps_ratio)}"]
    drawn = bar(a.rescued.k / a.rescued.n, bar_width)
    rescued, lost = _part(a.rescued.k, a.rescued.n, sum(n_failed.values())), _part(a.lost.k, a.lost.n, n_learned)
    return [a.label, rescued, drawn, _interval(a.rescued), *parts, lost, *ratios]


def _part(k: int, n: int, n_all: int) -> str:
    """How many of the seeds that a column counts; of those tried, where these are fewer.

    >>> _part(3, 20, 20), _part(3, 16, 20), _part(0, 0, 4)
    ('3', '3 of 16', '-')
    """
    return f"{k:,}" if n == n_all else f"{k:,} of {n:,}" if n else "-"


def _interval(share: Proportion) -> str:
    return percents(share.low, share.high)


def _ratio(x: float) -> str:
    return f"{x:.2g}" if x < 10 else f"{x:,.0f}"


def describe_longer(rescue: Rescue) -> list[str]:
    """Whether longer training helps: a line, where it was tried.

    That it does not is said only of what was trained a hundred times longer.
    """
    tried = [a for a in rescue.attempts if a.kind in longer]
    if not tried:
        return []
    for a in tried:
        if a.rescued.low > 0.5:
            return [f"Longer training is enough for most: {_rescues(a)}."]
    last, best = tried[-1], max(tried, key=lambda a: a.rescued.k / a.rescued.n)
    if best.rescued.k and best.rescued.high >= 0.1:
        also = "" if last is best else f"; the longest tried, {_rescues(last)}"
        return [f"Longer training: {_rescues(best)}{also}."]
    if last.steps_ratio >= max(longer.values()) and last.rescued.high < 0.1:
        return [f"Longer training does not help; the longest tried, {_rescues(last)}."]
    return [f"The longest training tried, {_rescues(last)}; more is not known."]


def _rescues(a: Attempt) -> str:
    return f"{a.label}: {a.rescued.k:,} of {a.rescued.n:,} rescued ({_interval(a.rescued)})"


def describe_cause(rescue: Rescue) -> str:
    """Whether it was the weights, the rest of the randomness, or both; see `commands.rescue.answer.Cause`."""
    cause, as_it_is = rescue.cause, rescue.as_it_is
    drawn = {a.kind: a for a in rescue.attempts if a.kind in redraw_kinds}
    if cause is None:
        return ""
    weights, rest = (drawn.get(kind) for kind in redraw_kinds)
    told = "; ".join(_rescues(a) for a in (weights, rest) if a)
    other = rest.label.removeprefix("other ") if rest else ""
    n_tried = max((a.rescued.n for a in drawn.values()), default=0)
    drawn_anew = " or the ".join(name for name in ("weights" if weights else "", other) if name)
    if cause.p_value is not None:
        told += f"; McNemar's exact p = {cause.p_value:.2g}"
    heads = {
        "weights": f"It was the weights, more than the {other}",
        "rest": f"It was the {other}, more than the weights",
        "both": f"It was the weights and the {other}, one as much as the other",
        "neither": f"It was hardly the {drawn_anew}: the configuration itself",
        "only weights": "It was the weights: nothing else depends on the seed here",
        "only rest": f"It was the {other}: the weights are the same for every seed",
        "nothing": "Nothing depends on the seed here: every seed ends in the same way",
        "open": f"Was it the {drawn_anew}? {counted(n_tried, 'seed')} that failed cannot tell",
    }
    if not cause.is_base_rate:
        return heads[cause.name] + (f" ({told})." if told else ".")
    named = {"rest": other, "only rest": other, "both": f"weights or {other}"}.get(cause.name, "weights")
    more = {"weights": other, "rest": "weights"}.get(cause.name)
    beside = f", and which seeds fail depends more on the {named} than on the {more}" if more else ""
    base = f"fresh seeds: {as_it_is.k:,} of {as_it_is.n:,} learn"
    return f"Any other {named} fail as often: it is the configuration{beside} ({told}; {base})."


def describe_end(rescue: Rescue) -> list[str]:
    """What to do now."""
    fresh = describe_fresh(rescue.as_it_is)
    if rescue.is_reliable:
        return [f"It is reliable as it is: {fresh}. A seed that failed was unlucky: start again with another."]
    if not rescue.n_failed:
        return [f"As it is: {fresh}. More seeds would show failures to rescue."]
    if rescue.cheapest is None:
        return [
            f"Nothing that was tried makes it reliable: {rescue.n_tried:,} configurations, up to {max_changes} changes "
            f"together, up to {max_cost_ratio} times the cost (parameters times steps){_left_out(rescue)}.",
            f"As it is: {fresh}.",
        ]
    return list(_advice(rescue, rescue.cheapest, fresh))


def _left_out(rescue: Rescue) -> str:
    """What the budget left out."""
    n, budget = rescue.n_left_out, f"about {rescue.budget:g} s of one core"
    return f"; {counted(n, 'more costly one')} left out, as the budget is {budget}" if n else ""


def _advice(rescue: Rescue, found: Rescued, as_it_is: str) -> Iterator[str]:
    yield f"Cheapest change that makes it reliable (at least {rescue.reliability.target:g}): {found.label}."
    costs = f"x{_ratio(found.parameters_ratio)} parameters, x{_ratio(found.steps_ratio)} steps"
    yield f"  {describe_fresh(found.fresh)}; {costs}. As it is: {as_it_is}."
    framework, lines = script(found.configuration, rescue.configuration)
    yield from ("", f"To paste, for {framework}:", "", *lines)


def describe_fresh(share: Proportion) -> str:
    """A rate on fresh seeds.

    >>> describe_fresh(Proportion(981, 1024, 0.9441, 0.9687))
    '981 of 1,024 fresh seeds learn (0.944-0.969)'
    """
    return f"{share.k:,} of {share.n:,} fresh seeds learn ({interval(share.low, share.high)})"
