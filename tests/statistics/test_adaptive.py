"""Rules for adding seeds: exact for one configuration, by simulation for many that share their seeds; error 5%."""

import numpy as np
import pytest
from scipy.stats import norm

from sweep.statistics.adaptive import Rule, by_half_width, by_verdict, looks, play, unsettled
from sweep.statistics.evidence import EValues, mixtures
from sweep.statistics.intervals import confidence_sequence
from sweep.statistics.seeds import settling
from sweep.statistics.verdicts import Family, Target

COUNTS = looks(16, 1024)
BESIDE = 0.8999  # just below the target: the worst rate to call reliable


def test_looks() -> None:
    assert looks(16, 16) == (16,) and looks(8, 30) == (8, 24, 30)
    steps = np.diff(COUNTS)[:-1]
    assert steps.tolist() == [max(16, n // 8) for n in COUNTS[:-2]] and COUNTS[-1] == 1024 and len(COUNTS) < 32


def errors(rate: float, family: Family, n_configurations: int, counts: tuple[int, ...]) -> tuple[float, float]:
    """The exact chance of a false verdict of one configuration, and the seeds that it gets."""
    rule = Rule(Target(0.9), family, n_configurations)

    def judge(n_learned: np.ndarray, n_runs: int) -> np.ndarray:
        return rule.settle(mixtures(n_learned, n_runs, 0.9), unsettled(len(n_learned)))

    found = settling(rate, counts, judge)
    return (found.unreliable if rate >= 0.9 else found.reliable), found.expected_runs


@pytest.mark.parametrize("counts", [COUNTS, tuple(range(1, 701)), (7, 500, 3000)], ids=["looks", "each", "odd"])
@pytest.mark.parametrize("rate", [0.0, 0.5, 0.85, 0.88, BESIDE, 0.9, 0.9001, 0.92, 0.99, 1.0])
def test_one_configuration_errs_in_under_alpha_however_it_is_looked_at(rate: float, counts: tuple[int, ...]) -> None:
    assert errors(rate, "none", 1, counts)[0] <= 0.05
    assert 567 * errors(rate, "fwer", 567, counts)[0] <= 0.05  # however the configurations' runs go together


def test_the_error_is_spent_and_not_only_kept() -> None:
    assert errors(BESIDE, "none", 1, tuple(range(1, 1201)))[0] > 0.02
    assert errors(0.5, "fwer", 567, COUNTS)[1] < 33 and errors(0.97, "fwer", 567, COUNTS)[1] < 320


def test_fdr_is_e_bh_by_its_definition() -> None:
    rng = np.random.default_rng(41)
    for _ in range(200):
        log_e = rng.normal(3, 3, (2, 30))
        log_e[1, log_e[0] > 0] = -1.0  # counts never speak for both sides
        found = Rule(Target(0.9), "fdr", 40).settle(
            EValues(log_e[0], log_e[1], np.zeros(30, np.int64), ""), unsettled(30)
        )
        for name, e in zip(("reliable", "unreliable"), np.exp(log_e), strict=True):
            n = max(k for k in range(31) if (e >= 40 / (0.05 * max(k, 1))).sum() >= k)
            is_found = (e >= 40 / (0.05 * n)) if n else np.zeros(30, bool)
            assert (found[is_found] != "inconclusive").all() and not ((found == name) & ~is_found).any()


def test_what_is_settled_stays_and_lowers_the_bar_of_its_side_only() -> None:
    rule = Rule(Target(0.9), "fdr", 10)
    before = np.array(["reliable"] * 4 + ["inconclusive"] * 6)
    log_e = np.full(10, np.log(10 / (0.05 * 5)) + 1e-9)
    log_e[:4], log_e[5:] = 0.0, -1.0
    evidence = EValues(log_e, np.full(10, -1.0), np.full(10, 64), "")
    assert rule.settle(evidence, before).tolist() == ["reliable"] * 5 + ["inconclusive"] * 5
    assert rule.settle(evidence, unsettled(10)).tolist() == ["inconclusive"] * 10
    swapped = EValues(evidence.log_unreliable, evidence.log_reliable, evidence.n, "")
    assert rule.settle(swapped, before).tolist() == before.tolist()
    assert before.tolist()[4:] == ["inconclusive"] * 6


def shared(rates: np.ndarray, group: np.ndarray, alike: float, n_seeds: int, rng: np.random.Generator) -> np.ndarray:
    """Outcomes `[configuration, seed]`: a seed is good or bad for all configurations of a group alike."""
    common, own = rng.standard_normal((group.max() + 1, n_seeds)), rng.standard_normal((len(rates), n_seeds))
    score = np.sqrt(alike) * common[group] + np.sqrt(1 - alike) * own
    return (score < norm.ppf(rates)[:, None]).astype(np.int8)


SETS = {
    "beside the target": np.full(40, BESIDE),
    "at the target": np.full(40, 0.9),
    "clustered": np.concatenate([np.full(30, BESIDE), np.full(10, 0.9), np.full(10, 0.97), np.full(10, 0.5)]),
}


def false_shares(rates: np.ndarray, family: Family, alike: float, n_studies: int, n_seeds: int) -> np.ndarray:
    """The share of false verdicts among the reliable, the unreliable and both, `[study, 3]`; for `fwer` any or none."""
    rng = np.random.default_rng(43)
    is_true, group = rates >= 0.9, np.arange(len(rates)) % 2
    found = np.zeros((n_studies, 3))
    for study in found:
        learned = shared(rates, group, alike, n_seeds, rng)
        course = play(learned, by_verdict(Rule(Target(0.9), family, len(rates))), looks(16, n_seeds))
        is_false = course.words == np.where(is_true, "unreliable", "reliable")
        for i, kinds in enumerate((["reliable"], ["unreliable"], ["reliable", "unreliable"])):
            called = np.isin(course.words, kinds)
            n_false = int((is_false & called).sum())
            study[i] = n_false > 0 if family == "fwer" else n_false / max(int(called.sum()), 1)
    return found


@pytest.mark.parametrize("alike", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("family", ["fwer", "fdr"])
@pytest.mark.parametrize("rates", SETS.values(), ids=SETS)
def test_studies_on_shared_seeds_err_in_under_alpha(rates: np.ndarray, family: Family, alike: float) -> None:
    assert (false_shares(rates, family, alike, 200, 512).mean(axis=0) <= 0.05).all()


@pytest.mark.slow
@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("family", ["fwer", "fdr"])
@pytest.mark.parametrize("rates", SETS.values(), ids=SETS)
def test_many_studies_on_shared_seeds_err_in_under_alpha(rates: np.ndarray, family: Family, alike: float) -> None:
    found = false_shares(rates, family, alike, 3000, 2048)
    assert (found.mean(axis=0) + 2 * found.std(axis=0) / np.sqrt(3000) <= 0.05).all()


def test_a_study_depends_on_no_order_and_goes_on_where_it_was() -> None:
    rng = np.random.default_rng(44)
    rates = rng.beta(4, 1, 60)
    learned = shared(rates, np.arange(60) % 3, 0.5, 512, rng)
    rule, order = by_verdict(Rule(Target(0.9), "fdr", 60)), rng.permutation(60)
    whole = play(learned, rule, looks(16, 512))
    permuted = play(learned[order], rule, looks(16, 512))
    assert (permuted.words == whole.words[order]).all() and (permuted.n_runs == whole.n_runs[order]).all()
    assert {"reliable", "unreliable", "inconclusive"} == set(whole.words)
    assert (whole.n_learned == [row[:n].sum() for row, n in zip(learned, whole.n_runs, strict=True)]).all()
    shorter = play(learned, rule, looks(16, 512)[:6])
    settled = shorter.words != "inconclusive"
    assert (shorter.words[settled] == whole.words[settled]).all()
    assert (shorter.n_runs[settled] == whole.n_runs[settled]).all()


def test_who_lacks_runs_is_left_out_and_waits() -> None:
    learned = np.ones((3, 64), np.int8)
    learned[1, 20:], learned[2] = -1, 0
    rule, counts = by_verdict(Rule(Target(0.9), "none", 3)), looks(16, 64)
    found = play(learned, rule, counts)
    assert found.words.tolist() == ["reliable", "inconclusive", "unreliable"]
    assert found.n_runs.tolist() == [48, 16, 16] and found.wanted(counts).tolist() == [48, 32, 16]
    learned[1, 32:], learned[1, 20:32] = 1, -1  # runs behind a gap are not looked at
    assert play(learned, rule, counts).wanted(counts).tolist() == [48, 32, 16]
    nothing = play(np.full((2, 64), -1, np.int8), rule, counts)
    assert nothing.n_runs.tolist() == [0, 0] and nothing.wanted(counts).tolist() == [16, 16]


def test_seeds_until_a_rate_is_known_well_enough() -> None:
    rng = np.random.default_rng(46)
    rates = rng.random(200)
    learned = (rng.random((200, 2000)) < rates[:, None]).astype(np.int8)
    found = play(learned, by_half_width(0.06, 0.95), looks(16, 2000))
    interval = confidence_sequence(found.n_learned, found.n_runs, 0.95)
    assert set(found.words) == {"narrow"} and (interval.high - interval.low <= 0.12).all()
    assert ((interval.low <= rates) & (rates <= interval.high)).mean() >= 0.95  # at the count where they end
    assert np.ptp(found.n_runs) > 300


def test_trials_chosen_by_earlier_results_stop_by_a_fixed_bar_and_are_told_together_at_the_end() -> None:
    """Seeds are strongly shared, and each next configuration is of the group that looked best so far."""
    rng = np.random.default_rng(45)
    n_trials, counts, shares = 12, looks(16, 160), list[float]()
    stopping, ending = (Rule(Target(0.9), family, n_trials) for family in ("fwer", "fdr"))
    for _ in range(150):
        rates = np.where(np.arange(6) < 5, 0.89, 0.98)
        pool = shared(rates.repeat(n_trials), np.arange(6).repeat(n_trials), 0.9, 160, rng)
        chosen, n_runs, n_learned = list[int](), list[int](), list[int]()
        best = 0
        for trial in range(n_trials):
            group = trial if trial < 6 else best
            course = play(pool[[group * n_trials + trial]], by_verdict(stopping), counts)
            n_runs.append(int(course.n_runs[0]))
            n_learned.append(int(course.n_learned[0]))
            chosen.append(group)
            best = chosen[int(np.argmax(np.array(n_learned) / np.array(n_runs)))]
        found = ending.settle(mixtures(n_learned, n_runs, 0.9), unsettled(n_trials))
        is_false = found == np.where(rates[chosen] >= 0.9, "unreliable", "reliable")
        shares.append(is_false.sum() / max(int((found != "inconclusive").sum()), 1))
    assert np.mean(shares) <= 0.05
