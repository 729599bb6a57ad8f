"""The table of outcomes: what every row must have, and which runs may end so."""

from sweep.runs.outcomes import failures, failures_of, outcome_table, outcomes, outcomes_of


def test_outcomes_can_be_told_apart_wherever_they_are_shown() -> None:
    assert len(set(outcomes)) == len(outcome_table)
    for subject in ("network", "settings"):  # they never stand on one page
        own = outcomes_of(subject)
        for values in ([o.letter for o in own], [o.colour for o in own]):
            assert len(set(values)) == len(own)
    assert all(len(o.letter) == 1 and o.meaning for o in outcome_table)


def test_codes_stay_what_results_on_disk_say() -> None:
    assert outcomes[:6] == ("learned", "diverged", "dead", "stuck", "unconverged", "unsettled")
    assert failures == outcomes[1:6]


def test_what_is_no_network_ends_as_anything_may() -> None:
    assert "diverged" in failures_of("settings") and not {"learned", "dead", "stuck"} & {*failures_of("settings")}
