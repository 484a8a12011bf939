"""AdapterFusion: attention over frozen bottleneck adapters, trained on the target's examples.

Each layer gets Q, K, V (3 h² + 2 h numbers), so it can choose an adapter for each token; the sources themselves
never change. What differs: the paper trains with learning rate 5e-5 for up to ten epochs on thousands of examples. With
AdamW a weight moves by at most about the learning rate in a step, and a few hundred examples are some dozens of steps:
at 5e-5 attention would stay near its start, the uniform average. Hence the larger default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.target import begin, require_target, train
from adapter_workbench.workbench.answering.evaluation import BATCH_SIZE
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.libraries.adapterfusion import FUSION, LIBRARY
from adapter_workbench.workbench.methods.methods.adapterfusion import Settings as LayerSettings
from adapter_workbench.workbench.methods.methods.adapterfusion import configure, penalty

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.workbench.methods.model import TaskModel


class Settings(LayerSettings, CompositionSettings):
    """The fusion layer's own settings."""


def compose(request: Request, settings: Settings) -> Composed:
    """Return the sources under a fusion layer that was trained on the target, its head along.

    ``details`` holds the attention weights on the target's validation texts: for each layer (and place in it, where
    there are two), the mean over texts and their tokens, one number for each source; ``weights`` is the mean of these.

    Raises:
        InputError: no target, or sources of different methods.
        TrainingError: the loss is not a finite number.
    """
    require_target(request)
    methods = sorted({source.manifest.method for source in request.sources})
    if len(methods) > 1:
        hint = "AdapterFusion has one attention at the position of all its adapters: give adapters of one method."
        raise InputError(f"the sources are of different methods: {', '.join(methods)}", hint=hint)
    own = LayerSettings.model_validate(settings.model_dump())
    folders = tuple(source.folder for source in request.sources)
    config = replace(configure(own, request.backbone.config), sources=folders)
    torch.manual_seed(request.seed)
    body = LIBRARY.attach(request.backbone.load(), config)
    begun = begin(body, request)
    record = train(begun, request, "adapterfusion", own, penalty(own, body))
    attention = attention_weights(begun.model, request)
    return Composed(
        body.eval(),
        "adapterfusion",
        own,
        head=begun.model.head,
        fit=record,
        weights=tuple(np.mean(list(attention.values()), axis=0).tolist()),
        facts=begun.facts,
        details=attention,
    )


@torch.inference_mode()
def attention_weights(model: TaskModel, request: Request) -> dict[str, tuple[float, ...]]:
    """Return what each fusion layer gives each source, on average over the tokens of the validation texts.

    The body runs in float32 here whatever the precision: the package turns the weights into numpy, which has no bf16.
    """
    tokenizer, rows = request.backbone.tokenizer, require_target(request).splits["validation"]
    encoded = model.kind.encode(rows, tokenizer, request.budget.max_length)
    collate = model.kind.collate(tokenizer)
    sums: dict[str, NDArray[np.float64]] = {}
    tokens = 0.0
    for start in range(0, len(encoded), BATCH_SIZE):
        batch = to_device_of(model, collate(encoded[start : start + BATCH_SIZE]))
        batch.pop("labels", None)
        output = model.body(**model.complete(batch), output_adapter_fusion_attentions=True)
        attentions = output["adapter_fusion_attentions"][FUSION]
        mask = batch["attention_mask"].cpu().numpy()[:, :, None]  # (batch, tokens, 1)
        tokens += float(mask.sum())
        for layer, sublayers in attentions.items():
            for sublayer, weights in sublayers.items():  # (batch, tokens, sources)
                name = f"layer {layer}" if len(sublayers) == 1 else f"layer {layer} {sublayer}"
                sums[name] = sums.get(name, 0.0) + (weights.astype(np.float64) * mask).sum(axis=(0, 1))
    return {name: tuple((total / tokens).tolist()) for name, total in sums.items()}


COMPOSITION = Composition(
    title="AdapterFusion",
    paper="Pfeiffer et al. 2021, arXiv:2005.00247, eq. 1–3",
    settings=Settings,
    compose=compose,
    libraries=("adapters",),
    needs_target=True,
    trains=True,
)
