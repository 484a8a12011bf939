"""The class of transformers that a sender trained, on a backbone of ours: its weights, and a head still to fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from adapter_workbench.workbench.backbone import quantisation
from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.init_free import Undrawn
from adapter_workbench.workbench.errors import InputError, opening

if TYPE_CHECKING:
    from collections.abc import Collection

    from adapter_workbench.workbench.backbone.pretrained import Backbone

CLASSES = {
    None: "AutoModel",
    "classification": "AutoModelForSequenceClassification",
    "multilabel": "AutoModelForSequenceClassification",
    "regression": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "causal-lm": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
}
ODD = 23  # labels of a model without numbers: a layer with so many rows is the one that gives the logits


@dataclass(frozen=True)
class OwnClass:
    """A class of transformers on a backbone."""

    model: Any  # with the backbone's weights
    drawn: frozenset[str]  # names of its tensors that the backbone does not have
    unread: frozenset[str]  # names of tensors of the backbone's checkpoint that it has no place for


def own_class(backbone: Backbone, kind: str | None, outputs: int) -> OwnClass:
    """Return the sender's class with the backbone's weights, in as few bits as it is; what they lack has no meaning.

    Raises:
        InputError: transformers has no such class of this architecture, or the weights cannot be opened.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        packed = backbone.packed(head_modules(backbone, kind)) if backbone.quantization else {}
        model, loading_info = with_labels(backbone, outputs).pretrained(_loader(kind), **packed)
    if packed:
        quantisation.keep_as_packed(model)
    return OwnClass(model.eval(), frozenset(loading_info["missing_keys"]), frozenset(loading_info["unexpected_keys"]))


def with_labels(backbone: Backbone, outputs: int) -> Backbone:
    """Return the same backbone with so many labels in its config, and a padding token."""
    copy = backbone.elsewhere(backbone.folder)
    config = copy.config
    config.num_labels = outputs
    if getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = backbone.tokenizer.pad_token_id
    return copy


def base_prefix(backbone: Backbone, kind: str | None) -> str:
    """Return the name of the transformer inside the sender's class, with a dot: ``bert.``; empty where it is that."""
    return "" if kind is None else transformer_prefix(blank_class(backbone, kind))


def head_modules(backbone: Backbone, kind: str | None) -> tuple[str, ...]:
    """Return the names of the layers outside the transformer that have weights, in the model's order."""
    if kind is None:
        return ()
    model = blank_class(backbone, kind)
    inside = transformer_prefix(model)
    of_transformer = {f"{inside}{name}".rstrip(".") for name, _ in skeleton(backbone.config).named_modules()}
    return tuple(
        name
        for name, module in model.named_modules()
        if name not in of_transformer and any(True for _ in module.parameters(recurse=False))
    )


def output_name(backbone: Backbone, kind: str) -> str:
    """Return the name of the weight that gives the logits; its rows are the labels."""
    model = blank_class(backbone, kind)
    inside = transformer_prefix(model)
    names = [name for name, weight in model.named_parameters() if weight.shape[:1] == (ODD,) and weight.dim() == 2]
    name: str = next(name for name in reversed(names) if not inside or not name.startswith(inside))
    return name


def require_known(names: Collection[str], drawn: Collection[str], where: str) -> None:
    """Make sure that a sender's program has no weights that were drawn and not kept.

    Args:
        names: of the tensors that came.
        drawn: those that the class has and the backbone does not.
        where: the folder.

    Raises:
        InputError: one was neither in the folder nor in the base model.
    """
    if lacking := sorted({*drawn} - {*names}):
        layer = lacking[0].rpartition(".")[0]
        message = f"the weights of {lacking[0]} are neither in this folder nor in the base model"
        hint = (
            f"The sender's program initialised them at random and did not save them. Train again with {layer!r} in "
            "modules_to_save, or name the model that has them with --backbone."
        )
        raise InputError(message, where=where, hint=hint)


def transformer_prefix(model: Any) -> str:
    """Return what the names of the transformer's modules begin with in its class, such as ``bert.``; empty for T5."""
    name: str = model.base_model_prefix
    return f"{name}." if hasattr(model, name) else ""


def _loader(kind: str | None) -> Any:
    import transformers

    return getattr(transformers, CLASSES[kind])


def blank_class(backbone: Backbone, kind: str, outputs: int = ODD) -> Any:
    """Return the class of a kind of task without numbers.

    Raises:
        InputError: transformers has no such class of this architecture.
    """
    config = with_labels(backbone, outputs).config
    with opening("the config", str(backbone.folder)), torch.device("meta"), Undrawn():
        try:
            return _loader(kind).from_config(config)
        except ValueError:
            message = f"transformers has no model for {kind} of the architecture {config.model_type}"
            raise InputError(message, where=backbone.name) from None
