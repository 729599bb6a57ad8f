"""What matters, in words."""

from sweep.commands.importance import Importances
from sweep.report.words import counted, interval


def describe_importances(found: Importances) -> list[str]:
    """Importances in words, line by line."""
    shared = "" if found.are_seeds_common else ", not the same for all: rates weigh configurations by their runs"
    lines = [
        f"{found.n_configurations:,} configurations, {counted(found.n_seeds, 'seed')}{shared}",
        f"success rate by value, with {100 * found.confidence:g}% intervals clustered by seed:",
    ]
    for name, levels in found.levels.items():
        follows = f" (decided by {found.follows[name]})" if name in found.follows else ""
        lines += ["", f"{name}{follows}"]
        width = max(len(level.level) for level in levels)
        for level in levels:
            rate = "    -" if level.rate is None else f"{level.rate:.3f}"
            shown = f"{rate}  {interval(level.low, level.high)}"
            lines.append(f"  {level.level:>{width}}  {shown}  {counted(level.n_runs, 'run')}")
    return [*lines, "", *_effect_lines(found), "", *_optuna_lines(found)]


def _effect_lines(found: Importances) -> list[str]:
    title = "share of the variance of P(learn)"
    if not found.effects:
        return [f"{title}: {found.why_no_effects}"]
    level = f"{100 * found.confidence:g}% by bootstrap over seeds"
    lines = [f"{title}, what seeds alone make of it taken off, {level} (as found, by seeds alone):"]
    for effect in found.effects:
        name = " x ".join(effect.names) or "everything else"
        shown = f"{effect.share:6.1%}  {effect.low:5.1%}-{effect.high:.1%}"
        lines.append(f"  {shown}  {name} ({effect.found:.1%}, {effect.noise:.1%})")
    return lines


def _optuna_lines(found: Importances) -> list[str]:
    title = "Optuna's importances (PED-ANOVA: what tells the best tenth from all)"
    if not found.optuna:
        return [f"{title}: {found.why_no_optuna}"]
    return [f"{title}:", *(f"  {share:6.1%}  {name}" for name, share in found.optuna.items())]
