"""Declared tests hold their level on scores as they occur, or a verdict says what it speaks of: a smaller run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from bench import occurring_rates, occurring_scores, scores_that_occur

MOST_ERRORS = 0.055
NOISE = 3  # standard errors by which a rate of this smaller run may be above it
ROOT = Path(__file__).parents[2]
PAGE, DOCUMENT = ROOT / "docs/evidence/scores-that-occur.md", ROOT / "docs/results/scores-that-occur.json"


def bound(number: int) -> float:
    return MOST_ERRORS + NOISE * float(np.sqrt(MOST_ERRORS / number))


def test_tasks_that_move_together_are_not_taken_for_independent_ones() -> None:
    number = 2000
    seen = [*occurring_rates.together(np.random.default_rng(1), number)]
    assert max(max(entry["now"], entry["now_equal"], entry["now_family"]) for entry in seen) <= bound(number)
    worst = [entry for entry in seen if entry["tasks"] == 10 and entry["correlation"] == 0.2]
    assert min(entry["before"] for entry in worst) > 0.2, "what it was without the check"
    apart = [entry for entry in seen if entry["rows"] == 12 and entry["seeds"] == 8 and not entry["correlation"]]
    assert min(entry["now_found"] for entry in apart) > 0.85, "and it finds what is there"


def test_rows_of_the_spreads_that_were_measured_are_not_pooled() -> None:
    number = 4000
    seen = [*occurring_rates.spreads(np.random.default_rng(1), number)]
    assert max(max(entry["now"], entry["now_equal"], entry["now_family"]) for entry in seen) <= bound(number)
    assert seen[0]["before"] > 0.1, "three seeds, without the check"


def test_what_is_near_zero_is_not_equal_because_its_spread_is_small() -> None:
    number = 10_000
    seen = [*occurring_rates.near_floor(np.random.default_rng(1), number)]
    binomial = [entry for entry in seen if not entry["spread"]]
    assert max(entry["now"] for entry in binomial) <= 0.05
    assert max(entry["before"] for entry in binomial) > 0.07
    assert max(entry["now"] for entry in seen) > 0.06, "what it does not help against, as the page says"
    assert all(entry["now_found"] > entry["before_found"] - 0.05 for entry in seen)


def test_no_test_of_the_mean_allows_for_a_collapse_and_the_verdict_says_what_it_speaks_of() -> None:
    seen = [*occurring_rates.collapses(np.random.default_rng(1), 5000)]
    assert max(entry["false_of_mean"] for entry in seen) > 0.35
    assert max(entry["false_of_both"] for entry in seen) <= 0.028
    assert max(entry["false_as_said"] for entry in seen) <= 0.028
    assert {entry["seeds"] for entry in seen} == {0, 3, 5, 8}, "and at looks"
    said = {
        (entry["spread"], entry["seeds"]): entry["said"]
        for entry in occurring_rates.false_collapses(np.random.default_rng(1), 5000)
    }
    assert said[1.0, 5] <= 0.001
    assert said[3.0, 3] <= 0.1


def test_looks_hold_their_level_together() -> None:
    number = 2500
    seen = [*occurring_rates.at_looks(np.random.default_rng(1), number)]
    assert max(max(entry["now"], entry["now_family"], entry["now_equal"]) for entry in seen) <= bound(number)


def test_stored_results_are_drawn_again_with_their_covariances() -> None:
    stored = {of.name: of for of in occurring_scores.stored()}
    assert {"20news-10", "drifting", "quickstart-8", "compare-methods"} <= {*stored}
    drifting = stored["drifting"]
    drawn = drifting.drawn(np.random.default_rng(0), 20_000, 3)
    assert drawn.shape == (20_000, 9, 3, 3)
    known = np.cov(drifting.table.reshape(-1, drifting.table.shape[-1]))
    again = np.cov(drawn[..., 0].reshape(20_000, -1).T)
    assert again == pytest.approx(known, abs=0.05 * known.max())
    assert np.abs(drawn.mean((0, 3))).max() < 0.1, "no row differs"


def test_the_page_has_the_tables_of_the_file() -> None:
    page, document = PAGE.read_text(encoding="utf-8"), json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert scores_that_occur.with_tables(page, document) == page
    changed = json.loads(json.dumps(document))
    changed["spreads"][0]["now"] = 0.5
    assert scores_that_occur.with_tables(page, changed) != page


def test_the_program_writes_every_part(tmp_path: Path) -> None:
    app = Typer()
    app.command()(scores_that_occur.main)
    out, page = tmp_path / "rates.json", tmp_path / "page.md"
    page.write_text("<!-- spreads -->\n\n| a |\n| --- |\n\n<!-- end -->\n", encoding="utf-8")
    options = ["--out", str(out), "--page", str(page), "--draws", "80"]
    done = CliRunner().invoke(app, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert {*json.loads(out.read_text(encoding="utf-8"))} == {"provenance", *scores_that_occur.PARTS}
    assert "| `20news-10` |" in page.read_text(encoding="utf-8")
