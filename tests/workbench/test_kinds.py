"""The scores of the kinds beside sklearn, scipy, seqeval and transformers' own generation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from scipy.stats import pearsonr, spearmanr
from seqeval.metrics import f1_score
from sklearn import metrics

from adapter_workbench.workbench.answering.predictor import with_options
from adapter_workbench.workbench.backbone.answer_options import AnswerOptions
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds.classification import KIND as LABELS
from adapter_workbench.workbench.methods.kinds.regression import KIND as REGRESSION
from adapter_workbench.workbench.methods.kinds.seq2seq import KIND as SEQ2SEQ
from adapter_workbench.workbench.methods.kinds.token_classification import KIND as TAGS
from adapter_workbench.workbench.methods.kinds.token_classification import TaggedText
from adapter_workbench.workbench.methods.methods import METHODS
from tests.conftest import toy

BIO = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


@pytest.mark.parametrize("labels", [2, 7])
def test_a_classification_s_macro_f1_is_that_of_sklearn_to_the_last_bit(labels: int) -> None:
    generator = np.random.default_rng(labels)
    for size in (1, 5, 40):  # with few rows, some labels are neither given nor predicted
        logits = generator.normal(size=(size, labels)).astype(np.float32)
        truth = generator.integers(0, labels, size)
        rows = Dataset.from_dict({"id": [str(i) for i in range(size)], "label": truth.tolist()})
        scores = LABELS.scores(LABELS.outcomes(rows, logits), labels)
        wanted = {"labels": range(labels), "average": "macro", "zero_division": 0}
        assert scores["macro_f1"] == metrics.f1_score(truth, logits.argmax(axis=1), **wanted)


def test_a_regression_s_scores_are_those_of_sklearn_and_scipy() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(3, 2, 40)
    answers = values + generator.normal(0, 1, 40)
    rows = Dataset.from_dict(
        {"id": [str(i) for i in range(40)], "value": values, "centre": [3.0] * 40, "spread": [2.0] * 40}
    )
    scores = REGRESSION.scores(REGRESSION.outcomes(rows, answers), 0)
    assert scores["r2"] == pytest.approx(metrics.r2_score(values, answers))
    assert scores["pearson"] == pytest.approx(pearsonr(values, answers).statistic)
    assert scores["spearman"] == pytest.approx(spearmanr(values, answers).statistic)


def test_a_constant_whose_variance_is_a_rounding_error_does_not_vary() -> None:
    values = np.full(3, 0.1)
    assert values.var() > 0, "0.1 + 0.1 + 0.1 is not 0.3"
    rows = Dataset.from_dict({"id": [*"abc"], "value": values, "centre": [0.0] * 3, "spread": [1.0] * 3})
    assert REGRESSION.outcomes(rows, np.array([0.1, 0.2, 0.3]))["score"].tolist() == [1.0, 0.0, 0.0]


def test_entities_are_scored_as_seqeval_scores_them() -> None:
    generator = np.random.default_rng(0)
    wanted = [generator.integers(0, 5, size).tolist() for size in (3, 7, 1, 9)]
    given = [generator.integers(0, 5, len(tags)).tolist() for tags in wanted]
    features = Features({"id": Value("string"), "tags": List(ClassLabel(names=BIO))})
    rows = Dataset.from_dict({"id": list("abcd"), "tags": wanted}).cast(features)
    answers = [TaggedText(("w",) * len(tags), np.eye(5, dtype=np.float32)[tags]) for tags in given]
    scores = TAGS.scores(TAGS.outcomes(rows, answers), 5)
    named = [[[BIO[tag] for tag in row] for row in sentences] for sentences in (wanted, given)]
    assert scores["score"] == scores["entity_f1"] == pytest.approx(f1_score(*named))


def test_white_space_before_a_text_is_no_word(bert: Path) -> None:
    backbone = open_backbone(str(bert))
    rows = Dataset.from_dict({"text": ["the cat", "  the cat", "\n the\t cat "], "tags": [[0, 1]] * 3})
    labels = [row["labels"] for row in TAGS.encode(rows, backbone.tokenizer, 16)]
    assert labels == [[-100, 0, 1, -100]] * 3, "[CLS] the cat [SEP]"
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    model = adaptation.fresh("token-classification", 3, seed=0)
    plain, *spaced = answers = TAGS.answers(model, rows, backbone.tokenizer, 16)
    assert [answer.words for answer in answers] == [("the", "cat")] * 3
    for answer in spaced:
        np.testing.assert_allclose(answer.logits, plain.logits, rtol=1e-5, atol=1e-6)


def test_a_text_of_which_no_word_is_seen_has_no_confidence() -> None:
    cut = TaggedText(("Ada",), np.full((1, 5), np.nan, dtype=np.float32))
    assert TAGS.say([cut, TaggedText((), np.zeros((0, 5), dtype=np.float32))], BIO) == [("", None)] * 2
    features = Features({"id": Value("string"), "tags": List(ClassLabel(names=BIO))})
    rows = Dataset.from_dict({"id": ["a"], "tags": [[1]]}).cast(features)
    outcomes = TAGS.outcomes(rows, [cut])
    assert outcomes["confidence"].dtype == np.float64
    assert outcomes["confidence"].isna().all()


def test_a_word_that_was_cut_off_is_wrong_whatever_its_tag() -> None:
    features = Features({"id": Value("string"), "tags": List(ClassLabel(names=BIO))})
    rows = Dataset.from_dict({"id": ["a", "b"], "tags": [[1, 0], [1, 0]]}).cast(features)
    whole = np.eye(5, dtype=np.float32)[[1, 0]]
    cut = whole.copy()
    cut[1] = np.nan
    outcomes = TAGS.outcomes(rows, [TaggedText(("Ada", "sat"), whole), TaggedText(("Ada", "sat"), cut)])
    assert outcomes["prediction"].tolist() == ["B-PER O", "B-PER O"]
    assert (outcomes["correct"].tolist(), outcomes["right"].tolist()) == ([True, False], [2, 1])


def test_a_t5_answers_as_transformers_lets_it(t5: Path) -> None:
    from transformers import AutoModelForSeq2SeqLM

    backbone, rows = open_backbone(str(t5)), toy("seq2seq").splits["test"]
    adaptation = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32")
    answers = SEQ2SEQ.answers(adaptation.fresh("seq2seq", 0, seed=0), rows, backbone.tokenizer, 12)
    lm = AutoModelForSeq2SeqLM.from_pretrained(t5).eval()
    for text, answer in zip(rows["text"], answers, strict=True):
        ids = torch.tensor([backbone.tokenizer(text)["input_ids"]])
        generated = lm.generate(input_ids=ids, max_new_tokens=3, do_sample=False, eos_token_id=3, pad_token_id=0)
        assert answer.tokens.tolist() == generated[0, 1:].tolist()


def test_what_a_t5_generates_is_heard_token_by_token(t5: Path) -> None:
    backbone, row = open_backbone(str(t5)), toy("seq2seq").splits["test"].select([0])
    model = Adaptation(backbone, "lora", METHODS.get("lora").settings(), "fp32").fresh("seq2seq", 0, seed=0)
    heard: list[list[int]] = []
    options = AnswerOptions(hear=lambda tokens: not heard.append([*tokens]))
    (answer,) = SEQ2SEQ.answers(model, with_options(row, options), backbone.tokenizer, 12)
    assert heard == [answer.tokens.tolist()[: length + 1] for length in range(len(answer.tokens))]
