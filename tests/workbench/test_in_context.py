"""Solved examples in the prompt: which, in which words, and what happens where they do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from torch import nn

from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.backbone.prompts import prompts
from adapter_workbench.workbench.errors import InputError, IntegrityError
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.libraries.prompting import FILE, LIBRARY
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.training import fit

BUDGET = Budget(epochs=2, batch_size=8, max_length=32, precision="fp32")


def shown(
    llama: Path, task: Task, shots: int = 4, seed: int = 0, budget: Budget = BUDGET
) -> tuple[TaskModel, FitRecord]:
    backbone = open_backbone(str(llama))
    adaptation = Adaptation(backbone, "in-context", METHODS.get("in-context").settings(shots=shots), "fp32")
    model = adaptation.fresh("causal-lm", 0, seed)
    return model, fit(model, task, adaptation, budget, seed, Silent(), "test")


def test_a_question_comes_after_the_solved_examples(llama: Path, copying: Task) -> None:
    model, record = shown(llama, copying, shots=2)
    rows, tokenizer = copying.splits["test"], open_backbone(str(llama)).tokenizer
    (first, second), train = model.kind.demonstrations, copying.splits["train"]
    assert {first, second} <= set(zip(train["text"][:], train["answer"][:], strict=True))
    words = f"{first[0]}\n{first[1]}\n\n{second[0]}\n{second[1]}\n\n{rows['text'][0]}\n"
    asked = model.kind.questions(rows, tokenizer, 32)[0]["input_ids"]
    assert asked == tokenizer(words, add_special_tokens=False)["input_ids"]
    assert (record.steps, record.trainable_parameters, record.epochs, record.best_epoch) == (0, 0, (), 0)


def test_with_a_chat_template_they_are_turns(llama: Path) -> None:
    tokenizer = open_backbone(str(llama)).tokenizer
    tokenizer.chat_template = (
        "{% for turn in messages %}{{ turn.role }}: {{ turn.content }};{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}"
    )
    assert prompts(["c"], tokenizer, (("a", "b"),)) == ["user: a;assistant: b;user: c;assistant:"]


def test_the_seed_draws_them(llama: Path, copying: Task) -> None:
    drawn = [shown(llama, copying, seed=seed)[0].kind.demonstrations for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_model_that_was_shown_others_forgets_them(llama: Path, copying: Task) -> None:
    model, _ = shown(llama, copying)
    backbone, before = open_backbone(str(llama)), model.kind.demonstrations
    adaptation = Adaptation(backbone, "in-context", METHODS.get("in-context").settings(shots=1), "fp32")
    fit(model, copying, adaptation, BUDGET, 1, Silent(), "test")
    assert len(model.kind.demonstrations) == 1
    assert model.kind.demonstrations == model.body.demonstrations != before


def test_what_does_not_fit_is_told_before_anything_is_answered(llama: Path, copying: Task) -> None:
    # each example is 3 + 1 words, the question 3, the answer up to 4 tokens
    assert shown(llama, copying, shots=4, budget=BUDGET.model_copy(update={"max_length": 23}))
    with pytest.raises(InputError, match="up to 23 tokens of 'copying', and max_length is 22") as error:
        shown(llama, copying, shots=4, budget=BUDGET.model_copy(update={"max_length": 22}))
    assert "budget.max_length=23" in str(error.value)


def test_more_shots_than_examples_are_refused(llama: Path, copying: Task) -> None:
    few = replace(copying, splits={**copying.splits, "train": copying.splits["train"].select(range(3))})
    with pytest.raises(InputError, match="4 shots, but 'copying' has 3 training examples"):
        shown(llama, few)


@pytest.mark.parametrize("content", ["", '[["a text"]]', '{"a text": "an answer"}'])
def test_stored_examples_that_are_damaged_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(IntegrityError, match="damaged: not readable") as caught:
        LIBRARY.load(nn.Identity(), tmp_path, None)
    assert caught.value.where == str(tmp_path / FILE)
