"""Fisher merging: each entry of a source is weighted by how strongly the source's predictions depend on it.

ΔW = Σ Fᵢ ∘ ΔWᵢ ÷ Σ Fᵢ, where Fᵢ (out, in) is the diagonal of source i's Fisher information: the mean over texts of the
squared gradient of log p(y | x), y drawn from source i's own model (its body and its head). As in the authors' program
(github.com/mmatena/model_merging), each Fᵢ is first divided by its norm over all modules, so that a source does not
count more for being less sure.

What differs: the texts are the target's; the paper takes each source's own training data, which are not at hand here.
y is drawn once a text, where the program sums over all labels. For a target that is answered in words, y is a token
that is drawn at each place of the right answer, behind the tokens before it: there the answers are read too. Labels of
other kinds (values, sets of labels, tags) are not drawn, so such sources are refused. The program also searches a
factor for each source on validation data; here they are equal. Only adapted matrices take part, and the result is not
low-rank: it is cut to the largest source's rank. The floor of an Fᵢ is relative to its module's mean; the program's is
1e-6, under the first source alone. It costs a forward and a backward pass of the texts for each source, and memory for
three matrices of each adapted module's size.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field
from torch import nn

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.mixing import Mixture, mixture
from adapter_workbench.fusion.target.target import require_target
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.dense import randomised_svd
from adapter_workbench.fusion.updates.lowrank import collect, largest_rank
from adapter_workbench.workbench.backbone.batching import to_device_of
from adapter_workbench.workbench.errors import InputError, TrainingError
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import adaptation_of
from adapter_workbench.workbench.settings.bounds import Count, Size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from adapter_workbench.fusion.target.composition import Purpose, Request
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

BATCH = 16  # each example's gradient of each module is in memory at once
SHARING = "albert"  # the architecture whose layers share their modules
FLOOR = 1e-6  # added to every Fᵢ, relative to its module's mean: where no source cares, the plain mean is taken


class Settings(CompositionSettings):
    """``examples`` bounds the time; Fisher information is a mean and needs few."""

    examples: Count = Field(128, description="texts of the target's training split that are read, the first ones")
    rank: Size | None = Field(None, description="rank of the result; the largest source's if null")


def compose(request: Request, settings: Settings) -> Composed:
    """Return the Fisher-weighted mean of the sources as one LoRA; a target's labels are not looked at, its answers are.

    Raises:
        InputError: no target, a source that is no plain LoRA, or one whose kind of answer is not drawn here.
        TrainingError: a source computes no numbers for a text.
    """
    target = require_target(request)
    _require_drawn({source.id: source.manifest.task.kind for source in request.sources}, target.kind)
    mixed = mixture(request)
    fishers = (fisher(mixed, source, request, settings.examples) for source in range(mixed.sources))
    merged = fisher_mean(mixed, fishers)
    rank, generator = settings.rank or largest_rank(request.updates), torch.Generator().manual_seed(request.seed)
    cut = collect((name, randomised_svd(matrix, rank, generator)) for name, matrix in merged.items())
    body, own = lora.attach(request.backbone, cut.update)
    return Composed(body, "lora", own, facts=cut.facts)


def fisher_mean(mixed: Mixture, fishers: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return module → Σ Fᵢ ∘ ΔWᵢ ÷ Σ Fᵢ, (out, in), each Fᵢ of norm 1 over all modules.

    ``fishers`` are taken one after the other.
    """
    above: dict[str, Tensor] = {}
    below: dict[str, Tensor] = {}
    for source, information in enumerate(fishers):
        alone = mixed.weighted(mixed.one_hot(source))
        whole = math.sqrt(sum(float(diagonal.square().sum()) for diagonal in information.values())) or 1.0
        for name, diagonal in information.items():
            weight = (diagonal + FLOOR * diagonal.mean()) / whole + torch.finfo(diagonal.dtype).tiny
            delta = alone[name].b @ alone[name].a  # (out, in)
            above[name] = above[name] + weight * delta if source else weight * delta
            below[name] = below[name] + weight if source else weight
    return {name: above[name] / below[name] for name in above}


def fisher(mixed: Mixture, source: int, request: Request, examples: int) -> dict[str, Tensor]:
    """Return module → mean over texts of (∂ log p(y | x) / ∂W)², (out, in), y drawn with the request's seed.

    One text's gradient of W is Σ_t δ_t x_tᵀ, with x_t what goes into the module at token t and δ_t the gradient of what
    comes out; texts of a batch do not touch each other, so that one backward pass gives all of them. Where layers share
    a module (ALBERT), the sum is over all of its calls.

    Raises:
        TrainingError: the source computes no numbers for a text.
    """
    mixed.weigh(mixed.one_hot(source))
    model = _own_model(request.sources[source], mixed.body, request)
    kind, tokenizer = KINDS.get(require_target(request).kind), request.backbone.tokenizer
    rows = require_target(request).splits["train"]
    rows = rows.select(range(min(examples, len(rows))))
    encoded, collate = kind.encode(rows, tokenizer, request.budget.max_length), kind.collate(tokenizer)
    generator = torch.Generator().manual_seed(request.seed)
    sums: dict[str, Tensor] = {}
    passed: list[tuple[str, Tensor, Tensor]] = []  # module, what went in (batch, tokens, in), what came out

    def catch(name: str) -> Callable[..., None]:
        def hook(module: Any, given: tuple[Tensor, ...], out: Tensor) -> None:
            passed.append((name, given[0].detach().float(), out))

        return hook

    layers = {name: mixed.body.get_submodule(f"{lora.PREFIX}{name}") for name in mixed.update}
    hooks = [layer.register_forward_hook(catch(name)) for name, layer in layers.items()]
    for start in range(0, len(encoded), BATCH):
        batch = to_device_of(model, collate(encoded[start : start + BATCH]))
        labels = batch.pop("labels")
        passed.clear()
        read, _ = model.kind.read(model, batch, labels)
        logits = model.head(read)  # (answers, labels)
        _require_numbers(logits, request.sources[source])
        drawn = torch.multinomial(logits.detach().softmax(dim=-1).cpu(), 1, generator=generator).squeeze(1)
        loss = nn.functional.cross_entropy(logits, drawn.to(logits.device), reduction="sum")
        gradients = torch.autograd.grad(loss, [out for _, _, out in passed])
        by_module: dict[str, list[tuple[Tensor, Tensor]]] = {}
        for (name, inputs, _), gradient in zip(passed, gradients, strict=True):
            by_module.setdefault(name, []).append((gradient.float(), inputs))
        for name, calls in by_module.items():  # each text's gradient of one module at a time
            first, *others = (torch.einsum("bto,bti->boi", *call) for call in calls)  # (batch, out, in)
            squares = sum(others, first).square().sum(dim=0)  # (out, in)
            sums[name] = sums[name] + squares if name in sums else squares
    for hook in hooks:
        hook.remove()
    return {name: total.cpu() / len(encoded) for name, total in sums.items()}


def _require_numbers(logits: Tensor, source: StoredAdapter) -> None:
    if not bool(logits.isfinite().all()):
        hint = "The weights of this source are too large; leave it out."
        raise TrainingError(f"{source.id} computes NaN or infinity for the target's texts", hint=hint)


def require_suited(purpose: Purpose, settings: Settings) -> None:
    """Make sure that the answers of all sources are drawn here; raises InputError."""
    _require_drawn({f"source {number}": kind for number, kind in enumerate(purpose.kinds, 1)}, purpose.target)


def _require_drawn(kinds: Mapping[str, str], target: str) -> None:
    """Raise InputError for the sources, name → kind of task, whose answers are not drawn for a target of its kind."""
    if undrawn := [f"{name} ({kind})" for name, kind in kinds.items() if not _is_drawn(kind, target)]:
        hint = "It takes classification adapters; for a target that is answered in words, adapters of that kind."
        raise InputError(f"fisher cannot use {', '.join(undrawn)} adapters for a {target} target", hint=hint)


def _is_drawn(kind: str, target: str) -> bool:
    """Return whether what a source of a kind answers to the target's texts is a label, or a token at each place."""
    return kind == "classification" or (kind in GENERATED and kind == target)


def _own_model(source: StoredAdapter, body: nn.Module, request: Request) -> TaskModel:
    manifest = source.manifest
    adaptation = adaptation_of(manifest, request.backbone)
    head = adaptation.stored_head(source.folder / HEAD_FILE, manifest.task.kind, len(manifest.task.labels))
    kind = KINDS.get(manifest.task.kind)
    return TaskModel(body, head.requires_grad_(False), kind, adaptation.pooling, request.precision).eval()


COMPOSITION = Composition(
    title="Fisher-weighted average",
    paper="Matena & Raffel 2022, arXiv:2111.09832",
    settings=Settings,
    compose=compose,
    needs_target=True,
    require_suited=require_suited,
    revision=4,
    affects={
        3: lambda request, settings: (
            not all(_is_drawn(source.manifest.task.kind, require_target(request).kind) for source in request.sources)
        ),
        4: lambda request, settings: request.backbone.config.model_type == SHARING,
    },
)
