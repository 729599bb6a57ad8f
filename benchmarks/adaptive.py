"""Adaptive seeds against a fixed number: how many runs they need, and whether they ever say the opposite.

`make bench-adaptive` runs experiments/adaptive.yaml and the same experiment with `up_to` seeds for every configuration
(minutes), and writes the comparison into docs/performance.md.
"""

import tempfile
from pathlib import Path

import sweep
from sweep.experiment import file as experiment_file
from sweep.results.results import Results

ROOT = Path(__file__).parent.parent
EXPERIMENT = ROOT / "experiments" / "adaptive.yaml"
BEGIN, END = "<!-- make bench-adaptive: begin -->", "<!-- make bench-adaptive: end -->"


def compare(adaptive: Results, fixed: Results) -> str:
    """The comparison in words."""
    first = adaptive.configurations.set_index("configuration")
    second = fixed.configurations.set_index("configuration").loc[first.index]
    settled = {"reliable", "unreliable"}
    is_opposite = first["verdict"].isin(settled) & second["verdict"].isin(settled)
    n_opposite = int((is_opposite & (first["verdict"] != second["verdict"])).sum())
    n_open = [int((table["verdict"] == "inconclusive").sum()) for table in (first, second)]
    share = len(adaptive.runs) / len(fixed.runs)
    return (
        f"`experiments/adaptive.yaml`, {len(first)} configurations: {len(adaptive.runs):,} runs where the fixed "
        f"{second['n_runs'].max():,} seeds take {len(fixed.runs):,} ({share:.0%}). Opposite verdicts: {n_opposite}. "
        f"Open at the end: {n_open[0]}, all verdicts holding together, against {n_open[1]}, each for itself."
    )


def main() -> None:
    """Run both, print the comparison and write it into the page."""
    block = experiment_file.load(EXPERIMENT).seeds
    with tempfile.TemporaryDirectory() as folder:
        everything = Path(folder) / "fixed.yaml"
        seeds = f"seed: {{first: {block.first}, count: {block.count}, up_to: {block.up_to}}}"
        text = EXPERIMENT.read_text()
        assert seeds in text, seeds
        everything.write_text(text.replace(seeds, f"seed: {{first: {block.first}, count: {block.up_to}}}"))
        adaptive = sweep.run(EXPERIMENT, Path(folder) / "adaptive")
        words = compare(adaptive, sweep.run(everything, Path(folder) / "fixed"))
    print(words)
    page = ROOT / "docs" / "performance.md"
    before, _, rest = page.read_text().partition(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{words}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
