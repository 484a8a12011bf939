"""The declared tests hold their level and find what they should: a smaller run of the program behind the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma
from typer import Typer
from typer.testing import CliRunner

from adapter_workbench.workbench.measures.looks import LEVELS
from adapter_workbench.workbench.measures.statistics import holm
from bench import declared_tests, error_rates, simulated_scores, variance_choices

MOST_ERRORS = 0.055


@pytest.mark.parametrize("test", error_rates.TESTS)
@pytest.mark.parametrize("rows", [2, 12])
@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_a_declared_test_holds_its_level(test: str, rows: int, seeds: int) -> None:
    number = 24_000 if rows == 2 else 4_000  # the standard error is then at most 0.0015, and 0.0025 for 12 rows
    moments = error_rates.drawn(test, np.random.default_rng(1), number, rows, seeds)
    rates = error_rates.rates(moments)
    assert rates["type_1"] <= MOST_ERRORS
    assert rates["family"] <= MOST_ERRORS
    assert rates["equal_type_1"] <= MOST_ERRORS


def test_texts_that_tasks_share_are_taken_together() -> None:
    seen = [*error_rates.texts_shared(np.random.default_rng(1), 2000)]
    assert max(entry["by_text"] for entry in seen) <= MOST_ERRORS
    assert max(entry["by_example"] for entry in seen) > 0.1, "what it would be if all examples were others"


def test_one_variance_has_a_level_where_two_tests_that_agree_have_none() -> None:
    seen = {entry["seeds"]: entry for entry in error_rates.both_agree(np.random.default_rng(1), 8000)}
    assert max(entry["summed"] for entry in seen.values()) <= MOST_ERRORS
    assert seen[2]["both"] < 0.02 < seen[2]["summed"]
    assert seen[5]["both"] > seen[5]["summed"]


def test_pooling_finds_what_pairing_does_not() -> None:
    random = np.random.default_rng(0)
    paired, pooled = (error_rates.rates(error_rates.drawn(test, random, 8000, 12, 3)) for test in ("paired", "pooled"))
    critical, shift = stats.t.ppf(1 - 0.05 / 11 / 2, 2), 3 * np.sqrt(3 / 2)
    exact = stats.nct.sf(critical, 2, shift) + stats.nct.cdf(-critical, 2, shift)
    assert paired["power"] == pytest.approx(exact, abs=0.01), "0.06, from the noncentral t distribution"
    assert pooled["power"] == pytest.approx(0.24, abs=0.02), "one row of 12 differs"
    assert pooled["power_all"] == pytest.approx(0.26, abs=0.02), "all differ"
    table = simulated_scores.table(random, 8000, np.ones(12), 3)
    unchecked = error_rates.rates(variance_choices.spreads_checked(table))
    assert unchecked["power"] == pytest.approx(0.65, abs=0.02), "what the check costs where all spreads are equal"


def test_rates_are_adjusted_by_holms_rule() -> None:
    chances = np.random.default_rng(0).uniform(size=(50, 4)) ** 3
    assert error_rates.holm_rows(chances) == pytest.approx(np.array([holm(row) for row in chances.tolist()]))


def test_moderated_variances_follow_smyth() -> None:
    values = np.array([0.01, 0.5, 1.6, 20.0])
    assert polygamma(1, variance_choices.inverse_trigamma(values)) == pytest.approx(values)
    random = np.random.default_rng(0)
    true = 4.0 * 6 / random.chisquare(6, size=200_000)  # d₀ = 6, s₀² = 4
    freedom, prior = variance_choices.squeeze(true * random.chisquare(5, size=true.shape) / 5, 5)
    assert (freedom.item(), prior.item()) == pytest.approx((6, 4), rel=0.05)


def test_three_looks_hold_the_level_of_one() -> None:
    rules = {name: declared_tests.RULES[name] for name in ("rising", "equal")}
    seen = [*declared_tests.looks(np.random.default_rng(0), 4000, rules=rules)]
    rising = {entry["test"]: entry for entry in seen if entry["rule"] == "rising"}
    assert rising["paired"]["levels"] == tuple(LEVELS.values())
    for entry in rising.values():
        assert max(entry["type_1"], entry["family"], entry["equal_type_1"]) <= MOST_ERRORS
    equal = {entry["test"]: entry for entry in seen if entry["rule"] == "equal"}
    for test, entry in rising.items():
        assert entry["power_2"] > equal[test]["power_2"], "why the levels rise"


def test_a_design_stops_what_is_decided() -> None:
    table = np.random.default_rng(0).normal(size=(5, 8)) * 0.3
    table[1] += 9
    outcome = declared_tests.design(table)
    assert (outcome["1"].look, outcome["1"].reading) == (3, "higher")
    assert len(outcome["1"].seeds.values) == 3
    assert {of.reading for row, of in outcome.items() if row != "1"} == {"equal"}


def test_scenes_are_as_they_are_called() -> None:
    random = np.random.default_rng(0)
    for name in simulated_scores.SPREADS:
        assert simulated_scores.spreads_of(random, name, 3, 12).shape == (3, 12)
    assert simulated_scores.spreads_of(random, "one row 5", 1, 4).tolist() == [[1, 5, 1, 1]]
    assert simulated_scores.spreads_of(random, "reference 2", 1, 3).tolist() == [[2, 1, 1]]
    drawn = simulated_scores.tasks_apart(random, 4000, 2, 3, [1.0, 4.0])
    assert drawn.mean(2).std() == pytest.approx(1, abs=0.03), "the mean over tasks has one point"
    assert simulated_scores.outcomes(random, 4000, 2, 3).mean(-1).std() == pytest.approx(np.sqrt(1.25), abs=0.03)


def test_the_program_writes_every_table(tmp_path: Path) -> None:
    app = Typer()
    app.command()(declared_tests.main)
    out = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["--out", str(out), "--draws", "40", "--designs", "3"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text(encoding="utf-8"))
    assert len(document["declared"]) == len(error_rates.TESTS) * 6
    assert {entry["choice"] for entry in document["unequal_spreads"]} == {*variance_choices.CHOICES}
    assert document["designs"][1]["effect"] == 3.0
