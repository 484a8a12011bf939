"""RegMean: the update whose outputs are nearest to the outputs of all sources, on each source's own inputs.

ΔW* = (Σ ΔWᵢ Gᵢ)(Σ Gᵢ)⁻¹ with Gᵢ = XᵢᵀXᵢ, off-diagonal entries times α (the paper's formula, transposed; the pretrained
weight is common to all and drops out). Since ΔWᵢ = bᵢ aᵢ, the result [b₁ … bₙ] [a₁G₁; …; aₙGₙ] (ΣG)⁻¹ is of rank Σ rᵢ
exactly.

What differs: Xᵢ is what goes into the module when source i reads the target's texts, without their answers; the
paper, and its authors' program (github.com/bloomberg/dataless-model-merging), read each source's own training data,
which are not at hand here. α is 0.9; the program's settings have 0.9 or 0.1, depending on the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.mixing import Mixture, mixture
from adapter_workbench.fusion.target.target import model_on, require_target
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import LowRank, Truncated, collect, norm, spectrum
from adapter_workbench.workbench.backbone.batching import in_batches
from adapter_workbench.workbench.settings.bounds import Size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from adapter_workbench.fusion.target.composition import Request


class Settings(CompositionSettings):
    """The paper's α; below 1 it makes every Gram matrix invertible."""

    alpha: float = Field(0.9, ge=0, lt=1, description="factor on the off-diagonal entries of the Gram matrices")
    rank: Size | None = Field(None, description="rank of the result; exact (the sum of all ranks) if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the regression mean of the sources as one LoRA; labels are not looked at.

    Raises:
        InputError: no target, or a source that is no plain LoRA.
    """
    require_target(request)
    mixed = mixture(request)
    grams = (shrunk(input_grams(mixed, source, request), settings.alpha) for source in range(mixed.sources))
    update = regression_mean(mixed, grams)
    if settings.rank is None:
        merged = collect((name, Truncated(pair, norm(pair) ** 2, 0.0)) for name, pair in update.items())
    else:
        merged = collect((name, spectrum(pair, settings.rank).truncated()) for name, pair in update.items())
    body, own = lora.attach(request.backbone, merged.update)
    return Composed(body, "lora", own, facts=merged.facts)


def regression_mean(mixed: Mixture, grams: Any) -> dict[str, LowRank]:
    """Return module → (Σ ΔWᵢ Gᵢ)(Σ Gᵢ)⁻¹, of rank Σ rᵢ.

    Args:
        mixed: the sources.
        grams: for each source in order, module → G (in, in); taken one after the other, only their sum is kept.
    """
    totals: dict[str, Tensor] = {}
    right = {name: torch.zeros_like(pair.a, dtype=torch.float64) for name, pair in mixed.update.items()}
    for source, own_grams in enumerate(grams):
        for name, gram in own_grams.items():
            mine = mixed.owners[name] == source
            right[name][mine] = mixed.update[name].a[mine].double() @ gram  # (rᵢ, in)
            totals[name] = totals[name] + gram if name in totals else gram
    return {
        # a feature that is always 0 has an empty row in every G: the pseudo-inverse leaves it alone
        name: LowRank(pair.b, (right[name] @ torch.linalg.pinv(totals[name], hermitian=True)).to(pair.a.dtype))
        for name, pair in mixed.update.items()
    }


def shrunk(grams: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Return each G with its off-diagonal entries times ``alpha``."""
    return {name: alpha * gram + (1 - alpha) * torch.diag(gram.diagonal()) for name, gram in grams.items()}


def input_grams(mixed: Mixture, source: int, request: Request) -> dict[str, Tensor]:
    """Return module → XᵀX (in, in) in float64, over all tokens of the target's training texts as ``source`` reads them.

    Padding does not count.
    """
    mixed.weigh(mixed.one_hot(source))
    model, tokenizer = model_on(request, mixed.body), request.backbone.tokenizer
    grams: dict[str, Tensor] = {}
    real: list[Tensor] = []

    def add(name: str) -> Callable[..., None]:
        def hook(module: Any, given: tuple[Tensor, ...]) -> None:
            inputs = given[0][real[-1]].cpu().double()  # (tokens, in); not every accelerator knows float64
            grams[name] = grams[name] + inputs.T @ inputs if name in grams else inputs.T @ inputs

        return hook

    def read(positions: list[int], batch: dict[str, Tensor]) -> list[None]:
        real.append(batch["attention_mask"].bool())  # of both halves of an encoder-decoder, which read the same text
        model.states(**batch)
        return [None] * len(positions)

    hooks = [
        mixed.body.get_submodule(f"{lora.PREFIX}{name}").register_forward_pre_hook(add(name)) for name in mixed.update
    ]
    encoded = model.kind.questions(require_target(request).splits["train"], tokenizer, request.budget.max_length)
    in_batches(read, model, encoded, model.kind.collate(tokenizer))
    for hook in hooks:
        hook.remove()
    return grams


COMPOSITION = Composition(
    title="RegMean",
    paper="Jin et al. 2023, arXiv:2212.09849",
    settings=Settings,
    compose=compose,
    needs_target=True,
    revision=2,
    affects={2: lambda request, settings: require_target(request).kind == "causal-lm"},
)
