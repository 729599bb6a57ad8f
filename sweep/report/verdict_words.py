"""How strong an answer is, in words: its seeds, the error among its verdicts, the count that other seeds give."""

from sweep.report.summaries import Answer
from sweep.report.words import counted, percent_at_most
from sweep.statistics.exact_tests import Count


def seeds_words(answer: Answer) -> str:
    """The seeds that a verdict rests on: `these 64 seeds`, `up to 1,024 seeds`."""
    n, is_adaptive = len(answer.allocation.block), answer.allocation.is_adaptive
    return f"{'up to' if is_adaptive else 'this' if n == 1 else 'these'} {counted(n, 'seed')}"


def error_words(answer: Answer) -> str:
    """What is known of the error among the reliable ones, in parentheses; nothing where there are none."""
    if not answer.verdicts["reliable"]:
        return ""
    alpha = percent_at_most(1 - answer.allocation.reliability.confidence)
    match answer.allocation.family:
        case "fdr":
            return f" (false discovery rate at most {alpha})"
        case "fwer":
            return f" (any false verdict: a chance of at most {alpha})"
        case _:
            rate = answer.false_discoveries
            return "" if rate is None else f" (false discovery rate {percent_at_most(rate)})"


def count_words(answer: Answer, count: Count | None) -> list[str]:
    """What of an answer belongs to its seeds, as sentences: the count by others, or rates that stopped early."""
    if answer.allocation.is_adaptive:
        return ["Rates of those that stopped early are drawn to that side; their intervals hold all the same"]
    if count is None:
        return []
    level = f"{100 * answer.allocation.reliability.confidence:g}%, bootstrap over seeds"
    shown = f"{count.low:,}" if count.low == count.high else f"{count.low:,} to {count.high:,}"
    seeds = counted(len(answer.allocation.block), "seed")
    return [f"Another {seeds} would call {shown} of them reliable on average ({level})"]
