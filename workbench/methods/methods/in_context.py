"""In-context learning: the prompt shows a few solved training examples before every question; nothing is trained."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.prompts import NEW_TOKENS
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget


class Settings(MethodSettings):
    """``shots``: how many examples are shown, drawn from the training split by the seed; there is nothing to learn."""

    learning_rate: float = 1.0
    shots: Count = 4


def prepare(
    settings: Settings, model: TaskModel, task: Task, tokenizer: PreTrainedTokenizerBase, budget: Budget, seed: int
) -> None:
    """Draw the demonstrations.

    Raises:
        InputError: there are fewer training examples than shots, or prompts of the training or the validation split
            get longer than the budget allows.
    """
    train = task.splits["train"]
    if settings.shots > len(train):
        hint = f"Lower it (--set shots={len(train)}), or raise budget.train_examples."
        raise InputError(f"{settings.shots} shots, but {task.name!r} has {len(train)} training examples", hint=hint)
    shown = train.select(random.Random(seed).sample(range(len(train)), settings.shots))
    model.demonstrate(tuple(zip(shown["text"][:], shown["answer"][:], strict=True)))
    longest = max(max(model.kind.lengths(task.splits[split], tokenizer)[0]) for split in ("train", "validation"))
    if (needed := longest + (task.max_new_tokens or NEW_TOKENS)) > budget.max_length:
        raise InputError(
            f"{settings.shots} demonstrations, a question and its answer take up to {needed} tokens of {task.name!r}, "
            f"and max_length is {budget.max_length}",
            hint=f"Raise it (--set budget.max_length={needed}), or show fewer (--set shots=…).",
        )


def objection(settings: Settings, config: PretrainedConfig, kind: str) -> str | None:
    """Only a causal language model reads examples and goes on."""
    return None if kind == "causal-lm" else "it puts examples into the prompt of a causal language model"


METHOD = Method(
    title="In-context learning",
    paper="Brown et al. 2020, arXiv:2005.14165, sec. 2",
    library="prompting",
    settings=Settings,
    configure=lambda settings, config: None,
    objection=objection,
    prepare=prepare,
    trains=False,
)
