"""How many seeds a precision or a verdict needs, as numbers and in words."""

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


@dataclass(frozen=True)
class Precision:
    """How many seeds give an interval of a half-width, on average at a rate and at any rate; None for more than 1e7."""

    rate: float
    half_width: float
    confidence: float
    n_seeds: int | None
    n_seeds_at_any_rate: int | None

    def lines(self) -> list[str]:
        """In words."""
        aim = f"an interval of {self.half_width:g} to either side on average (Wilson, {100 * self.confidence:g}%)"
        return [
            f"at a rate of {self.rate:g}, {_seeds(self.n_seeds)} give {aim}",
            f"{_seeds(self.n_seeds_at_any_rate)} give it whatever the seeds show",
        ]


def plan_precision(rate: float, half_width: float, confidence: float) -> Precision:
    r"""How many seeds a precision needs. Raises `SettingError` for numbers that cannot be.

    >>> print(*plan_precision(0.9, 0.03, 0.95).lines(), sep="\n")
    at a rate of 0.9, 385 seeds give an interval of 0.03 to either side on average (Wilson, 95%)
    1,064 seeds give it whatever the seeds show
    """
    _check_shared(rate, confidence)
    _check("--half-width", half_width, is_allowed=0 < half_width < 0.5, allowed="a number between 0 and 0.5")
    n, n_any = runs_for_half_width(rate, half_width, confidence), runs_for_any_rate(half_width, confidence)
    return Precision(rate, half_width, confidence, n, n_any)


def _seeds(n: int | None) -> str:
    return "more than 10,000,000 seeds" if n is None else f"{n:,} seed{'s' if n > 1 else ''}"


@dataclass(frozen=True)
class VerdictPlan:
    """How many seeds settle a verdict at a rate, whose `verdict` is the right one; None where it is the target.

    n_seeds: a fixed number that shows it with a chance of `power`, None where a million would not; chance and
    expected_seeds: of seeds that are added while it is inconclusive, as `adding` says.
    """

    rate: float
    target: float
    confidence: float
    power: float
    adding: Adding
    verdict: str | None
    n_seeds: int | None = None
    chance: float | None = None
    expected_seeds: float | None = None

    def lines(self) -> list[str]:
        """In words."""
        rate, target, d = self.rate, self.target, self.adding
        if self.verdict is None or self.chance is None:
            return [f"a rate of exactly the target, {target:g}: no number of seeds settles it"]
        confidence = f"{100 * self.confidence:g}%"
        if self.n_seeds is None:
            fixed = f"a fixed number: {rate:g} is too close to {target:g}, about a million seeds would not settle it"
        else:
            shown = f"{_seeds(self.n_seeds)} show {self.verdict} with a chance of {self.power:g} or more"
            fixed = f"a fixed number: {shown} (exact test, {confidence})"
        shared = f", all {d.n_configurations:,} configurations right together" if d.n_configurations > 1 else ""
        return [
            f"at a rate of {rate:g}, against the target {target:g}:",
            fixed,
            f"added while inconclusive, {d.first:,} up to {d.up_to:,}: {self.verdict} with a chance of "
            f"{self.chance:.3f}, {self.expected_seeds:,.0f} seeds on average "
            f"(one-sided mixtures, {confidence}{shared})",
        ]


def plan_verdict(rate: float, reliability: Target, power: float, adding: Adding) -> VerdictPlan:
    """How many seeds settle a verdict at a rate: a fixed number, and seeds that are added while it is inconclusive.

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
    asked = VerdictPlan(rate, target, reliability.confidence, power, adding, None)
    if rate == target:
        return asked
    right = "reliable" if rate > target else "unreliable"
    bar = bar_of(replace(reliability, family="fwer"), d.n_configurations, is_adaptive=True)
    found = settling(rate, looks(d.first, d.up_to), bar.verdicts)
    return replace(
        asked,
        verdict=right,
        n_seeds=runs_for_verdict(rate, bar_of(reliability), power),
        chance=found.reliable if right == "reliable" else found.unreliable,
        expected_seeds=found.expected_runs,
    )
