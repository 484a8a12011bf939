"""progressive-prompts: each task adds a soft prompt before those of earlier tasks, which stay; the backbone is frozen.

Task t is read as [Pₜ; Pₜ₋₁; …; P₁; text]: only Pₜ and the task's head are trained, so that a task can use what earlier
prompts hold, and nothing that an earlier task is answered with changes (Progressive Prompts: Razdaibiedina et al. 2023,
arXiv:2301.12314, § 3). Task j is answered with the prompts P₁ … Pⱼ, so it has to be named. A text has t · tokens
virtual tokens before it: time and positions grow with each task.

Differences from the authors' program:

- It can pass a prompt through a residual MLP while it is trained, as the paper does. Here the tokens themselves are
  trained; like there, they begin as words of the vocabulary.
- For T5 it cuts prompts and text together at the length of a text. Here the prompts stand beside it.
- For BERT it puts the prompts behind the text, the oldest first. The head reads the first token of the newest prompt,
  which begins as [CLS]; the first token of each prompt has position 0, and the text's own [CLS] is left out. Here, as
  in its program for T5, the prompts stand before the text, and the head reads the text.
- For BERT it can train one head for all tasks. Here each task has its own.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from adapter_workbench.experiments.strategies._heads import head_file, head_identity, stored_head
from adapter_workbench.experiments.strategies._kept_rows import hold, release
from adapter_workbench.experiments.strategies._shared import SharedWeights
from adapter_workbench.workbench.adapters.adapter_folder import PEFT_WEIGHTS
from adapter_workbench.workbench.methods.libraries.prompts import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task

TENSOR = "prompt_embeddings"  # as peft calls it


class ProgressivePrompts(SharedWeights):
    """Its state is the prompts of all tasks so far, the newest first (``body``), and the heads."""

    disposable = ()
    method = "prompt"

    def objection(self, settings: Any, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """It needs somebody who names the task."""
        if objection := super().objection(settings, method, kinds, scenario):
            return objection
        return None if scenario.knows_task else "each task has prompts of its own, and nobody names the task here"

    def virtual_tokens(self, settings: Any, method_settings: Any, tasks: int) -> int:
        """The prompts of all tasks."""
        return tasks * int(method_settings.tokens)

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the backbone behind a fresh prompt and those of earlier tasks, which are held."""
        # no two prompts begin as the same words
        model = _with_prompts(context, context.posed[-1], head, len(context.tasks), context.stage_seed)
        if state.folder:
            layer, earlier = _layer(model.body), _stored_prompts(state)
            with torch.no_grad():
                layer.weight[-len(earlier) :] = earlier
            hold(layer, range(len(layer.weight) - len(earlier), len(layer.weight)))
        return model

    def save(self, stage: Stage, folder: Path) -> None:
        """Write all prompts as one, as peft stores it."""
        release(_layer(stage.model.body))
        super().save(stage, folder)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the prompts that there were after the task before its texts."""
        prompts = _prompts_of(state, task, context)
        head = stored_head(state, task, context)
        model = _with_prompts(context, task, head, _position(task, context), context.seed)
        with torch.no_grad():
            _layer(model.body).weight.copy_(prompts)
        return model

    def identity(self, state: State, task: Task, context: Context) -> str:
        """The prompts that there were after the task, and its head: they stay."""
        prompts = _prompts_of(state, task, context).contiguous().numpy().tobytes()
        return head_identity(context, head_file(state, task, context), hashlib.sha256(prompts).hexdigest())


def _with_prompts(context: Context, task: Task, head: nn.Module, prompts: int, seed: int) -> TaskModel:
    """Return the backbone behind so many prompts, drawn from ``seed``."""
    adaptation: Any = context.adaptation
    longer = adaptation.settings.model_copy(update={"tokens": prompts * adaptation.settings.tokens})
    whole = replace(adaptation, settings=longer)
    model: TaskModel = whole.fresh(task.kind, len(context.asked(task).labels), seed)
    return model.under(head)


def _position(task: Task, context: Context) -> int:
    return 1 + [learned.name for learned in context.tasks].index(task.name)


def _prompts_of(state: State, task: Task, context: Context) -> Tensor:
    """Return the prompts from the task's own to the first (tokens of all, hidden_size)."""
    settings: Any = context.adaptation.settings
    return _stored_prompts(state)[-_position(task, context) * settings.tokens :]


def _stored_prompts(state: State) -> Tensor:
    return load_file(state.existing / "body" / PEFT_WEIGHTS)[TENSOR]


def _layer(body: Any) -> Any:
    layer: nn.Embedding = body.prompt_encoder[NAME].embedding
    return layer


STRATEGY = ProgressivePrompts()
