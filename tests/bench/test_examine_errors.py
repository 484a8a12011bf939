"""How often an examination is wrong: rates with known truth, and answers that are those of `workbench examine`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from transformers import AutoModel, AutoTokenizer
from typer import Typer
from typer.testing import CliRunner

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.cli.examine import examine
from adapter_workbench.experiments.requests.examine import ROWS
from bench import examine_errors, examine_rates, examined_models
from bench.examine_rates import RULES, Population, chance, false_alarms, readings, rows_that_find
from tests.streams import write_tasks

TINY = ["--tasks", "animals,halves", "--trained-on", "fruits", "--sizes", "16,24", "--max-length", "16", "--draws", "5"]


def trainings(number: int, rows: int, disagreed: float) -> list[dict[str, Any]]:
    """Return models whose answers differ by chance alone: each is wrong on other rows."""
    random = np.random.default_rng(1)
    wrong = disagreed / 2
    return [{f"{task}/{rows}": random.random(rows) >= wrong for task in "abcde"} for _ in range(number)]


def test_the_same_weights_twice_give_no_alarm() -> None:
    (model,) = trainings(1, 100, 0.2)
    for entry in false_alarms(np.random.default_rng(0), [model, model], [100], 5):
        assert {entry[name] for name in ("lost", "any", "beyond_bound", *RULES)} == {0.0}


def test_where_neither_model_is_better_at_most_one_in_twenty_examinations_says_so() -> None:
    models = trainings(8, 400, 0.1)
    _, exchanged, *further = false_alarms(np.random.default_rng(0), models, [400], 20)
    assert [(entry["kind"], entry["rows"]) for entry in further] == [("exchanged", 800), ("exchanged", 1600)]
    assert exchanged["examinations"] == 28 * 20
    alarms = round(exchanged["any"] * exchanged["examinations"])
    assert binomtest(alarms, exchanged["examinations"], 0.05, alternative="greater").pvalue > 0.01
    assert exchanged["any"] > 0.01, "the test is not that of another level"
    assert exchanged["38 rows, 0.05"] > 0.5, "no rule without a test holds it"


def test_a_real_difference_is_an_alarm_until_the_answers_are_exchanged() -> None:
    first, second = trainings(2, 400, 0.02)
    worse = {key: right & (np.arange(400) % 4 > 0) for key, right in second.items()}
    as_they_are, exchanged, *_ = false_alarms(np.random.default_rng(0), [first, worse], [400], 20)
    assert (as_they_are["any"], as_they_are["lost"], as_they_are["beyond_bound"]) == (1.0, 0.5, 0.5)
    assert exchanged["any"] < 0.5


def test_the_p_is_that_of_mcnemar_and_adjusted_for_all_tasks() -> None:
    assert chance(20, 6, 400) == pytest.approx(0.00604, abs=1e-5)  # (20 − 6)² ÷ 26 = 7.54 on the χ² of 1
    assert readings([(20, 6)], 400) == ["lost"]
    assert readings([(20, 6)] + [(3, 3)] * 9, 400)[0] == "undecided", "ten times 0.006"
    assert readings([(6, 20), (0, 0)], 400) == ["gained", "undecided"]


def test_a_loss_is_found_as_often_as_theory_has_it() -> None:
    own = Population("damaged", "a", 400, (0.08, 0.03, 0.8, 0.09), 400)
    rest = [Population("damaged", task, 400, (0.0, 0.0, 0.9, 0.1), 400) for task in "bcde"]
    found = examine_rates.detection(np.random.default_rng(0), [own, *rest], 2000)
    rates = {entry["rows"]: entry for entry in found["detection"]}
    assert [*rates] == [400, 800, 1600], "heads of 400 rows say nothing of examinations of 100"
    # Connor 1987: z = (δ√n − 2.576 √q) ÷ √(q − δ²), with q = 0.11, δ = 0.05: 0.45 and 1.71
    assert rates[400]["alone"] == pytest.approx(0.674, abs=0.04)
    assert rates[800]["alone"] == pytest.approx(0.957, abs=0.04)
    assert rates[400]["together"] == rates[400]["alone"], "the other tasks did not change"
    assert rows_that_find(found["detection"]) == 800
    assert rows_that_find(found["detection"], points=2) is None


def test_the_default_number_of_rows_is_one_number() -> None:
    defaults = [inspect.signature(asked).parameters["rows"].default for asked in (examine, Workbench.examination_plan)]
    assert defaults == [ROWS, ROWS]


def test_rules_of_small_samples_alarm_beyond_their_bound() -> None:
    absolute, relative, tighter = RULES.values()
    assert not absolute.alarms([(0.9, 0.8), (0.5, 0.6)])
    assert absolute.alarms([(0.9, 0.9), (0.9, 0.75)])
    assert (absolute.alarms([(0.6, 0.5)]), relative.alarms([(0.6, 0.5)])) == (False, True)
    assert (tighter.alarms([(0.9, 0.85)]), tighter.alarms([(0.9, 0.84)])) == (False, True)


def test_the_spread_of_trainings_is_what_rows_do_not_explain() -> None:
    chance_alone = examine_rates.seeds_apart(trainings(12, 400, 0.1), 400)
    assert max(apart["deviation"] for apart in chance_alone.values()) < 0.01
    halves = [{"a/400": np.arange(400) < 400 * share} for share in (0.7, 0.8, 0.9)]
    assert examine_rates.seeds_apart(halves, 400)["a"]["deviation"] == pytest.approx(np.sqrt(0.02), abs=0.01)


@pytest.fixture(scope="module")
def document(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return the folder in which the program ran, with a tiny model, and what it wrote."""
    folder = tmp_path_factory.mktemp("errors")
    write_tasks(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(examined_models, "NOISE", (3.0,))
        patch.setattr(examined_models, "SCALES", ())
        patch.setattr(examined_models, "AGAINST", (0.003,))
        app = Typer()
        app.command()(examine_errors.main)
        words = ["--out", "found.json", "--workspace", "space", "--backbone", str(bert), "--seeds", "3", *TINY]
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        first = json.loads((folder / "found.json").read_text(encoding="utf-8"))
        patch.setattr(examined_models, "answers", None)  # what was asked is not asked again
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
        again = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    assert {**again, "provenance": None} == {**first, "provenance": None}
    return folder, first


def test_the_program_asks_each_model_once(document: tuple[Path, dict[str, Any]]) -> None:
    _, found = document
    assert [*found["scores"]] == ["seed-0", "seed-1", "seed-2", "base", "noise-3.0", "against-0.003"]
    assert [(entry["kind"], entry["rows"], entry["pairs"]) for entry in found["false_alarms"]][:4] == [
        ("seeds", 16, 3),
        ("exchanged", 16, 3),
        ("seeds", 24, 3),
        ("exchanged", 24, 3),
    ]
    assert {entry["model"] for entry in found["populations"]} == {"noise-3.0", "against-0.003"}


def test_its_answers_are_those_of_an_examination(document: tuple[Path, dict[str, Any]], bert: Path) -> None:
    folder, found = document
    workbench = Workbench(folder / "space", [folder / "tasks"])
    circumstances = examined_models.Circumstances(workbench, str(bert), (), "fruits", (16, 24), 16)
    damaged = examined_models.noised(circumstances, 3.0)
    whole = AutoModel.from_pretrained(bert)
    with torch.no_grad():
        for own, weights in zip(whole.parameters(), damaged.body.parameters(), strict=True):
            own.copy_(weights)
    whole.save_pretrained(folder / "damaged")
    AutoTokenizer.from_pretrained(bert).save_pretrained(folder / "damaged")
    tasks, settings = ["animals", "halves"], ["budget.max_length=16", "budget.precision=fp32"]
    plan = workbench.examination_plan(str(bert), [str(folder / "damaged")], tasks, [], 24, "damaged", settings)
    (given,) = workbench.run(plan).strategies
    expected = [[found["scores"][name][f"{task}/24"] for task in tasks] for name in ("base", "noise-3.0")]
    np.testing.assert_allclose(given.matrix, expected)
    assert expected[0] != expected[1], "the damage changed what is answered"
