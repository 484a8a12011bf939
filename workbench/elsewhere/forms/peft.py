"""peft: ``adapter_config.json`` and ``adapter_model.safetensors``, as a ``PeftModel`` saves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.adapter_folder import CONFIG, PEFT_WEIGHTS, read_config, require_staying
from workbench.elsewhere import peft_config
from workbench.elsewhere.files import weights_in
from workbench.elsewhere.form import Sender
from workbench.elsewhere.peft_head import head_of
from workbench.elsewhere.sender_class import base_prefix, head_modules, output_name, own_class, require_known
from workbench.errors import opening
from workbench.finite_weights import require_finite
from workbench.kind import GENERATED
from workbench.libraries.peft import asking_for_packed, whole
from workbench.module_patterns import require_bounded_patterns

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.backbone import Backbone
    from workbench.elsewhere.form import Sent

START = "base_model.model."  # of the names in the file
TEXTS = ("classification", "multilabel", "regression")
KINDS: Mapping[object, tuple[str, ...]] = {
    "SEQ_CLS": TEXTS,
    "TOKEN_CLS": ("token-classification",),
    "CAUSAL_LM": ("causal-lm",),
    "SEQ_2_SEQ_LM": ("seq2seq",),
}


class PeftFolder:
    """Folders of peft."""

    def fits(self, folder: Path) -> bool:
        """Return whether an adapter's config of peft lies there."""
        return (folder / CONFIG).is_file() and "peft_type" in read_config(folder)

    def read(self, folder: Path) -> Sent:
        """Return what config and weights say; raises as :meth:`workbench.elsewhere.form.Form.read`."""
        path = folder / CONFIG
        config = read_config(folder)
        method = peft_config.method_of(config, str(path))
        require_staying(config, path)
        weights = weights_in(folder, PEFT_WEIGHTS)
        require_finite(weights)
        return SentByPeft(folder, config, method)


@dataclass(frozen=True)
class SentByPeft:
    """What lies in a folder of peft."""

    folder: Path
    config: Mapping[str, Any]
    method: str
    program: str = "peft"
    labels: tuple[str, ...] | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the config's ``task_type``; where it names none, a head that is there tells it."""
        task_type = self.config.get("task_type")
        if task_type in KINDS:
            return KINDS[task_type]
        return TEXTS if self.config.get("modules_to_save") else ()

    @property
    def base(self) -> str | None:
        """What its sender calls the base model."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) and name else None

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """The weights, without what peft puts before every name."""
        from safetensors.torch import load_file

        with opening("the adapter weights", str(self.folder)):
            return {name.removeprefix(START): tensor for name, tensor in load_file(self.folder / PEFT_WEIGHTS).items()}

    def outputs(self, backbone: Backbone, kind: str) -> int | None:
        """Return the rows of the layer that gives the logits; None where answers are generated."""
        if kind in GENERATED:
            return None
        rows = self.tensors.get(output_name(backbone, kind))
        return None if rows is None else len(rows)

    def opened(self, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
        """Return the class of transformers with the adapter on it, as peft opens it."""
        from peft import PeftModel

        where = str(self.folder)
        own, prefix = own_class(backbone, kind, outputs), base_prefix(backbone, kind)
        require_bounded_patterns(self.config, [name for name, _ in own.model.named_modules()], where)
        require_known(self.tensors, own.drawn, where)
        config = peft_config.opened(self.config, where)
        with opening("the adapter", where), whole(), asking_for_packed(own.model):
            program = PeftModel.from_pretrained(own.model, self.folder, config=config).eval()
        modules = peft_config.adapted(program, prefix)
        outside = head_modules(backbone, kind)
        mine = {
            name: tensor
            for name, tensor in self.tensors.items()
            if not name.startswith(tuple(f"{each}." for each in outside))
        }

        def write(folder: Path) -> None:
            from safetensors.torch import save_file

            stored = {f"{START}{name.removeprefix(prefix)}": tensor for name, tensor in mine.items()}
            save_file(stored, folder / PEFT_WEIGHTS)
            peft_config.of_body(self.config, modules, where).save_pretrained(str(folder))

        return Sender(
            program=program,
            settings=peft_config.settings(self.config, self.method),
            config=peft_config.document(self.config, modules, where),
            write=write,
            head=head_of(program, prefix, outside) if kind else {},
            original={"config": dict(self.config), "prefix": prefix},
        )


FORM = PeftFolder()
