"""A base model with the words that an adapter brings, written as a folder, and the adapter without them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere.added_words import Parted, is_tied, resize, word_layers
from adapter_workbench.workbench.answering.elsewhere.body_weights import write_body
from adapter_workbench.workbench.answering.elsewhere.comparison_texts import SHORT
from adapter_workbench.workbench.answering.elsewhere.form import CLOSE, Sender
from adapter_workbench.workbench.answering.elsewhere.head_form import difference
from adapter_workbench.workbench.answering.elsewhere.sender_class import own_class
from adapter_workbench.workbench.backbone.config import read_json
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.backbone.model_folder import POOLING
from adapter_workbench.workbench.backbone.names import POOLINGS
from adapter_workbench.workbench.backbone.network import completed
from adapter_workbench.workbench.backbone.tokenizer_files import tokenizer_files
from adapter_workbench.workbench.backbone.tokenizing import tokenise
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TIED, WORDS, GENERATION = "tie_word_embeddings", "vocab_size", "generation_config.json"
MOST_TRIED = 20  # added words in the text on which both programs are compared


def write_base(parted: Parted, sent: SentFolder, base: Backbone, kind: str | None, folder: Path) -> None:
    """Write a base model with the words and the tokenizer of an adapter's sender.

    Args:
        parted: the adapter, taken apart.
        sent: its folder.
        base: the base model.
        kind: of task; None where no head is stored.
        folder: an empty one.
    """
    model: Any = own_class(base, kind if kind in GENERATED else None, 1).model
    layers = word_layers(model)
    replaced = {
        f"{ours}.{part}": tensor
        for theirs, ours in zip(parted.layers, layers, strict=False)
        for part, tensor in parted.states[theirs].items()
    }
    count = len(replaced[f"{layers.embeddings}.weight"])
    resize(model, count)
    content = {**read_json(base.folder / MODEL_CONFIG), WORDS: count, "architectures": [type(model).__name__]}
    if layers.output and parted.layers.output and is_tied(model):
        content[TIED] = torch.equal(replaced[f"{layers.embeddings}.weight"], replaced[f"{layers.output}.weight"])
    write_body(_distinct(model.state_dict(), replaced, apart=content.get(TIED) is False), base.folder, folder)
    (folder / MODEL_CONFIG).write_text(json.dumps(content, indent=2), encoding="utf-8")
    if (base.folder / GENERATION).is_file():
        shutil.copyfile(base.folder / GENERATION, folder / GENERATION)
    for path in tokenizer_files(sent.folder) or tokenizer_files(base.folder):
        shutil.copyfile(path, folder / path.name)
    (folder / POOLING).parent.mkdir()
    named = next(name for name, pooling in POOLINGS.items() if pooling == base.pooling)
    (folder / POOLING).write_text(json.dumps({"pooling_mode": named}), encoding="utf-8")
    facts = {"base_model": base.hub_id, "license": base.license}
    lines = [f"{key}: {json.dumps(value)}" for key, value in facts.items() if value]
    (folder / "README.md").write_text("\n".join(["---", *lines, "---", ""]), encoding="utf-8")


def write_adapter(parted: Parted, sent: SentFolder, folder: Path) -> None:
    """Write the adapter without its words, and what lies beside it."""
    save_file({name: tensor.contiguous() for name, tensor in parted.tensors.items()}, folder / PEFT_WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(dict(parted.config), indent=2), encoding="utf-8")
    for name in {*sent.read_files} - {CONFIG, PEFT_WEIGHTS}:
        shutil.copyfile(sent.folder / name, folder / name)


def require_its_words(parted: Parted, base: Backbone, kind: str | None) -> None:
    """Make sure that a base model has the words that an adapter brings; raises InputError where it has others."""
    model: Any = own_class(base, kind if kind in GENERATED else None, 1).model
    for theirs, ours in zip(parted.layers, word_layers(model), strict=False):
        rows, own = parted.states[theirs]["weight"], model.get_submodule(ours).weight
        if rows.shape != own.shape or not torch.equal(rows.to(own), own):
            hint = "Name another folder, which does not exist yet."
            raise InputError("the model there has other words than this adapter", where=str(base.folder), hint=hint)


def require_same_answers(parted: Parted, sent: SentFolder, base: Backbone, kind: str | None, outputs: int) -> None:
    """Make sure that an adapter without its words answers on the base model that has them as the two did together.

    Args:
        parted: the adapter with its words.
        sent: the adapter without.
        base: the base model with them.
        kind: of task; None where no head is stored.
        outputs: how many logits there are.

    Raises:
        InputError: it does not.
    """
    before = Sender(parted.program.model, {}, None, lambda folder: None)
    after = sent.open_sender(base, kind, outputs)
    added = base.tokenizer.get_added_vocab()
    words = sorted(added, key=added.__getitem__)[-MOST_TRIED:]
    text = f"{SHORT} {' '.join(words)} {SHORT}"
    batch = completed(base.config, dict(tokenise(base.tokenizer, [text], return_tensors="pt")))
    with torch.inference_mode():
        wanted, here = (sender.logits(batch) if kind else sender.states(batch) for sender in (before, after))
    if not (off := difference(here, wanted)) <= 10 * CLOSE:
        message = f"on its own base model it would answer otherwise, by {off:.1e} of the largest number"
        raise InputError(message, where=str(sent.folder), hint="Its own program can still be used.")


def _distinct(state: Mapping[str, Tensor], replaced: Mapping[str, Tensor], apart: bool) -> dict[str, Tensor]:
    """Return each tensor of a model once, some of them replaced.

    Args:
        state: name → tensor; tensors that are one have the same memory.
        replaced: name → what stands there.
        apart: whether what is replaced is written under each of its names.
    """
    seen: set[tuple[int, tuple[int, ...]]] = set()
    distinct: dict[str, Tensor] = {}
    for name, tensor in state.items():
        memory = (tensor.data_ptr(), tuple(tensor.shape))
        if memory not in seen or (apart and name in replaced):
            distinct[name] = replaced.get(name, tensor.detach())
        seen.add(memory)
    return distinct
