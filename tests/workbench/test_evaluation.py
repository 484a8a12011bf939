"""evaluate(): rows keep their places, numbers are the same each time, and the model is left as it was."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn

from adapter_workbench.workbench.answering.evaluation import BATCH_SIZE, evaluate, evaluate_split, predict, run
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.errors import TrainingError
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task


@pytest.fixture
def model(backbone: Backbone) -> TaskModel:
    torch.manual_seed(0)
    return TaskModel(backbone.load(), nn.Linear(32, 3), KINDS.get("classification"), "mean", "fp32").eval()


@pytest.fixture(scope="module")
def rows() -> Dataset:
    """More than two batches, of texts whose lengths are in no order."""
    generator, words = random.Random(0), ["cat", "dog", "plum", "fig", "the", "a", "very", "often"]
    texts = [" ".join(generator.choices(words, k=generator.randint(1, 20))) for _ in range(2 * BATCH_SIZE + 9)]
    labels = [generator.randrange(3) for _ in texts]
    return Dataset.from_dict({"id": [f"r{i}" for i in range(len(texts))], "text": texts, "label": labels})


@torch.inference_mode()
def one_by_one(model: TaskModel, rows: Dataset, backbone: Backbone) -> np.ndarray:
    logits = [model(**backbone.tokenizer([text], return_tensors="pt"))["logits"] for text in rows["text"]]
    return torch.cat(logits).numpy()


def test_rows_come_back_in_their_order(model: TaskModel, rows: Dataset, backbone: Backbone) -> None:
    logits = predict(model, rows, backbone.tokenizer, 32)
    assert logits.shape == (len(rows), 3)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, one_by_one(model, rows, backbone), rtol=1e-4, atol=1e-5)


def test_outcomes_are_those_of_the_rows(model: TaskModel, rows: Dataset, backbone: Backbone) -> None:
    evaluation = evaluate(model, rows, 3, backbone.tokenizer, 32)
    logits, labels = one_by_one(model, rows, backbone), np.array(rows["label"][:])
    assert evaluation.outcomes["id"].tolist() == rows["id"][:]
    assert evaluation.outcomes["label"].tolist() == labels.tolist()
    assert evaluation.outcomes["prediction"].tolist() == logits.argmax(1).tolist()
    assert evaluation.scores["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean())
    loss = nn.functional.cross_entropy(torch.tensor(logits), torch.tensor(labels), reduction="none")
    np.testing.assert_allclose(evaluation.outcomes["log_likelihood"], -loss.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(
        evaluation.outcomes["confidence"], torch.softmax(torch.tensor(logits), 1).max(1).values, rtol=1e-3
    )
    assert evaluation.seconds > 0


def test_a_split_is_evaluated_whole(model: TaskModel, rows: Dataset, backbone: Backbone, task: Task) -> None:
    task = replace(task, labels=("a", "b", "c"), splits={**task.splits, "validation": rows})
    evaluation = evaluate_split(model, task, "validation", backbone, 32)
    assert evaluation.logits_sha256 == evaluate(model, rows, 3, backbone.tokenizer, 32).logits_sha256
    assert evaluation.log_likelihood == evaluation.outcomes["log_likelihood"].mean()


def test_the_digest_is_that_of_the_logits_and_the_same_each_time(
    model: TaskModel, rows: Dataset, backbone: Backbone
) -> None:
    first = evaluate(model, rows, 3, backbone.tokenizer, 32)
    logits = predict(model, rows, backbone.tokenizer, 32)
    assert first.logits_sha256 == hashlib.sha256(logits.astype("<f4").tobytes()).hexdigest()
    assert evaluate(model, rows, 3, backbone.tokenizer, 32).logits_sha256 == first.logits_sha256
    with torch.no_grad():
        model.head.get_parameter("bias")[0] += 1
    assert evaluate(model, rows, 3, backbone.tokenizer, 32).logits_sha256 != first.logits_sha256


@pytest.mark.parametrize("training", [True, False])
def test_the_model_s_mode_is_restored_and_dropout_is_off(
    model: TaskModel, rows: Dataset, backbone: Backbone, training: bool
) -> None:
    quiet = predict(model, rows, backbone.tokenizer, 32)
    model.train(training)
    logits = predict(model, rows, backbone.tokenizer, 32)
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    np.testing.assert_array_equal(logits, quiet)


def test_labels_are_no_input(model: TaskModel, rows: Dataset, backbone: Backbone) -> None:
    encoded = model.kind.encode(rows, backbone.tokenizer, 32)
    for row in encoded:
        row["labels"] = 99  # beyond the head: a loss would fail
    np.testing.assert_array_equal(run(model, encoded, backbone.tokenizer), predict(model, rows, backbone.tokenizer, 32))


def test_texts_are_cut_at_the_maximal_length(model: TaskModel, backbone: Backbone) -> None:
    same = {"id": ["a", "b"], "text": ["cat dog plum fig", "cat dog often a very"], "label": [0, 0]}
    short = predict(model, Dataset.from_dict(same), backbone.tokenizer, 4)  # [CLS] cat dog [SEP]
    np.testing.assert_allclose(short[0], short[1], rtol=1e-5)
    long = predict(model, Dataset.from_dict(same), backbone.tokenizer, 8)
    assert not np.allclose(long[0], long[1], rtol=1e-2)


def test_one_row_is_enough(model: TaskModel, rows: Dataset, backbone: Backbone) -> None:
    assert predict(model, rows.select([3]), backbone.tokenizer, 32).shape == (1, 3)


def test_pairs_are_read_as_pairs(model: TaskModel, backbone: Backbone) -> None:
    columns = {"id": ["a", "b"], "text": ["cat", "dog"], "text_pair": ["dog", "cat"], "label": [0, 1]}
    logits = predict(model, Dataset.from_dict(columns), backbone.tokenizer, 16)
    with torch.inference_mode():
        wanted = model(**backbone.tokenizer(["cat", "dog"], ["dog", "cat"], return_tensors="pt"))["logits"].numpy()
    np.testing.assert_allclose(logits, wanted, rtol=1e-5, atol=1e-6)
    assert not np.allclose(logits[0], logits[1])


def test_answers_that_are_no_numbers_are_the_weights_fault(backbone: Backbone) -> None:
    rows = Dataset.from_dict(
        {"id": ["a", "b"], "text": ["cat", "dog"], "value": [1.0, 3.0], "centre": [2.0, 2.0], "spread": [1.0, 1.0]}
    )
    model = TaskModel(backbone.load(), nn.Linear(32, 1), KINDS.get("regression"), "mean", "fp32").eval()
    nn.init.constant_(model.head.bias, float("nan"))
    with pytest.raises(TrainingError, match=r"2 of 2 answers .*\n  .*lower learning rate"):
        evaluate(model, rows, 0, backbone.tokenizer, 16)
