"""A whole model that another program wrote: on a base model that is known here, or as its own backbone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.manifest import LinkedFiles
from adapter_workbench.workbench.answering.elsewhere.form import Sender
from adapter_workbench.workbench.answering.elsewhere.model_class import other_head
from adapter_workbench.workbench.answering.elsewhere.model_files import files_read, has_tokenizer, model_files
from adapter_workbench.workbench.answering.elsewhere.setfit_head import FILES as OF_SETFIT
from adapter_workbench.workbench.answering.elsewhere.setfit_head import longest_text, unread_head
from adapter_workbench.workbench.backbone.architecture import UNREAD, positions
from adapter_workbench.workbench.backbone.model_folder import ITSELF
from adapter_workbench.workbench.backbone.names import base_in, model_in
from adapter_workbench.workbench.backbone.stored_tensors import only_indexed, stored_in
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import digest
from adapter_workbench.workbench.methods.card import TRANSFORMER
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.settings.bounds import FEWEST_TOKENS, MOST_TOKENS

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.workbench.answering.elsewhere.sender_class import OwnClass
    from adapter_workbench.workbench.answering.elsewhere.setfit_head import SetFitHead
    from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling

HINT = "Its own program can still be used."


@dataclass(frozen=True)
class SentModel:
    """What lies in the folder of a whole model."""

    folder: Path  # where it lies
    program: str  # that wrote it
    config: Mapping[str, Any]  # of its transformer, as it stands in the file
    kinds: tuple[str, ...]  # of task; none where it has no head
    pooling: Pooling | None = None  # that the folder states for its features; None where it states none
    link: bool = False  # whether its files stay where they are
    head: SetFitHead | None = None  # of SetFit; None where its class has it, or nobody
    method: str = "full"  # what it is called here
    kept_files: tuple[str, ...] = ()  # nothing: its files are copied, or can be made of the body's weights and the head

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The labels that the config names; without any, as transformers calls them. Those of a head of SetFit."""
        if self.head:
            return self.head.labels
        named = self.config.get("id2label") or {}
        label_names = [named[number] for number in sorted(named, key=int)]
        return tuple(label_names) or tuple(f"LABEL_{number}" for number in range(self.config.get("num_labels", 2)))

    @property
    def other_head(self) -> str | None:
        """What its head is for, if that is not a kind of task here."""
        return other_head(self.config)

    @property
    def base(self) -> str | None:
        """What its sender calls the base model; None where answers are generated.

        A language model that was trained has its own output layer, and here that is the backbone's.
        """
        stated = (self.config.get("_name_or_path"), base_in(self.folder))
        base_names = [name for name in stated if isinstance(name, str) and name]
        return base_names[0] if base_names and not self.generates else None

    @property
    def generates(self) -> bool:
        """Whether its answers are texts."""
        return any(kind in GENERATED for kind in self.kinds)

    @property
    def read_files(self) -> tuple[str, ...]:
        return (*files_read(self.folder), *self._head_files)

    @property
    def _head_files(self) -> tuple[str, ...]:
        return tuple(name for name in OF_SETFIT if self.head and (self.folder / name).is_file())

    @property
    def unread_head(self) -> str | None:
        """How a head can be made readable that SetFit has left as a pickle; None without such."""
        return None if self.head else unread_head(self.folder)

    @property
    def longest(self) -> int | None:
        """The number of tokens after which SetFit cuts a text; None where an adapter reads as much as it can."""
        if not self.head:
            return None
        itself = self.itself
        stated = (longest_text(itself.folder), positions(itself.config), itself.tokenizer.model_max_length)
        return max(min(MOST_TOKENS, *(int(count) for count in stated if count)), FEWEST_TOKENS)

    @cached_property
    def itself(self) -> Backbone:
        return model_in(self.folder, ITSELF, self.pooling)

    def outputs(self, backbone: Backbone, kind: str) -> int | None:
        """Return the rows of the layer that gives the logits; None where answers are generated."""
        from adapter_workbench.workbench.answering.elsewhere.sender_class import output_name

        if kind in GENERATED:
            return None
        if self.head:
            return len(self.head.bias)
        name = output_name(self.itself, kind)
        stored = stored_in(self.itself.folder)
        if stored is None:
            lacking = only_indexed(self.itself.folder) or "some tensors otherwise"
            raise InputError(f"the index names {lacking}, which is missing in the weights", where=str(self.folder))
        if name not in stored or not (shape := stored[name].shape):
            raise InputError(f"its head is missing: the weights have no {name}", where=str(self.folder))
        return shape[0]

    def open_sender(self, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
        """Return the class of transformers that the config names, with the weights of the folder."""
        from adapter_workbench.workbench.answering.elsewhere.base_model import require_base
        from adapter_workbench.workbench.answering.elsewhere.sender_class import base_prefix, own_class

        is_own_backbone = backbone.name == ITSELF
        if is_own_backbone and not has_tokenizer(self.itself.folder):
            hint = "Save it there: tokenizer.save_pretrained(FOLDER). Or name the base model: --backbone NAME"
            raise InputError("there is no tokenizer beside this model", where=str(self.folder), hint=hint)
        if not is_own_backbone:
            require_base(self.itself, backbone, self.folder)
        if self.head:
            return self._sender_of_setfit(self.head, backbone)
        loaded = own_class(self.itself, kind, outputs)
        self._require_complete(loaded, kind)
        prefix = base_prefix(self.itself, kind)
        head = self._head(loaded.model, prefix, kind)
        return (
            self._sender_as_own_backbone(loaded.model, head)
            if is_own_backbone
            else self._sender_on_backbone(loaded.model, head, backbone, prefix)
        )

    def _sender_of_setfit(self, head: SetFitHead, backbone: Backbone) -> Sender:
        """Return what SetFit computes, with the transformer of the folder; it is called as one without a head is."""
        from torch import nn

        from adapter_workbench.workbench.answering.elsewhere.sender_class import own_class
        from adapter_workbench.workbench.answering.elsewhere.setfit_program import Classifier

        loaded = own_class(self.itself, None, 1)
        self._require_complete(loaded, None)
        layers, width = head.layers(), loaded.model.config.hidden_size
        if head.weight.shape[1] != width:
            message = f"its head reads vectors of {head.weight.shape[1]} numbers, and this model makes {width}"
            raise InputError(message, where=str(self.folder), hint="Is it the head of another model?")
        sender = (
            self._sender_as_own_backbone(loaded.model, layers)
            if backbone.name == ITSELF
            else self._sender_on_backbone(loaded.model, layers, backbone, "")
        )
        program = Classifier(loaded.model, nn.Sequential(*layers.values()), self.pooling or self.itself.pooling)
        return replace(sender, program=program.eval())

    def _require_complete(self, loaded: OwnClass, kind: str | None) -> None:
        """Make sure that the class has all its weights from the file, and the file none that the class does not have.

        Of a model without a head, the pooler may be missing, and what stood above it may be left over.
        """
        called = type(loaded.model).__name__
        drawn = sorted(name for name in loaded.drawn if kind or not name.startswith(UNREAD))
        if drawn:
            message = f"{drawn[0]} is missing in the weights; a {called} would initialise it at random"
            raise InputError(message, where=str(self.folder), hint="Save the model again with save_pretrained.")
        if kind and loaded.unread:
            message = f"the weights hold {min(loaded.unread)}, which a {called} does not have"
            raise InputError(message, where=str(self.folder), hint=HINT)

    def _head(self, model: Any, prefix: str, kind: str | None) -> dict[str, nn.Module]:
        """Return the layers between the body and the logits by name; none of a language model, which has its own."""
        from adapter_workbench.workbench.answering.elsewhere.peft_modules import poolers
        from adapter_workbench.workbench.answering.elsewhere.sender_class import head_modules

        if kind is None or kind in GENERATED:
            return {}
        outside = head_modules(self.itself, kind)
        return {name: model.get_submodule(name) for name in (*poolers(model, prefix), *outside)}

    def _sender_as_own_backbone(self, model: Any, head: Mapping[str, nn.Module]) -> Sender:
        """Return the sender of a model that is its own backbone: its files are copied as they are, or linked."""
        files = (*model_files(self.folder), *self._head_files)
        linked = (
            LinkedFiles(folder=str(self.folder.resolve()), files=_digests(self.folder, files)) if self.link else None
        )

        def write(folder: Path) -> None:
            for name in () if linked else files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.folder / name, folder / name)

        subfolder = self.itself.folder.relative_to(self.folder).as_posix()
        original = {} if subfolder == "." else {TRANSFORMER: subfolder}
        return Sender(model, {}, None, write, head, original, self.pooling, linked)

    def _sender_on_backbone(self, model: Any, head: Mapping[str, nn.Module], backbone: Backbone, prefix: str) -> Sender:
        """Return the sender of a model whose body replaces the weights of ``backbone``."""
        from adapter_workbench.workbench.answering.elsewhere.body_weights import body_of, write_body

        if self.generates:
            self._require_output_layer(model, backbone)

        def write(folder: Path) -> None:
            write_body(body_of(model, prefix, backbone, self.folder), self.itself.folder, folder)

        layers = {name: [*layer.state_dict()] for name, layer in head.items()}
        original = {"config": dict(self.config), "prefix": prefix, "head": layers}
        return Sender(model, {}, None, write, head, original, self.pooling)

    def _require_output_layer(self, model: Any, backbone: Backbone) -> None:
        """Make sure that a language model computes its logits with the backbone's own output layer."""
        import torch

        from adapter_workbench.workbench.backbone.output_layer import output_layer

        ours, layer = output_layer(backbone), model.get_output_embeddings()
        pairs = ((ours.weight, layer.weight), (ours.bias, getattr(layer, "bias", None)))
        if not all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs):
            message = f"its output layer is not that of {backbone.name}: it was trained, or is tied to the embeddings"
            hint = "Here the backbone's own is used. Keep the model as its own backbone: leave --backbone out."
            raise InputError(message, where=str(self.folder), hint=hint)


def _digests(folder: Path, files: Sequence[str]) -> dict[str, str]:
    return {name: digest(folder / name) for name in files}
