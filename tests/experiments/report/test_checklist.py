"""The referee's checklist: answered from the JSON document of a report, of every study and of earlier versions."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.reporting.declared_test import DeclaredTest
from adapter_workbench.experiments.reporting.families import in_family
from adapter_workbench.experiments.reporting.page import page as drawn_page
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.studies import checked, present
from adapter_workbench.experiments.studies.core.checklist import (
    CONTROL,
    FAMILY,
    FROZEN,
    GRID,
    ONE_THING,
    QUESTIONS,
    SEEDS,
    TEST,
    UNEQUAL,
    VALIDATION,
)
from adapter_workbench.experiments.studies.core.planned import settled
from adapter_workbench.experiments.studies.core.tune import LearningRateTrial
from adapter_workbench.experiments.studies.core.widening import is_exhausted
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.summary import summarise
from adapter_workbench.workbench.measures.looks import LOOKS, levels
from tests.experiments.report.finished import FINISHED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.reporting.differences import Difference

ROOT = math.sqrt(10)


def answers(document: dict[str, Any]) -> dict[str, bool | None]:
    """Return question → whether the answer is yes."""
    found = checked(document)
    assert found is not None
    return {answer.question: answer.holds for answer in found.answers}


def said(document: dict[str, Any], question: str) -> str:
    """Return what an answer goes by."""
    found = checked(document)
    assert found is not None
    return next(answer.answer for answer in found.answers if answer.question == question)


@pytest.fixture
def stream() -> dict[str, Any]:
    """A stream: isolated with its LoRA is compared with sequential in full, over two seeds."""
    return deepcopy(FINISHED["stream"]().as_json())


@pytest.fixture
def methods() -> dict[str, Any]:
    """Two methods, of which the first tried 0.02, and 0.2, which failed."""
    return deepcopy(FINISHED["methods"]().as_json())


@pytest.mark.parametrize("study", FINISHED)
def test_every_report_has_it_in_every_medium(study: str) -> None:
    report = FINISHED[study]()
    shown, document = present(report), report.as_json()
    assert [answer["question"] for answer in document["checklist"]] == [*QUESTIONS]
    assert answers(document) == {answer["question"]: answer["holds"] for answer in document["checklist"]}
    (table,) = (table for table in shown.tables if table.name == "checklist")
    assert [row[0].text for row in table.rows] == [*QUESTIONS]
    assert "The referee's checklist" in drawn_page(shown, {}).replace("&#x27;", "'").replace("&#39;", "'")
    lines = [getattr(block, "text", "") for block in shown.blocks]
    asked = [answer["holds"] for answer in document["checklist"] if answer["holds"] is not None]
    assert any(f"yes to {sum(asked)} of {len(asked)} questions" in line for line in lines)


def test_who_differs_in_two_things_is_named(stream: dict[str, Any]) -> None:
    assert answers(stream)[CONTROL] is True
    assert answers(stream)[ONE_THING] is False
    assert "isolated and sequential: strategy and method" in said(stream, ONE_THING)
    stream["strategies"]["isolated"]["method"] = "full"
    assert answers(stream)[ONE_THING] is True


def test_an_entry_without_a_comparison_has_no_control(stream: dict[str, Any]) -> None:
    stream["strategies"]["lonely"] = {**stream["strategies"]["isolated"], "comparison": None}
    assert answers(stream)[CONTROL] is False
    assert "lonely" in said(stream, CONTROL)


def test_a_stream_without_a_head_on_the_frozen_model_says_that_it_lacks_it(stream: dict[str, Any]) -> None:
    """Of answers that are generated there is no head, and of checkpoints none was asked for."""
    assert answers(stream)[FROZEN] is False
    assert "whether adapting the model pays" in said(stream, FROZEN)
    assert answers({**stream, "answers": "generated"})[FROZEN] is None
    given = {label: {**row, "strategy": "given"} for label, row in stream["strategies"].items()}
    assert answers({**stream, "strategies": given})[FROZEN] is None
    stream["strategies"]["frozen"] = {**stream["strategies"]["isolated"], "method": "head"}
    assert answers(stream)[FROZEN] is True
    assert said(stream, FROZEN) == "A head alone is trained by frozen."


@pytest.mark.parametrize("study", sorted(FINISHED.keys() - {"stream"}))
def test_another_study_is_not_asked_for_a_head(study: str) -> None:
    assert answers(FINISHED[study]().as_json())[FROZEN] is None


def test_a_stream_whose_answers_are_generated_says_so() -> None:
    record = FINISHED["stream"]().record
    assert isinstance(record, Record)
    kinds = dict.fromkeys(record.tasks, "causal-lm")
    assert summarise(replace(record, kinds=kinds)).as_json()["answers"] == "generated"
    assert "answers" not in summarise(record).as_json()


def test_two_seeds_are_too_few_for_a_paired_test(stream: dict[str, Any]) -> None:
    assert answers(stream)[SEEDS] is False
    assert answers({**stream, "seeds": [0, 1, 2]})[SEEDS] is True
    assert said(stream, SEEDS).startswith("2 seeds, at most 1 degree of freedom over seeds; "), "examples add to it"


def test_identical_tests_that_are_counted_twice_are_found(stream: dict[str, Any]) -> None:
    """Two rows of the same differences: p after Holm is that of one test, not twice that."""
    assert answers(stream)[FAMILY] is True
    stream["strategies"]["again"] = deepcopy(stream["strategies"]["isolated"])
    assert answers(stream)[FAMILY] is True
    for label in ("isolated", "again"):
        comparison = stream["strategies"][label]["comparison"]["average_accuracy"]
        comparison["p_holm"] = min(1.0, 2 * comparison["p"])
    assert answers(stream)[FAMILY] is False
    assert "average accuracy" in said(stream, FAMILY)


def test_equal_differences_of_other_examples_are_two_tests(stream: dict[str, Any]) -> None:
    """Their p differ, since another sample of examples would change them by other amounts."""
    stream["strategies"]["again"] = deepcopy(stream["strategies"]["isolated"])
    for label, p in (("isolated", 0.02), ("again", 0.03)):
        stream["strategies"][label]["comparison"]["average_accuracy"] |= {"p": p, "p_holm": 0.04}
    assert answers(stream)[FAMILY] is True


def test_a_family_with_a_row_that_no_recipe_asks_for_is_found(stream: dict[str, Any]) -> None:
    """p was adjusted for two tests, and the document has one."""
    forgetting = stream["strategies"]["isolated"]["comparison"]["forgetting"]
    forgetting["p"], forgetting["p_holm"] = 0.02, 0.04
    assert answers(stream)[FAMILY] is False


def test_families_that_differ_in_size_have_no_identical_tests_for_that(stream: dict[str, Any]) -> None:
    """Two rows have average accuracy, and one has forgetting: nothing is tested twice."""
    stream["strategies"]["again"] = deepcopy(stream["strategies"]["isolated"])
    for label, values in (("isolated", [0.1, 0.12]), ("again", [0.2, 0.25])):
        comparison = stream["strategies"][label]["comparison"]["average_accuracy"]
        comparison |= {"values": values, "p": 0.03, "p_holm": 0.06}
    for metric in ("forgetting", "learning_accuracy"):
        stream["strategies"]["again"]["comparison"].pop(metric, None)
    assert "2 planned comparisons" in said(stream, FAMILY)
    assert "Identical" not in said(stream, FAMILY)


def test_p_that_was_read_at_a_look_is_not_adjusted_with_p_of_later_ones(stream: dict[str, Any]) -> None:
    """A is decided after 3 seeds, with the smallest p of three; after 5 seeds B has a smaller one than A had.

    Adjusted anew over what the document has, the p of A would be doubled, and it was trebled when it was read.
    """
    seen = {
        "A": [0.050, 0.0535, 0.0515],
        "B": [0.030, 0.040, 0.035, 0.033, 0.037],
        "C": [0.001, -0.025, 0.02, 0.015, -0.015, 0.0, 0.004, -0.001],
    }
    by_look: dict[int, dict[str, dict[str, Difference]]] = {}
    for look, level in levels(LOOKS).items():
        gaps = {label: paired(values[:look], range(len(values[:look]))) for label, values in seen.items()}
        by_look[look] = {"average_accuracy": in_family(gaps, DeclaredTest(margin=0.02, level=level))}
    family = settled(by_look, "average_accuracy")["average_accuracy"]
    assert [(of.look, of.reading) for of in family.values()] == [(3, "higher"), (5, "higher"), (8, "equal")]
    isolated = stream["strategies"].pop("isolated")
    for label, of in family.items():
        comparison = {"against": "sequential", "average_accuracy": of.as_json()}
        stream["strategies"][label] = {**isolated, "comparison": comparison}
    assert answers(stream)[FAMILY] is False, "without looks these p are not those of one family"
    assert answers({**stream, "looks": list(LOOKS)})[FAMILY] is None
    assert "looks" in said({**stream, "looks": list(LOOKS)}, FAMILY)


def test_a_grid_has_to_enclose_its_pick(methods: dict[str, Any]) -> None:
    assert answers(methods)[GRID] is False
    assert "not widened: full on animals" in said(methods, GRID)
    (search,) = methods["methods"]["full"]["tuning"]
    search["attempts"] = [*trials({0.002: 0.7, 0.02: 0.8, 0.2: None})]
    assert answers(methods)[GRID] is True
    search["attempts"] = [*trials({0.02: 0.6, 0.2: 0.7, 0.2 * ROOT: 0.8, 2.0: 0.9})]
    search["chosen"] = 2.0
    assert "widened as far as allowed: full on animals" in said(methods, GRID)


def test_the_pick_is_the_rate_that_validates_best(methods: dict[str, Any]) -> None:
    assert answers(methods)[VALIDATION] is True
    (search,) = methods["methods"]["full"]["tuning"]
    search["seed"] = 0
    assert "a seed that is compared: full on animals" in said(methods, VALIDATION)
    search["attempts"], search["seed"] = [*trials({0.02: 0.6, 0.2: 0.7})], 100
    assert answers(methods)[VALIDATION] is False


def test_what_a_document_does_not_tell_has_no_answer(stream: dict[str, Any]) -> None:
    old = {name: value for name, value in stream.items() if name not in ("test", "margin", "not_equal")}
    for comparison in (row["comparison"] for row in old["strategies"].values()):
        for metric in (comparison or {}).values():
            if isinstance(metric, dict):
                metric.pop("p", None)
    found = answers(old)
    assert [found[question] for question in (TEST, UNEQUAL, FAMILY, GRID)] == [None] * 4
    assert checked({"experiment": "benchmark", "runs": []}) is None


@pytest.mark.parametrize(
    ("rates", "best", "exhausted"),
    [
        ([1, 2, 3], 3, False),
        ([1, 3, 3 * ROOT], 3 * ROOT, False),
        ([1, 3, 3 * ROOT, 30], 30, True),
        ([1, 3, 1 / ROOT, 0.1], 0.1, True),
        ([1, 3, 1 / ROOT, 0.1], 1, False),
        ([10, 50], 50, True),  # a rate above 100 is taken by no method
    ],
)
def test_a_search_is_exhausted_two_rates_beyond_its_range(rates: list[float], best: float, exhausted: bool) -> None:
    tried = [LearningRateTrial(rate, float(rate == best), -1.0, 1.0) for rate in rates]
    assert is_exhausted(tried) is exhausted


def trials(scores: dict[float, float | None]) -> Iterator[dict[str, Any]]:
    """Yield a trial for each rate, as a document has it."""
    for rate, score in scores.items():
        likelihood = None if score is None else -0.5
        yield {"learning_rate": rate, "validation": score, "log_likelihood": likelihood, "seconds": 1.0}
