"""What tells a whole model from another one: its weights, its config, and the files that texts are read with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.answering.elsewhere.model_files import has_tokenizer
from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.backbone.fingerprints import config_facts, tokenizer_digests
from adapter_workbench.workbench.backbone.model_folder import weight_files
from adapter_workbench.workbench.files.digest import digest, key

if TYPE_CHECKING:
    from adapter_workbench.workbench.backbone.pretrained import Backbone


def weights_digest(model: Backbone) -> str:
    """Return what tells a model's weights from others; of one that generates answers its output layer counts too."""
    generates = is_causal(model.config) or getattr(model.config, "is_encoder_decoder", False)
    return key([model.fingerprint, file_digests(model) if generates else []])


def file_digests(model: Backbone) -> list[str]:
    """Return the digests of a model's weight files, which hold its head as well."""
    return [digest(path) for path in weight_files(model.folder)]


def reads_alike(own: Backbone, base: Backbone) -> bool:
    """Return whether a model computes and reads as ``base`` does: with its config, and no other tokenizer beside it."""
    tokenizers = [tokenizer_digests(model.folder) for model in (own, base)]
    alike = not has_tokenizer(own.folder) or tokenizers[0] == tokenizers[1]
    return alike and config_facts(own.folder) == config_facts(base.folder)


def read_with(model: Backbone, reader: Backbone) -> dict[str, Any]:
    """Return, as plain data, what answers depend on beside a model's weights: its config, and the reader's tokenizer.

    A registered model is left out: its files never change.
    """
    config = {} if model.pinned else {"config": config_facts(model.folder)}
    return config | ({} if reader.pinned else {"tokenizer": tokenizer_digests(reader.folder)})
