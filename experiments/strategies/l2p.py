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

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import torch
from pydantic import model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adapter_workbench.experiments.strategies._heads import stored_head
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.libraries.prompts import NAME
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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


# A pool of prompts, of which each text is read behind those whose keys are most like it.


class Pool(nn.Module):
    """Prompts with keys.

    Attributes:
        prompts: (prompts, tokens, hidden_size).
        keys: (prompts, hidden_size).
        top: how many prompts stand before a text.
        queries: of the texts that are read now (batch, hidden_size).
        chosen: which prompts stand before them (batch, top), the most alike first.
    """

    queries: Tensor
    chosen: Tensor

    def __init__(self, prompts: Tensor, keys: Tensor, top: int) -> None:
        """Take over what is trained."""
        super().__init__()
        self.prompts, self.keys, self.top = nn.Parameter(prompts), nn.Parameter(keys), top

    @torch.no_grad()
    def choose(self, queries: Tensor) -> None:
        """Choose for each text the prompts whose keys have the largest cosines with its query (batch, hidden_size)."""
        self.queries = queries
        self.chosen = cosines(queries, self.keys).topk(self.top, dim=1).indices

    def forward(self) -> Tensor:
        """Return what stands before each text (batch, top · tokens, hidden_size)."""
        return self.prompts[self.chosen].flatten(1, 2)

    def distance(self) -> Tensor:
        """Return the mean over the texts of Σ (1 − cos(query, key)) over the chosen prompts; a scalar."""
        return (1 - cosines(self.queries, self.keys).gather(1, self.chosen)).sum(dim=1).mean()


def cosines(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the cosines of queries (batch, hidden_size) with keys (prompts, hidden_size): (batch, prompts)."""
    return nn.functional.normalize(queries, dim=1) @ nn.functional.normalize(keys, dim=1).T


def fresh_pool(words: Tensor, size: int, tokens: int, top: int, seed: int) -> Pool:
    """Return a fresh pool: the prompts are rows of ``words`` (vocabulary, hidden_size), the keys uniform in [−1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(words), (size * tokens,), generator=generator)
    prompts = words.detach()[rows.to(words.device)].float().view(size, tokens, -1)
    keys = 2 * torch.rand(size, words.shape[1], generator=generator) - 1
    return Pool(prompts, keys.to(words.device), top)


def put_before(model: TaskModel, pool: Pool) -> None:
    """Let each text be read behind prompts of ``pool`` instead of behind those that peft has on the body."""
    body: Any = model.body
    body.prompt_encoder[NAME] = pool.to(next(body.parameters()).device)
    body.get_prompt = lambda batch_size, **_: pool()
    # before the library takes away what peft cannot have before a prompt
    body.register_forward_pre_hook(partial(_choose, model, pool), with_kwargs=True, prepend=True)


def pool_of(model: TaskModel) -> Pool:
    """Return the pool that :func:`put_before` put there."""
    body: Any = model.body
    pool: Pool = body.prompt_encoder[NAME]
    return pool


def _choose(model: TaskModel, pool: Pool, body: Any, given: Any, named: dict[str, Any]) -> None:
    """Choose by what the frozen backbone says of the text alone, pooled as it pools its last layer."""
    plain = body.get_base_model()
    texts = {name: value for name, value in named.items() if name != "output_hidden_states"}
    with torch.no_grad(), _at_rest(plain):
        states = plain(**texts).last_hidden_state.float()
    pool.choose(model.pool(states, named["attention_mask"]))


@contextmanager
def _at_rest(module: nn.Module) -> Iterator[None]:
    """Leave dropout out while the block runs."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


STRATEGY = L2P()
