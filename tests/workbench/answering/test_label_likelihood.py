"""Labels as continuations of a question, against the harness's own class and transformers' own model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from adapter_workbench.workbench.answering.evaluation import evaluate
from adapter_workbench.workbench.answering.label_likelihood import LabelLikelihood
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.output_layer import output_layer
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task

LABELS = ("cat", "dog", "cat dog", "cat dog bird", "fig apple")  # of one token, of several, and one in another
KIND = LabelLikelihood(LABELS, "the {text} {labels} very", (("a pear", None, "dog"),))


@pytest.fixture(scope="module")
def base(llama: Path) -> Any:
    return open_backbone(str(llama))


def asked(base: Any, kind: LabelLikelihood) -> TaskModel:
    return TaskModel(base.load(precision="fp32"), output_layer(base), kind, base.pooling, "fp32").eval()


@pytest.fixture(scope="module")
def scores(base: Any, task: Task) -> Any:
    return KIND.answers(asked(base, KIND), task.splits["test"], base.tokenizer, 60)


def test_scores_are_the_log_likelihoods_of_transformers_own_model(base: Any, task: Task, scores: Any) -> None:
    from transformers import AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_pretrained(base.folder).eval()
    rows, tokenizer = task.splits["test"], base.tokenizer
    listed = ", ".join(LABELS)
    for index in (0, 7):
        prompt = f"the a pear {listed} very\ndog\n\nthe {rows['text'][index]} {listed} very\n"
        for column, label in enumerate(LABELS):
            context, answer = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, label))
            with torch.inference_mode():
                logits = lm(input_ids=torch.tensor([[*context, *answer]])).logits[0].log_softmax(-1)
            expected = sum(float(logits[len(context) - 1 + at, token]) for at, token in enumerate(answer))
            assert scores[index, column] == pytest.approx(expected, rel=1e-4)


def test_answers_are_the_harness_s_acc_and_acc_norm(base: Any, task: Task, scores: Any, tmp_path: Path) -> None:
    """The harness joins context and label by nothing here, and asks its own class around transformers' model."""
    pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")
    import json

    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM

    from adapter_workbench.workbench.answering.harness.loading import load_tasks
    from adapter_workbench.workbench.answering.harness.loading import scores as harness_scores
    from tests.harness_tasks import MEAN, choices_config

    rows = task.splits["test"]
    prompts = KIND.prompts(rows, base.tokenizer, 60)
    lines = [
        {"text": prompt, "choices": LABELS, "gold": label} for prompt, label in zip(prompts, rows["label"], strict=True)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = {**choices_config(), "doc_to_text": "{{text}}", "target_delimiter": "", "fewshot_split": None}
    config |= {"dataset_kwargs": {"data_files": {"test": "rows.jsonl"}}}
    config["metric_list"] = [{"metric": name, **MEAN} for name in ("acc", "acc_norm")]
    (tmp_path / "labels.yaml").write_text(json.dumps({name: value for name, value in config.items() if value}))
    lm = AutoModelForCausalLM.from_pretrained(base.folder).eval()
    tasks = load_tasks([str(tmp_path / "labels.yaml")], None)
    values = harness_scores(HFLM(pretrained=lm, tokenizer=base.tokenizer, batch_size=2), tasks, None, seed=0)
    normalised = replace(KIND, per_character=True)
    for kind, metric in ((KIND, "acc"), (normalised, "acc_norm")):
        evaluation = evaluate(asked(base, kind), rows, len(LABELS), base.tokenizer, 60)
        assert evaluation.scores["accuracy"] == pytest.approx(values["which_animal"][metric])
    per_character = normalised.answers(asked(base, normalised), rows, base.tokenizer, 60)
    assert per_character == pytest.approx(scores / np.array([len(label) for label in LABELS]), rel=1e-5)


def test_a_long_text_is_cut_at_its_end_and_the_question_stays(base: Any, task: Task) -> None:
    kind = LabelLikelihood(("cat", "dog"), "{text} {text_pair} very")
    rows = task.splits["test"].select([0, 1]).map(lambda row: {"text": "apple pear " * 40, "text_pair": "fig"})
    (prompt, _) = kind.prompts(rows, base.tokenizer, 32)
    assert prompt.startswith("apple pear")
    assert prompt.endswith(" fig very\n")
    assert len(base.tokenizer(prompt, add_special_tokens=False)["input_ids"]) <= 31
    assert kind.question("{labels}", "{text}") == "{labels} {text} very", "what a text says stands for nothing else"


def test_what_cannot_be_asked_is_refused(base: Any, task: Task) -> None:
    rows, same = task.splits["test"], replace(KIND, labels=("unknown", "unheard"))
    with pytest.raises(InputError, match="cannot tell the labels apart: unknown, unheard"):
        same.answers(asked(base, same), rows, base.tokenizer, 60)
    with pytest.raises(InputError, match="max_length 12 leaves no room for texts"):
        KIND.answers(asked(base, KIND), rows, base.tokenizer, 12)
