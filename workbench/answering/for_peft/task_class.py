"""Which class of transformers answers a kind of task, and what peft calls that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import TASK_TYPE
from adapter_workbench.workbench.answering.elsewhere.sender_class import CLASSES, head_modules
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.backbone.pretrained import Backbone

TASK_TYPES = {
    "classification": "SEQ_CLS",
    "multilabel": "SEQ_CLS",
    "regression": "SEQ_CLS",
    "token-classification": "TOKEN_CLS",
    "causal-lm": "CAUSAL_LM",
    "seq2seq": "SEQ_2_SEQ_LM",
}


@dataclass(frozen=True)
class TaskClass:
    """How the model is opened that an adapter is put on."""

    loader: str  # the class of transformers
    task_type: str  # peft's name of what it does
    options: dict[str, Any] = field(default_factory=dict)  # what its ``from_pretrained`` is given beside the backbone
    # names of its layers that stay as they are where the backbone's are kept in few bits
    unpacked: tuple[str, ...] = ()


BARE = TaskClass("AutoModel", TASK_TYPE)


def class_of(manifest: Manifest, backbone: Backbone) -> TaskClass:
    """Return the class of an adapter's kind of task; raises InputError where the architecture has none."""
    kind = manifest.task.kind
    options: dict[str, Any] = {}
    if kind not in GENERATED:
        options["num_labels"] = len(manifest.task.labels) or 1
        if getattr(backbone.config, "pad_token_id", None) is None:
            options["pad_token_id"] = backbone.tokenizer.pad_token_id
    unpacked = head_modules(backbone, kind) if backbone.quantization else ()
    return TaskClass(CLASSES[kind], TASK_TYPES[kind], options, unpacked)
