"""The two sentences: wins, losses, what cannot be told, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from experiments.reporting.wording import bounds, count, megabytes, number, seconds
from experiments.studies.stream.summary import summarise
from workbench.statistics import Interval

if TYPE_CHECKING:
    from experiments.studies.stream.record import Record
    from experiments.studies.stream.report import Report


def test_a_win_names_both_numbers_and_the_interval(report: Report) -> None:
    assert report.verdict.startswith(
        "lora-isolated forgot exactly 0 points where full-sequential forgot 24.1 (4 tasks, 3 seeds): 24.1 points less, "
        "95 % interval ["
    )
    assert "Right after each task it scored 90.3 % (learning accuracy) against 91.4 %, not distinguishable" in (
        report.verdict
    )
    assert report.verdict.count(". ") == 1, "two sentences"


def test_a_loss_is_said_as_plainly(record: Record) -> None:
    swapped = replace(record, reference="lora-isolated")
    verdict = summarise(swapped).verdict
    assert verdict.startswith(
        "full-sequential forgot 24.1 points where lora-isolated forgot 0.0 (4 tasks, 3 seeds): 24.1"
    )
    assert "points more, 95 % interval [" in verdict
    assert "73.3 % on average against 90.3 %, 16.9 points lower, 95 % interval [15.6, 18.2]" in verdict


def test_one_seed_has_no_interval(one_seed: Record) -> None:
    verdict = summarise(one_seed).verdict
    assert "(4 tasks, one seed, so no interval)" in verdict
    assert "95 %" not in verdict


def test_scores_are_those_of_the_seeds_that_are_compared(record: Record, one_seed: Record) -> None:
    """What only one of the two has finished would shift its score, and not the difference."""
    half = tuple(outcome for outcome in record.outcomes if outcome.seed == 0 or outcome.strategy != "lora-isolated")
    two = record.contenders[:2]
    verdict = summarise(replace(record, outcomes=half, contenders=two)).verdict
    alone = summarise(replace(one_seed, contenders=two)).verdict
    assert verdict == alone.replace("one seed, so no interval", "one of 3 seeds so far, so no interval")


def test_one_task_has_no_forgetting(record: Record) -> None:
    first = tuple(outcome for outcome in record.outcomes if outcome.stage == 1 and outcome.cells)
    short = replace(
        record, tasks=record.tasks[:1], orders=(record.tasks[:1],), test_sizes=(400,), majority=(0.2,), outcomes=first,
        examples={}, contenders=record.contenders[:2],
    )  # fmt: skip
    assert summarise(short).verdict.startswith("Forgetting is not defined for a stream of one task")


def test_the_recipe_decides_whom_the_verdict_is_about_not_the_result(record: Record) -> None:
    backwards = replace(record, contenders=record.contenders[::-1])
    assert summarise(backwards).verdict.startswith("full-replay forgot")


def test_a_single_strategy_has_nothing_beside_it(record: Record) -> None:
    alone = replace(record, contenders=record.contenders[1:2])
    assert summarise(alone).verdict.startswith("There is nothing to compare")


def test_joint_training_is_compared_in_what_it_has(record: Record) -> None:
    only = replace(record, contenders=(record.contenders[1], record.contenders[4]))
    verdict = summarise(only).verdict
    assert verdict.startswith("Forgetting cannot be compared: full-joint was not tested after each stage")
    assert "After the last task full-joint stands at 92.0 % on average against 73.3 %" in verdict


def test_a_verdict_that_begins_with_somebody_else_names_its_strategy(record: Record) -> None:
    """Else the sentence would be about the strategy that was not tested."""
    against_joint = replace(record, contenders=(record.contenders[4], record.contenders[1]), reference="full-joint")
    verdict = summarise(against_joint).verdict
    assert verdict.startswith("Forgetting cannot be compared: full-joint was not tested")
    assert "the last task full-sequential stands at 73.3 % on average" in verdict


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(0.9312), "93.1"),
        (number(-0.0001), "0.0"),
        (number(-0.05, signed=True), "−5.0"),
        (number(0.05, signed=True), "+5.0"),
        (number(None), "–"),
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
