"""A merged model: an adapter's update written into its backbone's weights, saved as transformers saves any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from adapter_workbench.workbench.backbone.architecture import is_seq2seq
from adapter_workbench.workbench.backbone.bf16_matrices import widen
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods import card
from adapter_workbench.workbench.methods.adaptation import HEAD_FILE, save_head
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.libraries import LIBRARIES
from adapter_workbench.workbench.methods.library import Merges
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.methods.stored_model import open_adapter

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.output_layer import OutputLayer
    from adapter_workbench.workbench.backbone.pretrained import Backbone

IN_PLACE = "plain"  # a library whose weights are the backbone's own


def mergeable(method: str) -> bool:
    """Return whether a method only changes the backbone's weights."""
    library = METHODS.get(method).library
    return library == IN_PLACE or isinstance(LIBRARIES.get(library), Merges)


def require_mergeable(manifest: Manifest) -> None:
    """Make sure that an adapter can be merged.

    Raises:
        InputError: its method adds something else than weights, or the backbone's are packed; with what can be done.
    """
    hint = f"Leave --merge out: the exported folder opens with {manifest.library} on the backbone."
    if not mergeable(manifest.method):
        possible = ", ".join(name for name in METHODS.names() if mergeable(name))
        message = f"{manifest.id} cannot be merged: {manifest.method} does more than change the backbone's weights"
        raise InputError(message, hint=f"{hint} These methods can be merged: {possible}.")
    if bits := manifest.backbone.quantization:
        message = f"{manifest.id} cannot be merged: its backbone is kept in {bits}, which would round the update away"
        raise InputError(message, hint=hint)


def merged_model(stored: StoredAdapter, backbone: Backbone) -> TaskModel:
    """Return an adapter's model with the update added into the backbone's weights.

    In fp32 its logits are those of the adapted model within 1e-4. In bf16 they are further off: one product is rounded
    where there were two.

    Raises:
        InputError: it cannot be merged, or belongs to another backbone.
    """
    require_mergeable(stored.manifest)
    model = open_adapter(stored, backbone)
    library = LIBRARIES.get(stored.manifest.library)
    body = library.merge(widen(model.body)) if isinstance(library, Merges) else model.body
    return TaskModel(body or model.body, model.head, model.kind, model.pooling, model.precision).eval()


def save_merged(stored: StoredAdapter, backbone: Backbone, folder: Path, front_matter: str) -> None:
    """Write the merged model, its tokenizer, its head and its card into ``folder``; raises as :func:`merged_model`.

    Where answers are generated it is a whole language model, which needs no head of its own.
    """
    model = merged_model(stored, backbone).cpu()
    generates = stored.manifest.task.kind in GENERATED
    whole: Any = whole_language_model(model, backbone) if generates else model.body
    with quietly():
        whole.save_pretrained(folder)
    backbone.tokenizer.save_pretrained(folder)
    save_head(model.head, folder / HEAD_FILE)
    text = card.render(stored.manifest, merged=True)
    (folder / "README.md").write_text(front_matter + text, encoding="utf-8")


def whole_language_model(model: TaskModel, backbone: Backbone) -> nn.Module:
    """Return the body under the output layer that it was pretrained with.

    That is often the embeddings. Where those were trained, the layer is as it was, and no longer tied to them.
    """
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    loader: Any = AutoModelForSeq2SeqLM if is_seq2seq(backbone.config) else AutoModelForCausalLM
    lm, _ = backbone.pretrained(loader)
    head = cast("OutputLayer", model.head)
    lm.base_model.load_state_dict(model.body.state_dict(), strict=False)
    if lm.config.tie_word_embeddings and not torch.equal(lm.get_input_embeddings().weight, head.weight):
        lm.config.tie_word_embeddings = False
        if hasattr(lm.config, "scale_decoder_outputs"):  # a T5 of transformers 5, which told it from the tie before
            lm.config.scale_decoder_outputs = False
        output = nn.Linear(head.weight.shape[1], head.weight.shape[0], bias=head.bias is not None)
        output.weight = nn.Parameter(head.weight * head.scale)
        if head.bias is not None:
            output.bias = nn.Parameter(head.bias)
        lm.set_output_embeddings(output)
    whole: nn.Module = lm.eval()
    return whole
