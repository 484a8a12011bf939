"""task-retrieval: each text is answered by the LoRAs whose tasks its prompt is most like; nothing is trained.

In every module the outputs of the ``top_k`` LoRAs are added up: with ``weighted: false`` their mean, which is
LoraRetriever's mixture; else weighted by the softmax of their cosines ÷ ``temperature``, after LORAUTER. What a task is
like is the mean embedding of some of its validation rows. All is one model under one head.

What differs: both papers embed texts by a sentence encoder, and LoraRetriever trains its own; here the frozen backbone
does, by the mean of its last states over a prompt's tokens, which costs one more pass of the prompts. The full text of
LORAUTER could not be read: its weights may be others, and the temperature is ours. It routes to tasks, for which a
large pool has LoRAs; here each source brings its own task. LoraRetriever takes its samples from the training data.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import Field
from torch import nn

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings, at_least
from adapter_workbench.fusion.target.source_tasks import tasks_of
from adapter_workbench.workbench.backbone.batching import in_batches
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.libraries.retrieval import LIBRARY, embedding
from adapter_workbench.workbench.methods.methods.task_retrieval import METHOD, configure
from adapter_workbench.workbench.methods.methods.task_retrieval import Settings as RetrievalSettings
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.sampling import stratified_sample
from adapter_workbench.workbench.settings.bounds import Count, Factor, Size

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task


require_two = at_least(2, "task-retrieval chooses among two or more LoRAs")


class Settings(CompositionSettings):
    """``top_k`` LoRAs answer a text, all where there are fewer."""

    top_k: Size = 3
    temperature: Factor = Field(0.1, description="of the softmax over cosines: if low, the nearest counts most")
    weighted: bool = Field(True, description="false: each of the top_k counts the same")
    examples: Count = Field(
        20, description="validation rows that make a task's embedding; where there are more labels, one row of each"
    )


def compose(request: Request, settings: Settings) -> Composed:
    """Return the sources side by side, with the embeddings of their tasks.

    Raises:
        InputError: fewer than two sources, one that is no plain LoRA, or one whose task is not known.
    """
    require_two(len(request.sources), settings)
    _ = request.updates  # raises where a source is more than low-rank updates
    tasks = tasks_of(request.sources, request.source_tasks)
    own = RetrievalSettings(**settings.model_dump(exclude={"examples"}))
    body = request.backbone.load()
    pairs = zip(request.sources, tasks, strict=True)
    embeddings = [_embedding(body, source, task, request, settings.examples) for source, task in pairs]
    folders = tuple(source.folder for source in request.sources)
    retrieval = replace(configure(own, request.backbone.config), sources=folders, tasks=torch.stack(embeddings))
    return Composed(LIBRARY.attach(body, retrieval), "task-retrieval", own)


def _embedding(body: nn.Module, source: StoredAdapter, task: Task, request: Request, examples: int) -> Tensor:
    """Return the mean embedding (hidden_size,) of a task's prompts, cut to the length that its LoRA was trained on."""
    kind, tokenizer = KINDS.get(task.kind), request.backbone.tokenizer
    model = TaskModel(body, nn.Identity(), kind, request.backbone.pooling, request.precision)
    rows = stratified_sample(task.splits["validation"], examples, request.seed)
    encoded = kind.questions(rows, tokenizer, source.manifest.budget.max_length)
    with model.autocast(next(model.parameters()).device.type):
        embeddings = in_batches(lambda _, batch: embedding(body, batch), model, encoded, kind.collate(tokenizer))
    return torch.stack(embeddings).mean(dim=0).cpu()


COMPOSITION = Composition(
    title="LoRA retrieval by task",
    paper=METHOD.paper,
    settings=Settings,
    compose=compose,
    reads_sources=True,
    require_number=require_two,
)
