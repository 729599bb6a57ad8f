"""How many seeds a precision or a verdict needs, in words."""

from dataclasses import dataclass, replace

from sweep.runs.errors import SettingError
from sweep.statistics.adaptive import looks
from sweep.statistics.seeds import bar_of, runs_for_any_rate, runs_for_half_width, runs_for_verdict, settling
from sweep.statistics.verdicts import Target

max_first, max_up_to = 2**12, 2**16


@dataclass(frozen=True)
class Adding:
    """Seeds added while a verdict is open: the first block, the most of all, and how many configurations do so."""

    first: int
    up_to: int
    n_configurations: int


def _check(name: str, value: float, *, is_allowed: bool, allowed: str) -> None:
    if not is_allowed:
        raise SettingError((name,), f"found {value:g}", f"allowed: {allowed}")


def _check_shared(rate: float, confidence: float) -> None:
    _check("--rate", rate, is_allowed=0 <= rate <= 1, allowed="a number from 0 to 1")
    _check("--confidence", confidence, is_allowed=0 < confidence < 1, allowed="a number between 0 and 1")


def describe_precision(rate: float, half_width: float, confidence: float) -> list[str]:
    r"""How many seeds give an interval of this half-width, on average at a rate and at any rate.

    Raises `SettingError` for numbers that cannot be.

    >>> print(*describe_precision(0.9, 0.03, 0.95), sep="\n")
    at a rate of 0.9, 385 seeds give an interval of 0.03 to either side on average (Wilson, 95%)
    1,064 seeds give it whatever the seeds show
    """
    _check_shared(rate, confidence)
    _check("--half-width", half_width, is_allowed=0 < half_width < 0.5, allowed="a number between 0 and 0.5")
    n, n_any = runs_for_half_width(rate, half_width, confidence), runs_for_any_rate(half_width, confidence)
    aim = f"an interval of {half_width:g} to either side on average (Wilson, {100 * confidence:g}%)"
    return [
        f"at a rate of {rate:g}, {_seeds(n)} give {aim}",
        f"{_seeds(n_any)} give it whatever the seeds show",
    ]


def _seeds(n: int | None) -> str:
    return "more than 10,000,000 seeds" if n is None else f"{n:,} seed{'s' if n > 1 else ''}"


def describe_verdict_plan(rate: float, reliability: Target, power: float, adding: Adding) -> list[str]:
    """How many seeds settle a verdict at a rate: a fixed number, and seeds that are added while it is open.

    Raises `SettingError` for numbers that cannot be.
    """
    _check_shared(rate, reliability.confidence)
    target = reliability.target
    _check("--target", target, is_allowed=0 < target < 1, allowed="a number between 0 and 1")
    _check("--power", power, is_allowed=0.5 <= power < 1, allowed="a number from 0.5 to below 1")
    d = adding
    _check("--configurations", d.n_configurations, is_allowed=d.n_configurations >= 1, allowed="1 or more")
    _check("--first", d.first, is_allowed=1 <= d.first <= max_first, allowed=f"from 1 to {max_first:,}")
    _check("--up-to", d.up_to, is_allowed=d.first <= d.up_to <= max_up_to, allowed=f"from --first to {max_up_to:,}")
    if rate == target:
        return [f"a rate of exactly the target, {target:g}: no number of seeds settles it"]
    right = "reliable" if rate > target else "unreliable"
    n = runs_for_verdict(rate, bar_of(reliability), power)
    confidence = f"{100 * reliability.confidence:g}%"
    if n is None:
        fixed = f"a fixed number: {rate:g} is too close to {target:g}, about a million seeds would not settle it"
    else:
        fixed = (
            f"a fixed number: {_seeds(n)} show {right} with a chance of {power:g} or more (exact test, {confidence})"
        )
    bar = bar_of(replace(reliability, family="fwer"), d.n_configurations, is_adaptive=True)
    found = settling(rate, looks(d.first, d.up_to), bar.verdicts)
    chance = found.reliable if right == "reliable" else found.unreliable
    shared = f", all {d.n_configurations:,} configurations right together" if d.n_configurations > 1 else ""
    return [
        f"at a rate of {rate:g}, against the target {target:g}:",
        fixed,
        f"added while inconclusive, {d.first:,} up to {d.up_to:,}: {right} with a chance of {chance:.3f}, "
        f"{found.expected_runs:,.0f} seeds on average (one-sided mixtures, {confidence}{shared})",
    ]
