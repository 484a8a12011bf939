"""A merged model under one of transformers' own heads, so that its ``pipeline`` gives the right labels; or a refusal.

The workbench's head is one linear layer on one vector. Many classes of transformers have another layer and an
activation before theirs. The linear layer goes through them unchanged in one of two ways: ε z through an activation
that is the identity near 0 (tanh), or f(z) − f(−z) = z, which holds for ReLU, GELU and SiLU. A head that came from
elsewhere may have the layers of such a class: they are taken over as they are. Whether the class then computes what the
adapter does is tried on texts, never assumed.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.answering.merging import merged_model, whole_language_model
from adapter_workbench.workbench.backbone.tokenizing import text_side, tokenise
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.model import TaskModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import HeadReference, Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone

KINDS_OF: dict[str, tuple[str, ...]] = {
    "sequence-classification": ("classification", "multilabel", "regression"),
    "token-classification": ("token-classification",),
    "causal-lm": ("causal-lm",),
}
PROBLEM = {
    "classification": "single_label_classification",
    "multilabel": "multi_label_classification",
    "regression": "regression",
}
SMALL = 2.0**-20  # tanh(ε z) = ε z (1 − (ε z)²/3): exact in float32 for any logit; a power of two is no rounding
CLOSE = 1e-4  # relative, and in logits: what merging a LoRA changes in float32
TRIED = ("A word.", "Another text, which is longer: 7 words and 2 commas, so that the first is padded.")
POOLED = {"mean": "the mean of all tokens", "first": "the first token", "last": "the last token"}
HINT = (
    "Leave --as out: the README that --merge writes has a program with the right pooling. "
    "Or serve the adapter: workbench serve"
)


def require_form(manifest: Manifest, form: str) -> None:
    """Make sure that an adapter's kind of task has the form.

    Raises:
        InputError: no such form, or one for another kind of task.
    """
    if form not in KINDS_OF:
        raise InputError(f"{form!r} is not a form of a model", where="--as", hint=f"There are: {', '.join(KINDS_OF)}.")
    kind = manifest.task.kind
    if kind not in KINDS_OF[form]:
        fitting = next((name for name, kinds in KINDS_OF.items() if kind in kinds), None)
        hint = f"For this kind: --as {fitting}" if fitting else "Leave --as out: --merge alone writes the whole model."
        message = f"{manifest.id} cannot be written as {form}: its task is of the kind {kind}"
        raise InputError(message, where="--as", hint=hint)


def standard(stored: StoredAdapter, backbone: Backbone, form: str) -> Any:
    """Return a model of transformers that answers as the adapter does, by itself.

    Raises:
        InputError: the adapter cannot be merged, or no class of its architecture computes what it does; with why.
    """
    require_form(stored.manifest, form)
    model = merged_model(stored, backbone).cpu()
    if form == "causal-lm":
        return whole_language_model(model, backbone)
    exact = TaskModel(model.body, in_units(model.head, stored.manifest), model.kind, model.pooling, "fp32").eval()
    standard_model = _blank(stored.manifest, backbone, form)
    _, unread = standard_model.base_model.load_state_dict(exact.body.state_dict(), strict=False)
    if any(not name.startswith("pooler.") for name in unread):
        raise _refusal(stored, standard_model, "it has other layers")
    if why := write_head(exact, standard_model, backbone, stored.manifest.head):
        raise _refusal(stored, standard_model, why)
    return standard_model


def save_standard(stored: StoredAdapter, backbone: Backbone, form: str, folder: Path, front_matter: str) -> None:
    """Write such a model, its tokenizer and its card into ``folder``; raises as :func:`standard`."""
    standard_model = standard(stored, backbone, form)
    with quietly():
        standard_model.save_pretrained(folder)
    tokenizer = copy.deepcopy(backbone.tokenizer)
    tokenizer.model_max_length = stored.manifest.budget.max_length  # a pipeline that truncates cuts where predict does
    if form != "causal-lm":
        tokenizer.padding_side = text_side(tokenizer)
    tokenizer.save_pretrained(folder)
    text = card.render(stored.manifest, merged=True, standard=form != "causal-lm")
    (folder / "README.md").write_text(front_matter + text, encoding="utf-8")


def in_units(head: nn.Module, manifest: Manifest) -> nn.Module:
    """Return a copy of the head; that of a regression gives values in their own unit."""
    unit_head = copy.deepcopy(head)
    if manifest.task.scale and manifest.task.scale != (0.0, 1.0):
        centre, spread = manifest.task.scale
        last = _layers(unit_head)[-1]
        last.weight = nn.Parameter(last.weight.detach() * spread)
        last.bias = nn.Parameter(_bias(last) * spread + centre)
    return unit_head


def _layers(head: nn.Module) -> list[Any]:
    """Return the layers of a head that have weights; the last one is linear."""
    return [layer for layer in head.modules() if any(True for _ in layer.parameters(recurse=False))]


def _bias(linear: nn.Linear) -> Tensor:
    return torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias.detach()


def _blank(manifest: Manifest, backbone: Backbone, form: str) -> Any:
    """Return the architecture's own model of this form, with the task's labels and weights of no meaning."""
    from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

    loader: Any = (
        AutoModelForSequenceClassification if form == "sequence-classification" else AutoModelForTokenClassification
    )
    task, config = manifest.task, copy.deepcopy(backbone.config)
    labels = task.labels or (task.name,)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.pad_token_id = backbone.tokenizer.pad_token_id
    if form == "sequence-classification":
        config.problem_type = PROBLEM[task.kind]
    try:
        with torch.random.fork_rng(devices=[]):
            return loader.from_config(config).float().eval()
    except ValueError:
        message = f"transformers has no {form} model of the architecture {config.model_type}"
        raise InputError(message, where=manifest.id, hint=HINT) from None


def write_head(
    exact: TaskModel, standard_model: Any, backbone: Backbone, reference: HeadReference | None
) -> str | None:
    """Write an adapter's head into a class of transformers in one of the ways that the class allows.

    Args:
        exact: the adapter's model, in float32; a regression's head is in its own unit.
        standard_model: the class, with the same body.
        backbone: that it belongs to.
        reference: what the manifest says of the head.

    Returns:
        Why no way gives the same logits; None where one did, which is in the class then.
    """
    side = text_side(backbone.tokenizer)
    batch = tokenise(backbone.tokenizer, [*TRIED], padding=True, padding_side=side, return_tensors="pt")
    with torch.inference_mode():
        logits = exact(**batch)["logits"]
    layers = _layers(exact.head)
    is_linear = len(layers) == 1
    ways = (
        _write_linear(standard_model, layers[0].weight.detach(), _bias(layers[0]))
        if is_linear
        else _taken_over(standard_model, layers)
    )
    for _ in ways:
        with torch.inference_mode():
            if torch.allclose(standard_model(**batch).logits, logits, rtol=CLOSE, atol=CLOSE):
                return None
    theirs = [*head_layers(standard_model).values()]
    if is_linear and len(theirs) == 1 and theirs[0].bias is None and bool(_bias(layers[0]).any()):
        return "its last layer has no bias, and the adapter's has one"
    named = "one linear layer" if reference is None or is_linear else f"the layers {', '.join(reference.layers)}"
    return f"the adapter reads {POOLED[exact.pooling]} with {named}"


def _taken_over(standard_model: Any, layers: list[Any]) -> Iterator[None]:
    """Write layers into those that a model has between token states and logits; yield if they are the same ones."""
    theirs = [*head_layers(standard_model, (nn.Linear, nn.LayerNorm)).values()]
    shapes = [[tuple(layer.weight.shape) for layer in stack] for stack in (layers, theirs)]
    if shapes[0] != shapes[1] or any(
        layer_here.bias is not None and layer.bias is None for layer_here, layer in zip(layers, theirs, strict=True)
    ):
        return
    with torch.no_grad():
        for layer_here, layer in zip(layers, theirs, strict=True):
            layer.weight.copy_(layer_here.weight)
            if layer.bias is not None:
                layer.bias.copy_(torch.zeros_like(layer.bias) if layer_here.bias is None else layer_here.bias)
    yield


def _write_linear(standard_model: Any, weight: Tensor, bias: Tensor) -> Iterator[None]:
    """Write a head, weight (labels, h) and bias (labels,), into a model; yield after each way that its layers allow."""
    layers = [*head_layers(standard_model).values()]
    if not layers or layers[-1].weight.shape[0] != len(weight):
        return
    *hidden, last = layers
    with torch.no_grad():
        if not hidden:
            if last.bias is not None or not bias.any():
                _fill(last, weight, bias)
                yield
        elif len(hidden) == 1 and hidden[0].bias is not None and last.bias is not None:
            zero, eye = torch.zeros_like(bias), torch.eye(len(weight))
            for through, shift, back in (
                (SMALL * weight, SMALL * bias, eye / SMALL),
                (torch.cat([weight, -weight]), torch.cat([bias, -bias]), torch.cat([eye, -eye], dim=1)),
            ):
                if len(through) <= len(hidden[0].weight):
                    _fill(hidden[0], through, shift)
                    _fill(last, back, zero)
                    yield


def head_layers(standard_model: Any, kinds: tuple[type[nn.Module], ...] = (nn.Linear,)) -> dict[str, Any]:
    """Return the linear layers between the token states and the logits by name, in the order of the model."""
    inside = f"{standard_model.base_model_prefix}."
    return {
        name: module
        for name, module in standard_model.named_modules()
        if isinstance(module, kinds) and (not name.startswith(inside) or name.startswith(f"{inside}pooler."))
    }


def _fill(layer: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Write into the first rows and columns of a layer, and 0 everywhere else."""
    layer.weight.zero_()
    layer.weight[: weight.shape[0], : weight.shape[1]] = weight
    if layer.bias is not None:
        layer.bias.zero_()
        layer.bias[: len(bias)] = bias


def _refusal(stored: StoredAdapter, standard_model: Any, why: str) -> InputError:
    name = type(standard_model).__name__
    message = f"{stored.id} cannot be written as {name}, which computes its logits in another way: {why}"
    return InputError(message, where="--as", hint=HINT)
