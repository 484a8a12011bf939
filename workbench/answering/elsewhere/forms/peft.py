"""peft: ``adapter_config.json`` and ``adapter_model.safetensors``, as a ``PeftModel`` saves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS, read_config, require_staying
from adapter_workbench.workbench.answering.elsewhere import peft_config
from adapter_workbench.workbench.answering.elsewhere.form import Sender
from adapter_workbench.workbench.answering.elsewhere.label_names import config_beside, labels_of
from adapter_workbench.workbench.answering.elsewhere.model_class import TEXTS, stated_kinds
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import require_known as require_known_beginning
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import without_start
from adapter_workbench.workbench.answering.elsewhere.peft_weights import as_inside, require_distinct
from adapter_workbench.workbench.answering.elsewhere.weight_files import weights_in
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.backbone.tokenizer_files import tokenizer_files
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from torch import Tensor

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

FILES = (CONFIG, PEFT_WEIGHTS)
USAGE = """\
from peft import PeftModel
from transformers import {loader}, AutoTokenizer

model = {loader}.from_pretrained(backbone{options})
model = PeftModel.from_pretrained(model, folder).eval()
tokenizer = AutoTokenizer.from_pretrained(backbone)
output = model(**tokenizer(texts, padding=True, return_tensors="pt"))
"""
KINDS: Mapping[str, tuple[str, ...]] = {
    "SEQ_CLS": TEXTS,
    "TOKEN_CLS": ("token-classification",),
    "CAUSAL_LM": ("causal-lm",),
    "SEQ_2_SEQ_LM": ("seq2seq",),
    "FEATURE_EXTRACTION": (),
}
BY_CLASS = {  # end of the name of a class of transformers → task_type
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForConditionalGeneration": "SEQ_2_SEQ_LM",
    "Model": "FEATURE_EXTRACTION",
}


class PeftFolder:
    def fits(self, folder: Path) -> bool:
        """Return whether the folder has peft's config of an adapter."""
        return (folder / CONFIG).is_file() and "peft_type" in read_config(folder)

    def read(self, folder: Path) -> SentFolder:
        """Return what config and weights say; raises as :meth:`Form.read`."""
        path = folder / CONFIG
        config = read_config(folder)
        method = peft_config.method_of(config, str(path))
        _require_task_type(config, str(path))
        require_known_beginning(config, str(path))
        require_staying(without_start(config), path)
        weights = weights_in(folder, PEFT_WEIGHTS)
        require_finite(weights)
        of_model = config_beside(folder)
        labels, stated = labels_of(of_model, str(folder / MODEL_CONFIG)), stated_kinds(of_model)
        return SentByPeft(folder, config, method, labels=labels, stated=stated)

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Write the files as they came; raises as :meth:`Form.write_back`."""
        from adapter_workbench.workbench.answering.elsewhere.original import give_back, require_kept
        from adapter_workbench.workbench.answering.elsewhere.original_card import class_options, write_card
        from adapter_workbench.workbench.answering.elsewhere.sender_class import CLASSES

        require_kept(stored)
        give_back(stored.folder, FILES, folder)
        manifest = stored.manifest
        came = manifest.elsewhere
        kind = None if came is None or came.head else manifest.task.kind  # a head that was fitted here did not come
        usage = USAGE.format(loader=CLASSES[kind], options=class_options(manifest) if kind else "")
        write_card(manifest, usage, folder, front_matter)


@dataclass(frozen=True)
class SentByPeft:
    """What lies in a folder of peft.

    It names ``labels``, and has ``stated`` the kind of a head on texts, only where somebody has saved the model's
    config beside the adapter.
    """

    folder: Path
    config: Mapping[str, Any]
    method: str
    program: str = "peft"
    labels: tuple[str, ...] | None = None
    stated: tuple[str, ...] = ()
    kept_files: tuple[str, ...] = FILES

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of the config's ``task_type``; where it names none, those of the class that was adapted.

        Of a head on texts, the kind that the model's config beside the adapter states.
        """
        task_type = self.config.get("task_type") or _task_type_of_class(self.config)
        if task_type is None:
            return (*TEXTS, "token-classification") if self.config.get("modules_to_save") else ()
        kinds = KINDS[task_type]
        return self.stated or kinds if kinds is TEXTS else kinds

    @property
    def base(self) -> str | None:
        """What its sender calls the base model."""
        name = self.config.get("base_model_name_or_path")
        return name if isinstance(name, str) and name else None

    @property
    def read_files(self) -> tuple[str, ...]:
        """The adapter, the model's config beside it, and the tokenizer, which is compared with the backbone's."""
        tokenizer = [path.name for path in tokenizer_files(self.folder)]
        return tuple(name for name in (*FILES, MODEL_CONFIG, *tokenizer) if (self.folder / name).is_file())

    @property
    def is_prompt(self) -> bool:
        """Whether it is a prompt, which changes no module."""
        return self.config["peft_type"] in peft_config.PROMPTS

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """The weights under the names that they have inside the sender's class."""
        from safetensors.torch import load_file

        path = self.folder / PEFT_WEIGHTS
        with opening("the adapter weights", str(path)):
            stored = load_file(path)
        require_distinct(stored, str(path))
        return as_inside(stored, self.is_prompt)

    def outputs(self, backbone: Backbone, kind: str) -> int | None:
        """Return the rows of the layer that gives the logits; None where answers are generated.

        An adapter that leaves the head as it is does not save it: the base model has it.
        """
        if kind in GENERATED:
            return None
        from adapter_workbench.workbench.answering.elsewhere.sender_class import output_name
        from adapter_workbench.workbench.backbone.stored_tensors import stored_in

        name = output_name(backbone, kind)
        of_base = {} if name in self.tensors else stored_in(backbone.folder) or {}
        layer = self.tensors.get(name, of_base.get(name))
        return None if layer is None or not layer.shape else layer.shape[0]

    def open_sender(self, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
        """Return the class of transformers with the adapter on it, as peft opens it."""
        from adapter_workbench.workbench.answering.elsewhere.peft_sender import SavedAdapter, sender_of

        return sender_of(SavedAdapter(self.folder, self.config, self.method, self.tensors), backbone, kind, outputs)


def _require_task_type(config: Mapping[str, Any], where: str) -> None:
    """Raise InputError where an adapter's problem is not a kind of task here."""
    task_type = config.get("task_type")
    if task_type is not None and not (isinstance(task_type, str) and task_type in KINDS):
        hint = f"There are kinds of task for {', '.join(KINDS)}."
        raise InputError(f"task_type: {task_type!r} cannot be taken in", where=where, hint=hint)


def _task_type_of_class(config: Mapping[str, Any]) -> str | None:
    """Return the task type of the class that peft notes where its sender names none; None where it notes none."""
    noted = config.get("auto_mapping")
    name = str(noted.get("base_model_class")) if isinstance(noted, Mapping) else ""
    return next((task_type for end, task_type in BY_CLASS.items() if name.endswith(end)), None)


FORM = PeftFolder()
