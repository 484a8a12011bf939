"""The sender's own program of the package ``adapters``: the model that it trained, with the adapter and its head."""

from __future__ import annotations

import inspect
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.adapters.adapter_folder import ADAPTERS_WEIGHTS, CONFIG
from adapter_workbench.workbench.answering.elsewhere import adapters_head
from adapter_workbench.workbench.answering.elsewhere.sender_class import own_class, with_labels
from adapter_workbench.workbench.backbone.model_folder import tensor_names
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.machine.quiet import quiet
from adapter_workbench.workbench.methods.libraries import adapters as library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.workbench.answering.elsewhere.adapters_head import HeadConfig
    from adapter_workbench.workbench.backbone.pretrained import Backbone

FILES = (CONFIG, ADAPTERS_WEIGHTS, adapters_head.CONFIG, adapters_head.WEIGHTS)
LOADER = "adapters.loading"


@contextmanager
def read_alone(folder: Path) -> Iterator[Path]:
    """Yield a folder with only the checked files; the package would also open pickled ones."""
    with scratch_folder() as scratch:
        for name in FILES:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, scratch / name)
        yield scratch


def with_adapter(model: Any, folder: Path, attention: str | None) -> Any:
    """Return a model of transformers with the adapter of ``folder`` active, and with no head of it."""
    import adapters

    if not hasattr(model, "adapters_config"):
        adapters.init(model)
    _load(model, folder)
    return _attending(model, attention)


def with_head(
    backbone: Backbone, head: HeadConfig, kind: str, outputs: int, folder: Path, attention: str | None
) -> tuple[Any, frozenset[str]]:
    """Return the sender's model with adapter and head, and which of its tensors the backbone does not have.

    Raises:
        InputError: the head is of another class than the backbone's for this kind of task, or its weights are not those
            that its config describes.
    """
    if head.flexible:
        model, drawn = _flexible(backbone)
    else:
        own = own_class(backbone, kind, outputs)
        model, drawn = own.model, own.drawn
        if type(model).__name__ != head.made_for:
            message = f"its head was made for a {head.made_for}, but here it would be on a {type(model).__name__}"
            raise InputError(message, where=head.where)
    program = with_adapter(model, folder, attention)
    with quiet(LOADER):
        program.load_head(str(folder), load_as=library.NAME if head.flexible else None, use_safetensors=True)
    _require_whole(program, head, folder)
    return program.eval(), drawn


def _flexible(backbone: Backbone) -> tuple[Any, frozenset[str]]:
    """Return the backbone as a model that the package adds heads to."""
    import torch
    from adapters import AutoAdapterModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, loading_info = with_labels(backbone, 1).pretrained(AutoAdapterModel)
    return model.eval(), frozenset(loading_info["missing_keys"])


def _load(model: Any, folder: Path) -> None:
    options: dict[str, Any] = {"load_as": library.NAME, "set_active": True, "use_safetensors": True}
    if "with_head" in inspect.signature(model.load_adapter).parameters:
        options["with_head"] = False
    with quiet(LOADER):
        model.load_adapter(str(folder), **options)


def _attending(model: Any, attention: str | None) -> Any:
    if attention:
        model.set_attn_implementation(attention)
    return model.eval()


def _require_whole(program: Any, head: HeadConfig, folder: Path) -> None:
    """Raise ValueError where the stored head has not the tensors of the program's."""
    from adapters.loading import PredictionHeadLoader

    stored = tensor_names(folder / adapters_head.WEIGHTS)
    if head.flexible:  # heads whose names begin alike are saved together
        start = f"heads.{head.name}."
        stored = [name.removeprefix(start) for name in stored if name.startswith(start)]
        expected = list(program.heads[library.NAME].state_dict())
    else:
        is_of_head = PredictionHeadLoader(program).filter_func(None)
        expected = [name for name in program.state_dict() if is_of_head(name)]
    for names, message in (({*expected} - {*stored}, "is missing"), ({*stored} - {*expected}, "has no place")):
        if names:
            raise ValueError(f"{min(names)} of its head {message}")
