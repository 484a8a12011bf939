"""What tells a whole model from another one: its weights, its config, and the files that texts are read with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.answering.elsewhere.model_files import has_tokenizer, tokenizer_files
from workbench.backbone.architecture import is_causal
from workbench.backbone.config import config_object, read_json
from workbench.backbone.model_folder import CONFIG, weight_files
from workbench.backbone.names import is_registered
from workbench.files.digest import digest, key

if TYPE_CHECKING:
    from workbench.backbone.pretrained import Backbone

ASIDE = {"_name_or_path", "name_or_path", "architectures", "transformers_version"}  # where it lies, and who wrote it


def weights_digest(model: Backbone) -> str:
    """Return what tells a model's weights from others; of one that generates answers its output layer counts too."""
    generates = is_causal(model.config) or getattr(model.config, "is_encoder_decoder", False)
    return key([model.fingerprint, file_digests(model) if generates else []])


def file_digests(model: Backbone) -> list[str]:
    """Return the digests of a model's weight files, which hold its head as well."""
    return [digest(path) for path in weight_files(model.folder)]


def reads_alike(own: Backbone, base: Backbone) -> bool:
    """Return whether a model computes and reads as ``base`` does: with its config, and no other tokenizer beside it."""
    return _config(own) == _config(base) and (not has_tokenizer(own.folder) or _tokenizer(own) == _tokenizer(base))


def read_with(model: Backbone, reader: Backbone) -> dict[str, Any]:
    """Return, as plain data, what answers depend on beside a model's weights: its config, and the reader's tokenizer.

    A registered model is left out: its files never change.
    """
    config = {} if is_registered(model.name) else {"config": _config(model)}
    return config | ({} if is_registered(reader.name) else {"tokenizer": _tokenizer(reader)})


def _config(model: Backbone) -> dict[str, Any]:
    """Return what a config says of the computation; it is read anew: whoever loads a model may write into its own."""
    path = model.folder / CONFIG
    stated = config_object(read_json(path), str(path)).to_dict()
    return {name: value for name, value in stated.items() if name not in ASIDE}


def _tokenizer(model: Backbone) -> dict[str, str]:
    return {path.name: digest(path) for path in tokenizer_files(model.folder)}
