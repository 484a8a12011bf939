"""Scores label by label, beside scikit-learn's and seqeval's reports."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from seqeval.metrics import classification_report as of_entities
from sklearn.metrics import classification_report, f1_score

from adapter_workbench.workbench.measures.label_counts import (
    LabelCounts,
    LabelScore,
    counts_of_pairs,
    macro_f1,
    worst_label,
)
from adapter_workbench.workbench.methods.kinds import KINDS

NAMES = ("billing", "returns", "shipping", "unseen")


def counts(kind: str, outcomes: pd.DataFrame, names: tuple[str, ...]) -> LabelCounts:
    label_counts = KINDS.get(kind).label_counts(outcomes, names)
    assert label_counts is not None
    return label_counts


def test_labels_are_scored_as_scikit_learn_does() -> None:
    generator = np.random.default_rng(0)
    labels, answers = generator.integers(0, 3, 50), generator.integers(0, 3, 50)
    scores = counts("classification", pd.DataFrame({"label": labels, "prediction": answers}), NAMES).scores()
    report = classification_report(labels, answers, labels=[0, 1, 2], target_names=NAMES[:3], output_dict=True)
    for score in scores[:3]:
        expected = [report[score.label][name] for name in ("precision", "recall", "f1-score", "support")]
        assert [score.precision, score.recall, score.f1, score.count] == pytest.approx(expected)
    assert scores[3] == LabelScore("unseen", None, None, None, 0, 0), "neither there nor given"
    assert macro_f1(scores) == pytest.approx(f1_score(labels, answers, average="macro"))
    assert worst_label(scores) == min(scores[:3], key=lambda score: score.f1 or 0)


def test_sets_of_labels_are_scored_as_scikit_learn_does() -> None:
    generator = np.random.default_rng(1)
    wanted, sure = generator.random((30, 2)) > 0.5, generator.random((30, 2))
    outcomes = pd.DataFrame({f"wanted-{k}": wanted[:, k] for k in range(2)})
    outcomes = outcomes.assign(**{f"probability-{k}": sure[:, k] for k in range(2)})
    scores = counts("multilabel", outcomes, ("war", "art")).scores()
    report = classification_report(wanted, sure > 0.5, target_names=["war", "art"], output_dict=True)
    assert [score.f1 for score in scores] == pytest.approx([report[name]["f1-score"] for name in ("war", "art")])
    assert [score.count for score in scores] == wanted.sum(axis=0).tolist()


def test_entities_are_scored_by_type_as_seqeval_does_and_other_tags_by_word() -> None:
    right = ["B-PER I-PER O B-LOC", "O B-LOC O", "B-PER O O"]
    given = ["B-PER I-PER O B-PER", "O B-LOC I-LOC", "B-PER O O"]
    outcomes = pd.DataFrame({"label": right, "prediction": given})
    scores = counts("token-classification", outcomes, ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")).scores()
    pairs = [[tags.split() for tags in column] for column in (right, given)]
    report = of_entities(*pairs, output_dict=True, zero_division=0)
    assert [score.label for score in scores] == ["LOC", "PER"]
    for score in scores:
        assert (score.f1, score.count) == (report[score.label]["f1-score"], report[score.label]["support"])

    words = pd.DataFrame({"label": ["NOUN VERB NOUN"], "prediction": ["NOUN NOUN "]})  # the last word was cut off
    noun, verb = counts("token-classification", words, ("NOUN", "VERB")).scores()
    assert (noun.count, noun.given, noun.precision, noun.recall) == (2, 2, 0.5, 0.5)
    assert (verb.count, verb.given, verb.precision, verb.f1) == (1, 0, None, 0.0)


def test_the_worst_label_is_one_that_is_there() -> None:
    scores = counts_of_pairs(np.array([0, 0, 0, 1]), np.array([0, 2, 0, 0]), NAMES).scores()
    assert worst_label(scores) == scores[1], "its F1 is 0, as that of a label which is only given"
    assert worst_label(scores[2:]) is None
    assert macro_f1(scores[3:]) is None


@pytest.mark.parametrize("kind", ["regression", "causal-lm", "seq2seq"])
def test_answers_that_are_no_labels_have_none(kind: str) -> None:
    assert KINDS.get(kind).label_counts(pd.DataFrame(), ()) is None
