"""A plain sentence for each planned comparison, its test in small print, and one sentence for many."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from adapter_workbench.experiments.reporting.differences import Difference, basis
from adapter_workbench.experiments.reporting.plain_verdicts import (
    ENDED,
    FEW,
    NAMED,
    SCORED,
    ComparisonInWords,
    MetricWords,
    Named,
    sentences,
    small_prints,
)
from adapter_workbench.experiments.reporting.replications import paired
from adapter_workbench.experiments.reporting.to_decide import ToDecide
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.studies.stream.results.verdict import FORGOT, LEARNED
from adapter_workbench.workbench.measures.statistics import Interval, interval
from tests.experiments.report.finished import FINISHED

LORA, FULL = Named("lora", "Isolated LoRAs"), Named("full", "Full fine-tuning")
HIGHER = Difference(Interval(0.023, 0.018, 0.028), p=0.002, adjusted=0.004, family=6, margin=0.02, p_equal=0.7)
EQUAL = Difference(Interval(0.001, -0.01, 0.012), p=0.8, adjusted=1.0, family=6, margin=0.02, p_equal=0.011)
OPEN = Difference(Interval(0.01, -0.02, 0.04, (0.0, 0.01, 0.02)), p=0.3, adjusted=0.9, family=6, margin=0.02)


def between(difference: Difference, words: MetricWords = ENDED, entry: Named = LORA) -> ComparisonInWords:
    return ComparisonInWords(entry, FULL, words, difference)


def turned(difference: Difference) -> Difference:
    assert difference.seeds.mean is not None
    return replace(difference, seeds=Interval(-difference.seeds.mean, -0.028, -0.018))


@pytest.mark.parametrize(
    ("difference", "words", "expected"),
    [
        (HIGHER, ENDED, "Isolated LoRAs ended 2.3 points higher than full fine-tuning."),
        (turned(HIGHER), ENDED, "Isolated LoRAs ended 2.3 points lower than full fine-tuning."),
        (turned(HIGHER), FORGOT, "Isolated LoRAs forgot 2.3 points less than full fine-tuning."),
        (HIGHER, LEARNED, "Isolated LoRAs scored 2.3 points higher right after each task than full fine-tuning."),
        (EQUAL, ENDED, "Isolated LoRAs and full fine-tuning are equal within 2 points at the end."),
        (EQUAL, FORGOT, "Isolated LoRAs and full fine-tuning are equal within 2 points in forgetting."),
        (OPEN, ENDED, "Which of isolated LoRAs and full fine-tuning ends higher is undecided."),
        (
            replace(OPEN, to_decide=ToDecide(7, 2.0)),
            FORGOT,
            "Which of isolated LoRAs and full fine-tuning forgets less is undecided; 7 seeds (4 more: about 2 h 00 min)"
            " would probably decide.",
        ),
        (
            replace(OPEN, to_decide=ToDecide(None)),
            SCORED,
            "Which of isolated LoRAs and full fine-tuning scores higher is undecided; even 1,000 seeds would probably "
            "not decide.",
        ),
        (
            Difference(interval([0.023])),
            ENDED,
            "Isolated LoRAs ended 2.3 points higher than full fine-tuning, with one seed: only several can tell "
            "whether that is chance.",
        ),
        (
            paired([0.03, 0.03, 0.03], [0, 1, 2]),
            ENDED,
            "Isolated LoRAs ended 3.0 points higher than full fine-tuning, with equal differences on all 3 seeds, "
            "which no test can judge.",
        ),
        (Difference(interval([None, None])), ENDED, ""),
    ],
)
def test_a_comparison_is_a_sentence_without_statistics(
    difference: Difference, words: MetricWords, expected: str
) -> None:
    assert between(difference, words).sentence == expected
    assert not re.search(r"p =|interval|\btests?\b(?! can judge)", expected)


def test_the_test_is_small_print() -> None:
    assert between(HIGHER).small_print == (
        "paired t-test over seeds: p = 0.004, adjusted for 6 comparisons (Holm); difference +2.3 points, 95 % interval "
        "1.8 to 2.8 points"
    )
    assert between(EQUAL).small_print.startswith("two one-sided tests, paired t-test over seeds: p = 0.011, adjusted")
    over_examples = Difference(interval([0.3]), Interval(0.3, 0.2, 0.4))
    assert between(over_examples).small_print == "95 % interval over test examples 20.0 to 40.0 points"
    assert between(Difference(interval([0.3]))).small_print == "", "nothing was tested"


def test_a_title_is_written_small_within_a_sentence_and_a_label_as_it_is() -> None:
    assert [Named("x", "EWC and replay").inside, Named("x", "O-LoRA").inside] == ["EWC and replay", "O-LoRA"]
    assert (Named("x", "a fresh adapter").first, Named("x", "a fresh adapter").inside) == (
        "A fresh adapter",
        "a fresh adapter",
    )
    assert (Named("Full").first, Named("full").first, Named("Full").inside) == ("Full", "full", "Full")


def test_many_comparisons_with_one_entry_are_said_by_what_came_out() -> None:
    def called(label: str) -> Named:
        return Named(label)

    many = [
        between(OPEN, entry=called("f")),
        between(replace(HIGHER, seeds=Interval(0.031, 0.02, 0.04)), entry=called("b")),
        between(turned(HIGHER), entry=called("d")),
        between(EQUAL, entry=called("c")),
        between(replace(HIGHER, seeds=Interval(0.05, 0.02, 0.08)), entry=called("a")),
        between(replace(OPEN, to_decide=ToDecide(12)), entry=called("g")),
        between(replace(OPEN, to_decide=ToDecide(7)), entry=called("h")),
    ]
    assert sentences(many) == [
        "Ended higher than full fine-tuning: a (+5.0), b (+3.1).",
        "Equal within 2 points: c.",
        "Lower: d (−2.3).",
        "Undecided: f, g, h; 7 (h) to 12 seeds (g) would probably decide 2 of them; for 1 no number up to 1,000 is "
        "known to.",
    ]
    assert sentences([between(EQUAL, FORGOT, called(label)) for label in "abcd"]) == [
        "Equal within 2 points in forgetting to full fine-tuning: a, b, c, d."
    ]
    assert len(sentences(many[:FEW])) == FEW, "few have a sentence each"
    (test,) = small_prints(many)
    assert test == "Paired t-test over seeds, p adjusted for 6 comparisons (Holm); the tables have each interval and p."


def test_of_many_that_were_not_tested_those_of_one_seed_are_named_apart() -> None:
    """A score without a step, as F1 has none, is a case of the second."""
    single, equal = Difference(interval([0.02])), paired([0.03, 0.03, 0.03], [0, 1, 2])
    group = [between(gap, entry=Named(name)) for name, gap in zip("abcd", [equal, single, equal, single], strict=True)]
    assert sentences(group) == [
        "Not tested against full fine-tuning, with equal differences on all 3 seeds, which no test can judge: "
        "a (+3.0), c (+3.0).",
        "Not tested, with one seed: only several can tell whether that is chance: b (+2.0), d (+2.0).",
    ]
    assert "equal on all seeds" in basis([equal])
    assert "too few seeds" in basis([single])


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ((7, None, None, None), "; 7 seeds would probably decide 1 of them; for 3 no number up to 1,000 is known to"),
        ((7, 12, 7, 9), "; 7 (a) to 12 seeds (b) would probably decide"),
        ((7, 7, 7, 7), "; 7 seeds would probably decide"),
        ((None, None, None, None), "; no number of seeds up to 1,000 is known to decide any"),
    ],
)
def test_a_number_of_seeds_for_a_group_says_for_how_many_of_it(needs: tuple[int | None, ...], expected: str) -> None:
    group = [
        between(replace(OPEN, to_decide=ToDecide(seeds)), entry=Named(label))
        for label, seeds in zip("abcd", needs, strict=True)
    ]
    assert sentences(group) == [f"Undecided at the end against full fine-tuning: a, b, c, d{expected}."]
    each = [replace(one, against=Named(f"control of {one.entry.label}")) for one in group]
    (listed,) = sentences(each)
    assert listed.endswith(f"d against control of d{expected}.")


def test_entries_of_one_title_are_each_named() -> None:
    """A record of before titles had to differ may have such entries."""
    means = (0.05, 0.031, 0.023, 0.01)
    group = [
        between(replace(HIGHER, seeds=Interval(mean, 0.001, 0.09)), entry=Named(str(mean), "EWC")) for mean in means
    ]
    assert sentences(group) == ["Ended higher than full fine-tuning: EWC (+5.0), EWC (+3.1), EWC (+2.3), EWC (+1.0)."]


def test_a_hundred_comparisons_stay_readable() -> None:
    many = [between(OPEN, entry=Named(f"entry-{number}")) for number in range(100)]
    (sentence,) = sentences(many)
    assert sentence.startswith("Undecided at the end against full fine-tuning: entry-0, entry-1")
    assert sentence.count("entry-") == NAMED - 1
    assert "and 93 more" in sentence


def test_entries_with_controls_of_their_own_are_not_grouped() -> None:
    each = [ComparisonInWords(Named(f"a{i}"), Named(f"b{i}"), SCORED, HIGHER) for i in range(5)]
    assert sentences(each) == [f"a{i} scored 2.3 points higher than b{i}." for i in range(5)]


def test_many_that_are_undecided_are_one_sentence_after_what_was_decided() -> None:
    open_pairs = [
        ComparisonInWords(Named(f"remedy-{number}"), Named(f"control-{number}"), ENDED, OPEN)
        for number in range(FEW + 1)
    ]
    decided = ComparisonInWords(Named("mask"), Named("isolated"), ENDED, EQUAL)
    pairs = ", ".join(f"remedy-{number} against control-{number}" for number in range(FEW + 1))
    assert sentences([*open_pairs, decided]) == [
        "mask and isolated are equal within 2 points at the end.",
        f"Undecided at the end: {pairs}.",
    ]
    assert len(sentences([*open_pairs[:FEW], decided])) == FEW + 1


@pytest.mark.parametrize("study", FINISHED)
def test_every_study_says_it_in_every_medium(study: str) -> None:
    report = FINISHED[study]()
    shown, document = present(report), report.as_json()
    verdicts = document["verdicts"]
    assert len(verdicts) == len(report.planned) > 0
    assert {verdict["entry"] for verdict in verdicts} == {*report.declared}
    for verdict in verdicts:
        assert set(verdict) == {"entry", "against", "metric", "reading", "sentence", "test"}
    assert any(verdict["sentence"] in report.verdict for verdict in verdicts)
    assert document["verdict"] == " ".join((shown.verdict, *shown.listed)) == report.verdict
    assert shown.evidence, "the small print"
