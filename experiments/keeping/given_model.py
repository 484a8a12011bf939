"""A language model that somebody trained, as its own program opens it: whole, or with an adapter of peft on it.

No file of it runs code: config, weights, tokenizer and chat template are read as everywhere here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, read_config
from adapter_workbench.workbench.answering.elsewhere.location import locate
from adapter_workbench.workbench.backbone.architecture import is_causal, positions
from adapter_workbench.workbench.backbone.names import BACKBONES, bits_of, open_backbone
from adapter_workbench.workbench.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.workbench.answering.elsewhere.forms.peft import SentByPeft
    from adapter_workbench.workbench.backbone.pretrained import Backbone

KIND = "causal-lm"
PACKED = "Name it without :nf4 or :int8. An adapter that was trained on packed weights is kept on the plain ones."


@dataclass(frozen=True)
class GivenModel:
    """A language model; its weights are not read yet."""

    name: str  # as it was given
    base: Backbone  # the model, or that on which the adapter lies
    adapter: SentByPeft | None = None

    def length(self, asked: int | None, usual: int) -> int:
        """Return at how many tokens a row is cut; raises InputError where the model cannot read as many as asked."""
        if asked is not None:
            self.base.require_length(asked, "--max-length")
            return asked
        limits = (usual, positions(self.base.config), self.base.tokenizer.model_max_length)
        return int(min(limit for limit in limits if limit is not None))

    def open(self) -> nn.Module:
        """Return the model in float32, in evaluation mode, on the accelerator where there is one.

        What a Trainer would train of it requires gradients: all weights, or those of the adapter.

        Raises:
            InputError: the weights cannot be read, are not those of a language model, or the adapter does not fit.
        """
        from adapter_workbench.workbench.machine.device import accelerator

        model: Any = self._whole() if self.adapter is None else self._with(self.adapter)
        opened: nn.Module = model.to(accelerator()).eval()
        return opened

    def _whole(self) -> Any:
        from adapter_workbench.workbench.answering.elsewhere.sender_class import own_class

        own = own_class(self.base, KIND, 1)
        if own.drawn:
            message = f"{min(own.drawn)} is missing in the weights; it would be drawn at random"
            hint = "Is it the checkpoint of a language model? Save it again with save_pretrained."
            raise InputError(message, where=str(self.base.folder), hint=hint)
        return own.model

    def _with(self, adapter: SentByPeft) -> Any:
        model: Any = adapter.open_sender(self.base, KIND, 1).program
        model.set_adapter("default")
        return model


def read_model(name: str, backbone: str | None) -> GivenModel:
    """Return what a name stands for; its config is read, and no weights.

    Args:
        name: a registered name, a hub id or a folder.
        backbone: the base model of an adapter; None for a whole model.

    Raises:
        InputError: there is no such model, it is not a language model, or an adapter without its base model.
        UnsafeConfigError: a file would run code.
        AssetError: it cannot be fetched.
    """
    adapter = None if _is_whole(name) else adapter_in(name)
    if adapter is not None and backbone is None:
        named = f" Its config names {adapter.base!r}." if adapter.base else ""
        raise InputError("this is an adapter", where=name, hint=f"Name its base model: --backbone NAME.{named}")
    if adapter is None and backbone is not None:
        raise InputError("--backbone is for an adapter, and this is a whole model", where=name, hint="Leave it out.")
    base = open_backbone(backbone or name, "--backbone" if backbone else None)
    if base.quantization:
        raise InputError("packed weights are not kept", where=base.name, hint=PACKED)
    if not is_causal(base.config):
        architectures = ", ".join(base.config.architectures or ["no class"])
        hint = "Give a causal language model. For others, train with the callback: it leaves the same folder."
        raise InputError(f"this is not a causal language model, but {architectures}", where=base.name, hint=hint)
    return GivenModel(name, base, adapter)


def _is_whole(name: str) -> bool:
    """Return whether a name, by itself, is not that of an adapter: a registered model, or neither folder nor hub id."""
    is_path = "/" in name or Path(name).expanduser().exists()
    return name in BACKBONES.names() or bits_of(name) is not None or not is_path


def adapter_in(name: str) -> SentByPeft | None:
    """Return the adapter of peft that a folder or a repository of the hub holds; None where it is no adapter.

    Raises:
        InputError: it cannot be read, or there is no such folder.
        UnsafeConfigError: a file would run code.
        AssetError: it cannot be fetched.
    """
    from adapter_workbench.workbench.answering.elsewhere.forms import read_folder
    from adapter_workbench.workbench.answering.elsewhere.forms.peft import SentByPeft

    folder = locate(name).folder
    if not (folder / CONFIG).is_file() or "peft_type" not in read_config(folder):
        return None
    sent = read_folder(folder)
    if not isinstance(sent, SentByPeft):
        raise InputError("this is not an adapter of peft", where=str(folder))
    return sent
