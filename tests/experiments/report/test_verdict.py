"""The two sentences: wins, losses, what cannot be told, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter_workbench.experiments.reporting.cells import gap, plain
from adapter_workbench.experiments.reporting.differences import Difference, gap_in_words
from adapter_workbench.experiments.reporting.presentation import Paragraph
from adapter_workbench.experiments.reporting.wording import (
    bounds,
    count,
    decimal,
    megabytes,
    number,
    probability,
    seconds,
)
from adapter_workbench.experiments.studies.stream.page.present import present
from adapter_workbench.experiments.studies.stream.results.summary import evidence, summarise
from adapter_workbench.experiments.studies.stream.results.verdict import verdict as verdict_on
from adapter_workbench.workbench.measures.statistics import Interval

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.stream.results.record import Record
    from adapter_workbench.experiments.studies.stream.results.report import Report


def test_a_win_is_said_in_plain_sentences_and_the_numbers_stand_below(report: Report) -> None:
    assert report.verdict == (
        "full-sequential lost 24.1 of the 92.1 points learned before. "
        "lora-isolated lost none: every answer is the same as before, bit for bit. "
        "Ended higher than full-sequential: full-joint (+18.6), lora-isolated (+16.9), full-replay (+13.4), "
        "lora-sequential (+4.4). lora-sequential forgot 8.2 points less than full-sequential. "
        "full-replay forgot 17.9 points less than full-sequential."
    )
    forgotten, last, learned, basis = report.evidence
    assert forgotten.startswith("Forgotten: full-sequential 24.1 points, lora-isolated 0.0 points; 24.1 less [")
    assert last.startswith(
        "After the last task: full-sequential 73.3 %, lora-isolated 90.3 %; 16.9 higher [15.3, 18.6], p"
    )
    assert learned.startswith("Right after each task: full-sequential 91.4 %, lora-isolated 90.3 %; undecided (p = ")
    assert basis == (
        "Over 4 tasks and 3 seeds; in brackets 95 % intervals; paired t-test over seeds, of the average over test "
        "examples too, p adjusted for 4 comparisons (Holm)."
    )


def test_sentences_call_an_entry_by_the_title_of_the_recipe(record: Record) -> None:
    first, second, *rest = record.entries
    titled = (replace(first, title="Isolated LoRAs"), replace(second, title="Full fine-tuning"), *rest)
    verdict = summarise(replace(record, entries=titled)).verdict
    assert verdict.startswith("Full fine-tuning lost 24.1 of the 92.1 points learned before. Isolated LoRAs lost none")


def test_a_loss_is_said_as_plainly(record: Record) -> None:
    swapped = summarise(replace(record, reference="lora-isolated"))
    assert swapped.verdict == (
        "lora-isolated lost none: every answer is the same as before, bit for bit. "
        "full-sequential lost 24.1 of the 92.1 points learned before. "
        "Ended higher than lora-isolated: full-joint (+1.7). Lower: full-sequential (−16.9), lora-sequential (−12.5), "
        "full-replay (−3.6). lora-sequential forgot 15.9 points more than lora-isolated. "
        "full-replay forgot 6.2 points more than lora-isolated."
    )
    assert "; 24.1 more [" in swapped.evidence[0]
    assert "16.9 lower [15.3, 18.6]" in swapped.evidence[1]


def test_what_may_be_chance_says_so_without_an_interval_that_seems_to_decide(record: Record) -> None:
    """An interval of the difference alone may exclude 0 where p, adjusted for all, is above 0.05."""
    report = summarise(record)
    ours = report.strategies[0]
    unsure = replace(ours.differences["forgetting"], p=0.02, adjusted=0.079)
    strategies = (replace(ours, differences={**ours.differences, "forgetting": unsure}), *report.strategies[1:])
    assert "Which of lora-isolated and full-sequential forgets less is undecided" in verdict_on(record, strategies)
    assert evidence(record, strategies)[0].endswith("lora-isolated 0.0 points; undecided (p = 0.079).")


def test_one_seed_has_no_interval(one_seed: Record) -> None:
    report = summarise(one_seed)
    assert "bit for bit. This is one seed: only several can tell how much of it is chance. Ended " in report.verdict
    assert report.evidence[0] == "Forgotten: full-sequential 23.4 points, lora-isolated 0.0 points."
    assert report.evidence[-1] == "Over 4 tasks and one seed, so no test over seeds."


def test_scores_are_those_of_the_seeds_that_are_compared(record: Record, one_seed: Record) -> None:
    """What only one of the two has finished would shift its score, and not the difference."""
    half = tuple(outcome for outcome in record.outcomes if outcome.seed == 0 or outcome.label != "lora-isolated")
    two = record.entries[:2]
    report = summarise(replace(record, outcomes=half, entries=two))
    alone = summarise(replace(one_seed, entries=two))
    assert report.verdict == alone.verdict.replace("one seed", "one of 3 seeds so far")
    assert report.evidence[:3] == alone.evidence[:3]


def test_one_task_has_no_forgetting(record: Record) -> None:
    first = tuple(outcome for outcome in record.outcomes if outcome.stage == 1 and outcome.cells)
    short = replace(
        record, tasks=record.tasks[:1], orders=(record.tasks[:1],), test_sizes=(400,), majority=(0.2,), outcomes=first,
        examples={}, entries=record.entries[:2],
    )  # fmt: skip
    assert summarise(short).verdict.startswith("Forgetting is not defined for a stream of one task")


def test_the_recipe_decides_whom_the_verdict_is_about_not_the_result(record: Record) -> None:
    backwards = summarise(replace(record, entries=record.entries[::-1]))
    assert "full-replay lost 6.2 of the 91.9 points learned before." in backwards.verdict


def test_a_single_strategy_has_nothing_beside_it(record: Record) -> None:
    alone = replace(record, entries=record.entries[1:2])
    assert summarise(alone).verdict.startswith("There is nothing to compare")
    paragraphs = [block.text for block in present(summarise(alone)).blocks if isinstance(block, Paragraph)]
    assert not [text for text in paragraphs if "higher" in text], "no legend of marks that stand nowhere"


@pytest.mark.parametrize(("reference", "word"), [("full-sequential", "higher"), ("full-joint", "lower")])
def test_joint_training_is_compared_in_what_it_has(record: Record, reference: str, word: str) -> None:
    only = (record.entries[1], record.entries[4])
    report = summarise(replace(record, entries=only, reference=reference))
    first, second = (entry.label for entry in only if entry.label != reference), reference
    assert report.verdict.startswith("Forgetting cannot be compared: full-joint was not tested after each stage. ")
    assert report.verdict.endswith(f"{next(first)} ended 18.6 points {word} than {second}.")
    last = report.evidence[0]
    assert last.startswith("After the last task: ")
    assert "full-joint 92.0 %" in last
    assert "full-sequential 73.3 %" in last


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(0.9312), "93.1"),
        (number(-0.0001), "0.0"),
        (number(-0.05, signed=True), "−5.0"),
        (number(0.05, signed=True), "+5.0"),
        (number(None), "–"),
        (decimal(-0.0123, 3), "−0.012"),
        (decimal(-0.0004, 3), "0.000"),
        (probability(0.0004), "p < 0.001"),
        (probability(0.0496, 0.05), "p = 0.0496"),  # below the level, which 0.050 is not
        (probability(0.0504, 0.05), "p = 0.050"),
        (probability(0.0123, 0.012), "p = 0.012"),  # not below it, and 0.012 is not either
        (probability(0.00297, 0.003), "p = 0.00297"),
        (bounds(Interval(0.5, 0.4, 0.6)), "[40.0, 60.0]"),
        (bounds(Interval(-0.5, -0.6, -0.4), -1), "[40.0, 60.0]"),
        (seconds(3.21), "3.2 s"),
        (seconds(185), "3 min 05 s"),
        (seconds(7800), "2 h 10 min"),
        (seconds(59.7), "1 min 00 s"),
        (megabytes(1.84), "1.8 MB"),
        (megabytes(1340), "1.3 GB"),
        (count(22_700_000), "22.7 M"),
        (count(148_000), "148 k"),
        (count(940), "940"),
    ],
)
def test_numbers_read_well(text: str, expected: str) -> None:
    assert text == expected


def test_means_in_a_unit_of_their_own_have_a_proper_minus() -> None:
    cell = plain(Interval(-0.0123, -0.03, -0.0001))
    assert (cell.text, cell.spread) == ("−0.012", "[−0.030, 0.000]")


def test_what_is_decided_has_a_p_that_says_so() -> None:
    """Held against a level of 0.05: 0.0498 would round to it, and stand beside 'higher'."""
    difference = Difference(Interval(0.02, 0.0001, 0.04, (0.01, 0.02, 0.03)), p=0.0498)
    assert "p = 0.0498" in gap_in_words(difference, "lower", "higher", "entries")
    assert gap(replace(difference, adjusted=0.0498)).notes[-1] == "p = 0.0498"
