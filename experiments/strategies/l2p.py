"""l2p: tasks share a pool of prompts; each text is read behind the prompts whose keys are most like it.

The query q of a text is what the frozen backbone says of it alone, pooled as its features are. Of M prompts with a key
k each, the N with the largest cos(q, k) stand before the text, the most alike first. Prompts, keys and the head are
trained, the loss gets λ Σ (1 − cos(q, k)) over the chosen prompts, mean over the texts, λ the strength (L2P: Wang et
al. 2022, arXiv:2112.08654, § 4). Nobody has to name the task: texts of different tasks may find different prompts.
Each prompt has tokens ÷ N tokens, of the method's ``tokens``. Each text goes through the backbone twice.

The pull changes nothing but keys, since queries do not change and a choice has no gradient. In a class-incremental
stream the loss is over the new task's labels alone, as in the authors' program, so that rows of the head for earlier
labels get no gradient; answers are over all labels.

Differences from the authors' program, and from its port to PyTorch:

- Their head reads the mean of the prompts' states. Here it reads those of the text, pooled as the backbone pools them.
- Both give all texts of a batch the prompts that most of them choose. Here, as in the paper, each text has its own, so
  that an answer does not depend on what is asked beside it.
- Prompts begin as words of the vocabulary, not uniform in [−1, 1] (the port), where no word of a text lies. Keys begin
  as the port's.
- The paper can spread the choice in training by how often earlier tasks chose a prompt. Here, as in both, it is not.
- The port puts prompts behind [CLS]. Here, as in the program, they stand before it.
- λ, M and N are the port's (0.1, 10, 5); the program's are 1, 10 and 4. A prompt has 5 tokens in the port, 10 in the
  program, and here 4 by default. Both learn pictures (these are their settings for CIFAR-100); none is tuned here.
- Tasks whose answers are generated are refused: in training the query would see the answer.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch
from pydantic import model_validator
from safetensors.torch import load_file, save_file

from adapter_workbench.experiments.strategies._heads import stored_head
from adapter_workbench.experiments.strategies._prompt_pool import Pool, fresh_pool, pool_of, put_before
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.experiments.strategies import Context, State
    from adapter_workbench.experiments.strategies._stage import Stage
    from adapter_workbench.workbench.methods.model import Penalty, TaskModel
    from adapter_workbench.workbench.methods.task import Task

POOL = "pool.safetensors"


class L2PSettings(RemedySettings):
    """``strength`` is λ, ``pool`` is M, ``top`` is N."""

    strength: Strength = 0.1
    pool: Size = 10
    top: Size = 5

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.top > self.pool:
            raise ValueError("top has to be at most pool")
        return self


class L2P(SharedWeights):
    """Its state is the pool (``body``), and the heads."""

    settings = L2PSettings
    method = "prompt"
    task_free = True

    def objection(self, settings: L2PSettings, method: str, kinds: Sequence[str], scenario: Scenario) -> str | None:
        """A text has to be whole before an answer to it begins."""
        if generated := sorted(set(kinds) & set(GENERATED)):
            return (
                f"prompts are chosen by the text, which has the answer in it while {' and '.join(generated)} is learned"
            )
        return super().objection(settings, method, kinds, scenario)

    def virtual_tokens(self, settings: L2PSettings, method_settings: Any, tasks: int) -> int:
        """The method's, in as many prompts as are chosen; raises InputError where they are not alike."""
        tokens, top = int(method_settings.tokens), settings.top
        if tokens % top:
            message = f"{tokens} tokens cannot be divided among the {top} prompts before a text (top)"
            raise InputError(message, hint=f"Set tokens to a multiple of {top}, or top to a divisor of {tokens}.")
        return tokens

    def strengths(self, settings: L2PSettings, stage: int) -> Sequence[float | None]:
        """Keys are learned from the first task on."""
        return settings.strengths

    def begin(self, context: Context, state: State, head: nn.Module) -> TaskModel:
        """Return the frozen backbone behind the pool as it was left."""
        return _with_pool(context, state, context.posed[-1], head)

    def prepare(self, stage: Stage) -> None:
        """Leave the labels of earlier tasks out of the loss, where all are answered by one head."""
        context = stage.context
        if context.scenario.shares_head and 0 < context.labels_before < len(stage.task.labels):
            stage.own_head.register_forward_hook(partial(_new_alone, context.labels_before))

    def penalty(self, stage: Stage, strength: float) -> Penalty:
        """Return λ Σ (1 − cos(q, k)), mean over the batch."""
        return lambda batch: strength * pool_of(batch.model).distance()

    def save(self, stage: Stage, folder: Path) -> None:
        """Write prompts and keys."""
        pool = pool_of(stage.model)
        tensors = {name: parameter.detach().cpu().contiguous() for name, parameter in pool.named_parameters()}
        save_file(tensors, folder / POOL)

    def model_for(self, state: State, task: Task, context: Context) -> TaskModel:
        """Put the task's head on the backbone behind the pool as it is now."""
        return _with_pool(context, state, task, stored_head(state, task, context))


def _with_pool(context: Context, state: State, task: Task, head: nn.Module) -> TaskModel:
    """Return the backbone behind the stored pool, or before the first task a fresh one."""
    adaptation: Any = context.adaptation
    settings, top = context.settings, context.settings.top
    tokens = max(1, adaptation.settings.tokens // top)
    whole = replace(adaptation, settings=adaptation.settings.model_copy(update={"tokens": top * tokens}))
    model: TaskModel = whole.fresh(task.kind, len(context.asked(task).labels), context.seed).under(head)
    if state.folder:
        stored = load_file(state.folder / "body" / POOL)
        pool = Pool(stored["prompts"], stored["keys"], top)
    else:
        body: Any = model.body
        pool = fresh_pool(body.get_base_model().get_input_embeddings().weight, settings.pool, tokens, top, context.seed)
    put_before(model, pool)
    return model


def _new_alone(earlier: int, head: nn.Module, given: Any, logits: Tensor) -> Tensor:
    """Return logits (…, labels) that are nothing for the first ``earlier`` labels, while the head trains."""
    if not head.training:
        return logits
    return torch.cat([torch.full_like(logits[..., :earlier], torch.finfo(logits.dtype).min), logits[..., earlier:]], -1)


STRATEGY = L2P()
