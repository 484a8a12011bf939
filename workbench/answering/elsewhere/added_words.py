"""An adapter of peft that brings words of its own: its base model is written with them, and the adapter without.

Whoever adds tokens resizes the embeddings, and peft saves the rows: whole (``save_embedding_layers``), as copies that
were trained (``modules_to_save``), of some tokens (``trainable_token_indices``), or under an update. A backbone here is
shared by its adapters, so rows and tokenizer cannot be one adapter's. They become those of a backbone of its own: all
that peft computes with in place of the base model's embeddings and output layer. What is left is an adapter of that.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS
from adapter_workbench.workbench.answering.elsewhere import peft_config
from adapter_workbench.workbench.answering.elsewhere.beside_tokenizer import require_added_words
from adapter_workbench.workbench.answering.elsewhere.forms.peft import SentByPeft
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import KEY, moves_base, without_start
from adapter_workbench.workbench.answering.elsewhere.peft_program import Program, open_program, require_justified
from adapter_workbench.workbench.answering.elsewhere.peft_weights import START
from adapter_workbench.workbench.answering.elsewhere.sender_class import OwnClass, own_class
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Backbone

BASE_ROWS = (".base_layer.weight", ".token_adapter.base_layer.weight", ".original_module.weight", ".weight")
MOST_ADDED = 100_000  # tokens
OTHER = "Merge the adapter into a model of its own (peft: merge_and_unload, save_pretrained), and import that."


@dataclass(frozen=True)
class WordLayers:
    """Where a sender's class has its words."""

    embeddings: str  # the name of the input embeddings
    output: str | None  # that of the output layer of a language model; None without one

    def __iter__(self) -> Any:
        """Yield both, as far as there are both."""
        return iter([self.embeddings, *([self.output] if self.output else [])])


@dataclass(frozen=True)
class Parted:
    """An adapter, taken apart."""

    program: Program  # the sender's own, with its words
    layers: WordLayers  # where these are
    states: Mapping[str, Mapping[str, Tensor]]  # name of such a layer → its tensors, as the program computes with them
    config: Mapping[str, Any]  # of the adapter without them
    tensors: Mapping[str, Tensor]  # of the adapter without them, as its file names them


def part(sent: SentByPeft, base: Backbone, kind: str | None, outputs: int) -> Parted:
    """Return an adapter and its words.

    Args:
        sent: the adapter's folder.
        base: the base model that it was trained from, before words were added.
        kind: of task; None where no head is stored.
        outputs: how many logits there are.

    Raises:
        InputError: it has no tokenizer or another one than the base model's with more words, lacks rows of added
            tokens, or does not fit the base model.
    """
    where = str(sent.folder / CONFIG)
    has_tokenizer = require_added_words(sent.folder, base)
    own = own_class(base, kind, outputs)
    layers = word_layers(own.model)
    tensors = _with_rows(own, layers, sent, has_tokenizer)
    require_bounded_patterns(sent.config, [name for name, _ in own.model.named_modules()], where)
    moving, config = moves_base(sent.config), without_start(sent.config)
    require_justified(own.model, peft_config.sender_config(config, where), tensors, where)
    asked = peft_config.sender_config({**config, KEY: sent.config[KEY]} if moving else config, where)
    program = open_program(own.model, sent.folder, asked, tensors, moving)
    inner = program.model.get_base_model()
    states = {name: _effective_state(inner.get_submodule(name)) for name in layers}
    starts = tuple(f"{name}." for name in layers)
    return Parted(
        program=program,
        layers=layers,
        states=states,
        config=_without(sent.config, program.model, layers, where),
        tensors={f"{START}{name}": tensor for name, tensor in program.tensors.items() if not name.startswith(starts)},
    )


def word_layers(model: Any) -> WordLayers:
    """Return where a model of transformers has its words."""
    names = {id(module): name for name, module in reversed([*model.named_modules()])}
    output = model.get_output_embeddings()
    return WordLayers(names[id(model.get_input_embeddings())], None if output is None else names[id(output)])


def _with_rows(own: OwnClass, layers: WordLayers, sent: SentByPeft, has_tokenizer: bool) -> Mapping[str, Tensor]:
    """Put the rows of a folder into the sender's class, and return its tensors without those of copies that peft made.

    peft writes a module that was trained whole up to three times.
    """
    tensors, where = dict(sent.tensors), str(sent.folder / PEFT_WEIGHTS)
    model: Any = own.model
    rows = {name: next((tensors[key] for key in _keys(name) if key in tensors), None) for name in layers}
    _require_rows(model, layers, rows, has_tokenizer, where)
    for name, tensor in rows.items():
        weight = model.get_submodule(name).weight
        if tensor is not None and tensor.shape != weight.shape:
            message = f"{name} is {[*tensor.shape]} in this folder, and the base model needs {[*weight.shape]}"
            raise InputError(message, where=where, hint="It was trained on another model. Name that with --backbone.")
        with torch.no_grad():
            weight.copy_(weight if tensor is None else tensor)
        made = tensors.pop(f"{name}.modules_to_save.weight", None)
        if made is not None and not torch.equal(made, tensors.get(f"{name}.weight", made)):
            message = f"{name}.modules_to_save.weight and {name}.weight differ, and are one in peft"
            raise InputError(message, where=where, hint=OTHER)
        is_whole = any(peft_config.matching([end])(name) for end in sent.config.get("modules_to_save") or ())
        for ending in BASE_ROWS[: -1 if is_whole else None]:
            tensors.pop(f"{name}{ending}", None)
    return _once(tensors, layers) if is_tied(model) else tensors


def _once(tensors: Mapping[str, Tensor], layers: WordLayers) -> dict[str, Tensor]:
    """Return the tensors without those of an output layer that are those of the embeddings, which it is."""
    ours = {name: name.replace(f"{layers.output}.", f"{layers.embeddings}.", 1) for name in tensors}
    return {
        name: tensor
        for name, tensor in tensors.items()
        if ours[name] == name or ours[name] not in tensors or not torch.equal(tensor, tensors[ours[name]])
    }


def _require_rows(
    model: Any, layers: WordLayers, rows: Mapping[str, Tensor | None], has_tokenizer: bool, where: str
) -> None:
    """Give a model as many tokens as the rows of a folder are; raises InputError where some are missing, or too many.

    Args:
        model: of the sender's class.
        layers: where it has its words.
        rows: layer → its rows in the folder; None where it has none of it.
        has_tokenizer: whether there is a tokenizer in the folder.
        where: the file.
    """
    known = model.get_input_embeddings().weight.shape[0]
    count = max([known, *(len(tensor) for tensor in rows.values() if tensor is not None and tensor.dim() == 2)])
    added = count - known
    if added > MOST_ADDED:
        raise InputError(f"{added:,} tokens were added; {MOST_ADDED:,} may be", where=where)
    if added and not has_tokenizer:
        hint = "Save it there: tokenizer.save_pretrained(FOLDER)."
        raise InputError(f"{added:,} tokens were added, and their tokenizer is not here", where=where, hint=hint)
    lacking = [
        name for name, tensor in rows.items() if tensor is None and not (is_tied(model) and name == layers.output)
    ]
    if added and lacking:
        message = f"the rows of {added:,} added tokens of {lacking[0]} are not in this folder"
        raise InputError(message, where=where, hint="Save it again with save_embedding_layers=True.")
    resize(model, count)


def _keys(layer: str) -> Iterable[str]:
    return (f"{layer}{ending}" for ending in BASE_ROWS)


def is_tied(model: Any) -> bool:
    """Return whether a model's output layer is its embeddings."""
    output = model.get_output_embeddings()
    return output is not None and output.weight is model.get_input_embeddings().weight


def resize(model: Any, count: int) -> None:
    """Give a model so many tokens; rows that are new have numbers without a meaning."""
    if model.get_input_embeddings().weight.shape[0] != count:
        with torch.random.fork_rng(devices=[]):
            model.resize_token_embeddings(count, mean_resizing=False)


@torch.no_grad()
def _effective_state(layer: Any) -> dict[str, Tensor]:
    """Return the tensors that a layer computes with, whatever peft has put around it."""
    if hasattr(layer, "modules_to_save"):
        layer = layer.modules_to_save["default"]
    elif hasattr(layer, "token_adapter"):
        return {"weight": layer.token_adapter.get_merged_weights(["default"]).detach().clone()}
    elif hasattr(layer, "get_base_layer"):
        layer = copy.deepcopy(layer)
        layer.merge()
        layer = layer.get_base_layer()
    module: nn.Module = layer
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _without(config: Mapping[str, Any], program: Any, layers: WordLayers, where: str) -> dict[str, Any]:
    """Return an adapter's config without the layers of words; each module that it adapts has its whole name."""
    changed = dict(config)
    if config.get("trainable_token_indices"):
        changed["trainable_token_indices"] = None
    if saved := config.get("modules_to_save"):
        others = [end for end in saved if not any(map(peft_config.matching([end]), layers))]
        changed["modules_to_save"] = others or None
    adapted = [*getattr(program.base_model, "targeted_module_names", ())]
    if {*adapted} & {*layers}:
        changed["target_modules"] = [name for name in adapted if name not in {*layers}]
        if not changed["target_modules"]:
            raise InputError("it adapts only words, and nothing of the transformer", where=where, hint=OTHER)
    return changed
