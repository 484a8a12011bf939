"""peft: ``adapter_config.json`` and ``adapter_model.safetensors``, as a ``PeftModel`` saves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import CONFIG, PEFT_WEIGHTS, read_config, require_staying
from adapter_workbench.workbench.answering.elsewhere import peft_config
from adapter_workbench.workbench.answering.elsewhere.form import CLOSE, Sender
from adapter_workbench.workbench.answering.elsewhere.label_names import config_beside, labels_of
from adapter_workbench.workbench.answering.elsewhere.model_class import TEXTS, stated_kinds
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import KEY, moves_base, without_start
from adapter_workbench.workbench.answering.elsewhere.peft_beginning import require_known as require_known_beginning
from adapter_workbench.workbench.answering.elsewhere.peft_weights import as_inside, require_distinct
from adapter_workbench.workbench.answering.elsewhere.weight_files import weights_in
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import CONFIG as MODEL_CONFIG
from adapter_workbench.workbench.backbone.module_patterns import require_bounded_patterns
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
ROUNDED = 1e-4  # W − s B₀ A₀ + s B A and W + s (B A − B₀ A₀) are rounded otherwise in every layer
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
    """Folders of peft."""

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
        from adapter_workbench.workbench.answering.elsewhere.beside_tokenizer import require_same_words
        from adapter_workbench.workbench.answering.elsewhere.peft_body import NORMS, body_of, norms_of
        from adapter_workbench.workbench.answering.elsewhere.peft_head import head_of, poolers
        from adapter_workbench.workbench.answering.elsewhere.peft_modules import (
            require_named,
            require_own_output,
            trained_modules,
            trained_poolers,
        )
        from adapter_workbench.workbench.answering.elsewhere.peft_program import open_program, require_modules
        from adapter_workbench.workbench.answering.elsewhere.peft_sizes import require_justified
        from adapter_workbench.workbench.answering.elsewhere.sender_class import (
            base_prefix,
            head_modules,
            own_class,
            require_known,
        )

        where = str(self.folder / CONFIG)
        require_same_words(self.folder, backbone)
        own, prefix = own_class(backbone, kind, outputs), base_prefix(backbone, kind)
        names = [name for name, _ in own.model.named_modules()]
        pooler = poolers(own.model, prefix) if kind in TEXTS else []
        require_bounded_patterns(self.config, names, where)
        if not self.is_prompt:
            require_modules(own.model, self.tensors, str(self.folder / PEFT_WEIGHTS))
        require_known(self.tensors, own.drawn, str(self.folder))
        moving, config = moves_base(self.config), without_start(self.config)
        require_justified(own.model, peft_config.sender_config(config, where), self.tensors, where)
        asked = peft_config.sender_config({**config, KEY: self.config[KEY]} if moving else config, where)
        program = open_program(own.model, self.folder, asked, self.tensors, moving)
        trained, outside = trained_modules(program.model, prefix), head_modules(backbone, kind)
        inside = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        require_named(trained, inside, where)
        if kind in GENERATED:
            require_own_output(program.model, outside, where)
        if self.config["peft_type"] == NORMS:
            body = norms_of(config, program, trained, backbone, where)
        else:
            apart = (*outside, *trained_poolers(program.model, prefix))
            body = body_of(config, program, trained, apart, where)
        return Sender(
            program=program.model,
            settings=peft_config.settings(body.config, self.method, trained, inside),
            config=body.document,
            write=body.write,
            head=head_of(program.model, (*pooler, *outside)) if kind and kind not in GENERATED else {},
            virtual=config.get("num_virtual_tokens") or 0,
            rounding=ROUNDED if moving else CLOSE,
        )


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
