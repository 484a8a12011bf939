"""A pool of prompts, of which each text is read behind those whose keys are most like it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.methods.libraries.prompts import NAME

if TYPE_CHECKING:
    from adapter_workbench.workbench.methods.model import TaskModel


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
