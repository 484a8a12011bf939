"""A candidate beside the champion: labels that changed, scores, flips and bounds, against numbers counted by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from adapter_workbench.experiments.gating.candidate.bounds import CandidateBounds, check_candidate
from adapter_workbench.experiments.gating.candidate.by_label import compare_labels
from adapter_workbench.experiments.gating.candidate.changed_answers import LONGEST, flips_of
from adapter_workbench.experiments.gating.candidate.comparison import compare, named
from adapter_workbench.experiments.gating.candidate.judged_rows import JudgedRows
from adapter_workbench.experiments.gating.candidate.mapped_answers import (
    NONE,
    Answers,
    answers_in,
    known_classes,
    told_apart,
)
from adapter_workbench.experiments.gating.candidate.report import verdict
from adapter_workbench.experiments.gating.candidate.tables import groups as groups_table
from adapter_workbench.experiments.gating.candidate.versions import VersionPair
from adapter_workbench.experiments.gating.gate import refusal
from adapter_workbench.experiments.reporting.cells import one_line
from adapter_workbench.tasks.updating.label_map import LabelMap, unchanged
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.paired_scores import chance_of_none
from adapter_workbench.workbench.measures.statistics import holm
from adapter_workbench.workbench.methods.task import Task

KEPT = unchanged("abc")
SWAPPED = LabelMap(("a", "b"), ("b", "a"), ((0,), (1,)))
MERGED = LabelMap(("a", "b", "c"), ("a", "money"), ((0,), (1, 2)))
SPLIT = LabelMap(("a", "b"), ("left", "right", "b"), ((0,), (0,), (1,)))
GROWN = LabelMap(("a", "b"), ("a", "b", "new"), ((0,), (1,), ()))
RETIRED = LabelMap(("a", "b", "other"), ("a", "b"), ((0,), (1,)))


def answered(labels: LabelMap, *probabilities: tuple[float, ...]) -> Answers:
    """Return the answers of an adapter with these probabilities for ``labels.before``."""
    return answers_in(np.log(np.array(probabilities, dtype=np.float32)), range(len(labels.before)), labels)


def given(names: tuple[str, ...], answers: str, confidence: float = 0.9) -> Answers:
    """Return answers by the first letters of labels; a dot is none of them."""
    letters = [name[0] for name in names]
    positions = [letters.index(letter) if letter in letters else NONE for letter in answers]
    words = tuple("gone (retired)" if position == NONE else names[position] for position in positions)
    return Answers(np.array(positions), np.full(len(answers), confidence), words)


def rows(gold: str, champion: str, candidate: str, old: str, labels: LabelMap = KEPT) -> JudgedRows:
    """Return judged rows, a letter each; ``old`` has a ``+`` for a row that the champion's version had."""
    names = tuple(labels.labels)
    letters = [name[0] for name in names]
    positions = np.array([letters.index(letter) for letter in gold])
    return JudgedRows(
        ids=tuple(f"row-{index}" for index in range(len(gold))),
        texts=tuple((f"text {index}",) for index in range(len(gold))),
        gold=positions,
        old=np.array([letter == "+" for letter in old]),
        known=np.isin(positions, told_apart(labels)),
        champion=given(names, champion),
        candidate=given(names, candidate, 0.7),
        names=names,
    )


def test_a_swap_of_two_names_is_read_by_their_sources() -> None:
    answers = answered(SWAPPED, (0.9, 0.1), (0.2, 0.8))
    assert [SWAPPED.labels[position] for position in answers.labels] == ["b", "a"], "what was called a is called b"
    judged = rows("ba", "ba", "ba", "++", SWAPPED)
    assert (judged.champion.labels == answers.labels).all()
    assert (flips_of(judged).lost, flips_of(judged).won) == ((), ())


def test_probabilities_of_merged_labels_are_added() -> None:
    answers = answered(MERGED, (0.4, 0.35, 0.25), (0.7, 0.2, 0.1))
    assert answers.words == ("money", "a")
    assert answers.confidence == pytest.approx([0.6, 0.7])
    assert told_apart(MERGED) == (0, 1)


def test_parts_of_a_split_label_are_not_told_apart() -> None:
    answers = answered(SPLIT, (0.9, 0.1), (0.1, 0.9))
    assert answers.labels.tolist() == [NONE, 2]
    assert answers.words == ("left or right", "b")
    assert told_apart(SPLIT) == (2,)


def test_new_and_retired_labels_are_nobodys() -> None:
    assert told_apart(GROWN) == (0, 1)
    assert len(known_classes(GROWN)) == 2
    answers = answered(RETIRED, (0.1, 0.1, 0.8), (0.5, 0.4, 0.1))
    assert answers.labels.tolist() == [NONE, 0], "it answers with a label that is gone"
    assert answers.words == ("other (retired)", "a")


def test_a_part_that_is_merged_with_another_label_is_one_class_with_the_other_part() -> None:
    """What was split into x and y, of which y has become one with z: neither x nor y can be told from the other."""
    labels = LabelMap(("s", "z"), ("x", "y"), ((0,), (0, 1)))
    (only,) = known_classes(labels)
    assert (only.sources, only.labels) == ((0, 1), (0, 1))


def test_labels_of_an_adapter_are_found_by_name() -> None:
    logits = np.array([[5.0, 1.0, 0.0]], dtype=np.float32)  # of an adapter with the order c, a, b
    assert answers_in(logits, [1, 2, 0], unchanged("abc")).labels.tolist() == [2]


def test_groups_have_the_shares_counted_by_hand() -> None:
    judged = rows("aaaabbbbnn", "aaabbbba..", "aabbbbbbna", "++++++--+-", GROWN)
    groups = compare(judged)
    found = {group.name: (group.rows, group.compared) for group in groups}
    assert found == {
        "old_rows": (7, 6),
        "new_rows": (3, 2),
        "old_labels": (8, 8),
        "label:new": (2, 0),
        "all_rows": (10, 8),
    }
    old, unknown, every = (named(groups, name) for name in ("old_rows", "label:new", "all_rows"))
    assert old is not None
    assert (old.champion and old.champion.mean, old.candidate and old.candidate.mean) == (5 / 6, 4 / 6)
    assert old.difference is not None
    assert old.difference.mean == pytest.approx(-1 / 6)
    assert unknown is not None
    assert (unknown.champion, unknown.candidate, unknown.difference) == (None, None, None), "not measured is not 0"
    assert unknown.candidate_on_all
    assert unknown.candidate_on_all.mean == 0.5
    assert every
    assert every.candidate_on_all
    assert every.candidate_on_all.mean == 0.7
    document = unknown.as_json()
    assert (document["champion"], document["planned"], document["reading"]) == (None, False, None)


def test_a_line_on_a_terminal_has_the_bounds_of_scores() -> None:
    """20 of 20: Wilson's bounds are n ÷ (n + z²) and 1, which no ± around 100 says."""
    report: Any = SimpleNamespace(metric="accuracy", groups=compare(rows("a" * 20, "a" * 20, "a" * 20, "+" * 20)))
    old = " ".join(map(one_line, groups_table(report).rows[0]))
    low = 100 * 20 / (20 + 1.959964**2)
    assert old.count(f"100.0 [{low:.1f}, 100.0]") == 3
    assert "±" not in old


def test_planned_are_old_and_new_rows_after_holm() -> None:
    """McNemar (1947) without correction: z = (b − c) ÷ √(b + c), two-sided; Holm over both."""
    lost, won = 12, 2
    gold = "a" * 40 + "b" * 30
    champion = "a" * 40 + "b" * 20 + "a" * 10
    candidate = "b" * lost + "a" * 28 + "b" * 28 + "a" * 2
    judged = rows(gold, champion, candidate, "+" * 40 + "-" * 30)
    groups = compare(judged)
    p = [math.erfc(lost / math.sqrt(lost) / math.sqrt(2)), math.erfc(8 / math.sqrt(8) / math.sqrt(2))]
    planned = [group for group in groups if group.verdict]
    assert [group.name for group in planned] == ["old_rows", "new_rows"]
    assert [group.verdict.p for group in planned if group.verdict] == pytest.approx(holm(p))
    assert [group.verdict.word for group in planned if group.verdict] == ["lower", "higher"]
    assert won == 2
    said = verdict(groups)
    assert "Old rows: the candidate has 70.0 %, the champion 100.0 %: lower." in said
    assert "higher." in said
    same = compare(rows("ab" * 100, "ab" * 100, "ab" * 100, "+" * 200))
    assert "equal within 2 points" in verdict(same)
    few = compare(rows("ab", "ab", "ab", "++"))
    assert "undecided" in verdict(few)
    none = compare(rows("nn", "..", "nn", "--", GROWN))
    assert "nothing can be compared. Label new" in verdict(none)


def test_old_and_new_rows_are_two_hypotheses_also_where_they_were_answered_alike() -> None:
    judged = rows("ab" * 20, "ab" * 20, "bb" * 10 + "bb" * 10, "+" * 20 + "-" * 20)
    old, new = (group.verdict for group in compare(judged) if group.verdict)
    assert (old.family, new.family) == (2, 2)
    alone = chance_of_none(np.array([0.0, 1.0] * 10), np.ones(20))
    assert [old.p, new.p] == pytest.approx(holm([alone, alone]))


def test_flips_are_counted_on_rows_that_the_champion_knows() -> None:
    """The negative flip rate of Yan et al. (2021): right before and wrong now, over all old rows."""
    judged = rows("aaaabbbbnn", "aaabbbba..", "aabbbbbbna", "++++++--+-", GROWN)
    flips = flips_of(judged)
    assert [(flip.row, flip.champion, flip.candidate) for flip in flips.lost] == [("row-2", "a", "b")]
    assert [flip.row for flip in flips.won] == ["row-7"]
    assert (flips.old_rows, flips.lost_on_old, flips.won_on_old) == (6, 1, 0)
    assert flips.negative_rate == pytest.approx(1 / 6)
    document = flips.as_json(0)
    assert (document["lost"]["ids"], document["lost"]["examples"]) == (["row-2"], [])
    long = JudgedRows(**{**vars(judged), "texts": (("word " * 1000, "second"),) * 10})
    assert len(flips_of(long).lost[0].text) == LONGEST


def test_labels_are_compared_one_by_one() -> None:
    judged = rows("aaaabbbbnn", "aaabbbba..", "aabbbbbbna", "++++++--+-", GROWN)
    first, second, third = compare_labels(judged, GROWN, (0, 1))
    assert (first.lost, first.won, second.lost, second.won) == (1, 0, 0, 1)
    assert first.champion
    assert (first.champion.recall, first.candidate.recall) == (3 / 4, 2 / 4)
    assert second.champion
    assert (second.champion.precision, second.candidate.precision) == (3 / 4, 4 / 6), "of the rows that both can answer"
    assert (third.champion, third.lost, third.difference, third.note) == (None, None, None, "new")
    assert (third.candidate.recall, third.candidate.precision) == (1 / 2, 1.0)
    names = {label.label: label.note for label in compare_labels(rows("lb", ".b", "lb", "++", SPLIT), SPLIT, (2,))}
    assert names == {"left": "split from a", "right": "split from a", "b": ""}


def test_bounds_have_the_figures_counted_by_hand() -> None:
    judged = rows("aaaabbbbnn", "aaabbbba..", "aabbbbbbna", "++++++--+-", GROWN)
    checks = list(check_candidate(judged, CandidateBounds(16.0, 17.0, 50.0)))
    assert [check.value for check in checks] == pytest.approx([100 / 6, 100 / 6, 50.0])
    assert [check.holds for check in checks] == [False, True, True]
    said = refusal(checks)
    assert said == "points lost on old rows: 16.67, at most 16.00 asked (6 old validation rows)"
    assert refusal(checks[1:]) == ""
    (worst,) = check_candidate(judged, CandidateBounds(min_new_label=60.0))
    assert (worst.holds, worst.note) == (False, "new, 2 validation rows")


@pytest.mark.parametrize("bound", [-1.0, 101.0, math.nan, math.inf])
def test_bounds_that_cannot_be_meant_are_refused(bound: float) -> None:
    for name in ("max_lost_on_old", "max_flips"):
        with pytest.raises(InputError):
            CandidateBounds(**{name: bound})
    with pytest.raises(InputError):
        CandidateBounds(min_new_label=0.5)


@pytest.mark.parametrize(
    ("labels", "gold", "old", "bounds", "named_in"),
    [
        (unchanged("ab"), [0, 1], {}, {"max_lost_on_old": 1.0}, "no validation row of t@2 with a label of t@1"),
        (SPLIT, [0, 1], {"0", "1"}, {"max_flips": 1.0}, "no validation row"),
        (unchanged("ab"), [0, 1], {"0"}, {"min_new_label": 50.0}, "none is new"),
        (GROWN, [0, 1], {"0"}, {"min_new_label": 50.0}, "no validation row of t@2 has the label new"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_a_model_is_opened(
    labels: LabelMap, gold: list[int], old: set[str], bounds: dict[str, Any], named_in: str
) -> None:
    split = Dataset.from_dict({"id": ["0", "1"], "text": ["x", "y"], "label": gold})
    task = Task("t", "classification", labels.labels, dict.fromkeys(("train", "validation", "test"), split), "f", "")
    versions = VersionPair(task, labels, frozenset(old), frozenset(), ("t@1", "t@2"))
    with pytest.raises(InputError, match=named_in):
        CandidateBounds(**bounds).require_measurable(versions)
    CandidateBounds().require_measurable(versions)
