"""adapters: ``adapter_config.json`` and ``adapter.safetensors``, as ``save_adapter`` writes them, with or without head.

Of a prediction head there are ``head_config.json`` and ``model_head.safetensors`` too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG, FUSION_CONFIG, read_config
from adapter_workbench.workbench.answering.elsewhere import adapters_config, adapters_head
from adapter_workbench.workbench.answering.elsewhere.adapters_config import SavedAdapter
from adapter_workbench.workbench.answering.elsewhere.adapters_head import HeadConfig
from adapter_workbench.workbench.answering.elsewhere.form import Sender
from adapter_workbench.workbench.answering.elsewhere.weight_files import weights_in
from adapter_workbench.workbench.backbone.config import read_mapping
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import tensor_names
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.libraries import LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.answering.elsewhere.form import SentFolder
    from adapter_workbench.workbench.backbone.pretrained import Backbone

SETUP = "adapter_setup.json"
PICKLED = "pytorch_adapter.bin"
FILES = (CONFIG, ADAPTERS_WEIGHTS, adapters_head.CONFIG, adapters_head.WEIGHTS)
USAGE = """\
from adapters import AutoAdapterModel
from transformers import AutoTokenizer

model = AutoAdapterModel.from_pretrained(backbone)
"""
CLASS_USAGE = """\
import adapters
from transformers import {loader}, AutoTokenizer

model = {loader}.from_pretrained(backbone{options})
adapters.init(model)
"""
ASKING = """\
model.load_adapter(folder, set_active=True, use_safetensors=True)
tokenizer = AutoTokenizer.from_pretrained(backbone)
output = model.eval()(**tokenizer(texts, padding=True, return_tensors="pt"))
"""
UNSAVED = "Save it again with use_safetensors=True."
COMPOSED = (
    "An AdapterFusion or another setup of several adapters answers only with its parts. Import each part, and compose "
    "them here: workbench fuse TASK --from ID,ID --method adapterfusion."
)


class AdaptersFolder:
    def fits(self, folder: Path) -> bool:
        """Return whether the folder has the package's config of an adapter, or of several composed ones."""
        if (folder / CONFIG).is_file():
            return "peft_type" not in read_config(folder)
        return any((folder / name).is_file() for name in (FUSION_CONFIG, SETUP))

    def read(self, folder: Path) -> SentFolder:
        """Return what the configs say; raises as :meth:`Form.read`."""
        if not (folder / CONFIG).is_file():
            raise InputError("several composed adapters cannot be imported at once", where=str(folder), hint=COMPOSED)
        path, document = folder / CONFIG, read_config(folder)
        config = adapters_config.fields(document, str(path))
        adapters_config.method_of(config, str(path))  # before the weights are looked at
        weights = weights_in(folder, ADAPTERS_WEIGHTS, PICKLED)
        require_finite(weights)
        config = adapters_config.without_unused(config, document, tensor_names(weights))
        method = adapters_config.method_of(config, str(path))
        settings = adapters_config.settings(config, method, str(path))
        if not isinstance(document.get("name"), str) or not document["name"]:
            raise InputError("name: the adapter's name in its weights is missing", where=str(path), hint=UNSAVED)
        return SentByAdapters(SavedAdapter(folder, document, config, method, settings, _head(folder)))

    def write_back(
        self, stored: StoredAdapter, backbone: Callable[[], Backbone], folder: Path, front_matter: str
    ) -> None:
        """Write adapter and head as they came; raises as :meth:`Form.write_back`."""
        from adapter_workbench.workbench.answering.elsewhere.original import give_back, require_kept
        from adapter_workbench.workbench.answering.elsewhere.original_card import class_options, write_card

        require_kept(stored)
        give_back(stored.folder, FILES, folder)
        head = _head(folder)
        if head and not head.flexible:
            usage = CLASS_USAGE.format(loader=head.made_for, options=class_options(stored.manifest))
        else:
            usage = USAGE
        write_card(stored.manifest, f"{usage}{ASKING}", folder, front_matter)


def _head(folder: Path) -> HeadConfig | None:
    """Return the config of the head that is stored with the adapter, if there is one."""
    path = folder / adapters_head.CONFIG
    if not path.is_file():
        return None
    require_finite(weights_in(folder, adapters_head.WEIGHTS, adapters_head.PICKLED))
    return HeadConfig(read_mapping(path, "head config", UNSAVED), str(path))


@dataclass(frozen=True)
class SentByAdapters:
    """What lies in a folder of the package."""

    saved: SavedAdapter
    program: str = "adapters"
    kept_files: tuple[str, ...] = FILES

    @property
    def folder(self) -> Path:
        return self.saved.folder

    @property
    def method(self) -> str:
        return self.saved.method

    @property
    def base(self) -> str | None:
        """What its sender calls the base model."""
        return self.saved.base

    @property
    def head(self) -> HeadConfig | None:
        """The config of its head; None without a head."""
        return self.saved.head

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of task that its head is for."""
        return self.head.kinds if self.head else ()

    @property
    def read_files(self) -> tuple[str, ...]:
        return tuple(name for name in FILES if (self.folder / name).is_file())

    @property
    def other_head(self) -> str | None:
        """What its head is for, if that is not a kind of task here."""
        return self.head.made_for if self.head and not self.head.kinds else None

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The labels in the order of the logits."""
        return self.head.labels if self.head else None

    def outputs(self, backbone: Backbone, kind: str) -> int | None:
        """Return the rows of the head's last layer; None for a language model's."""
        if kind in GENERATED:
            return None
        from adapter_workbench.workbench.answering.elsewhere.sender_class import output_name

        assert self.head is not None  # there is no kind without one
        rows = adapters_head.rows(self.head, self.folder, lambda: output_name(backbone, kind))
        if rows is None:
            raise InputError("the weights of its head are missing", where=str(self.folder), hint=UNSAVED)
        return rows

    def open_sender(self, backbone: Backbone, kind: str | None, outputs: int) -> Sender:
        """Return the sender's model with the adapter on it, as the package opens it."""
        LIBRARIES.get("adapters")
        where = str(self.folder)
        adapters_config.require_known_keys(self.saved.document, self.saved.config, str(self.folder / CONFIG))
        self._require_alike(backbone)
        from adapter_workbench.workbench.answering.elsewhere.adapters_program import read_alone
        from adapter_workbench.workbench.answering.elsewhere.adapters_sender import sender_of

        with opening("the adapter", where), read_alone(self.folder) as folder:
            return sender_of(self.saved, folder, backbone, kind, outputs)

    def _require_alike(self, backbone: Backbone) -> None:
        """Raise InputError where the adapter was trained on another architecture or size."""
        theirs, config = self.saved.document, backbone.config
        pairs = {"model_type": config.model_type, "hidden_size": getattr(config, "hidden_size", None)}
        for name, here in pairs.items():
            if theirs.get(name) not in (None, here):
                message = f"{name}: it was trained on {theirs[name]!r}, and {backbone.name} is {here!r}"
                hint = f"Its sender calls the base model {self.base!r}." if self.base else None
                raise InputError(message, where=str(self.folder / CONFIG), hint=hint)


FORM = AdaptersFolder()
