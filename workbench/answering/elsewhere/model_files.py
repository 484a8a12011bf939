"""Which files in a trainer's folder belong to the model."""

from __future__ import annotations

from pathlib import Path

from adapter_workbench.workbench.answering.elsewhere.weight_files import CONVERT, CONVERT_PARTS
from adapter_workbench.workbench.backbone.model_folder import (
    CONFIG,
    INDEX,
    MODULES,
    WEIGHTS,
    sentence_modules,
    transformer_in,
    weight_files,
)
from adapter_workbench.workbench.backbone.tokenizer_files import WORDS, tokenizer_files
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError

OF_MODEL = (CONFIG, "generation_config.json", INDEX)
OF_SENTENCES = (MODULES, "sentence_bert_config.json", "config_sentence_transformers.json")
PICKLED, PARTS = "pytorch_model*.bin", "pytorch_model-*.bin"
RESERVED = frozenset({"head.safetensors", "README.md", "manifest.json"})  # what an adapter's folder has beside them


def model_files(folder: Path) -> tuple[str, ...]:
    """Return the files that make a model of transformers or sentence-transformers, by their paths in its folder.

    States of optimisers, arguments of a training, logs, code and other checkpoints are none.

    Raises:
        InputError: there are no weights, or one has the name of a file of ours.
        UnsafeConfigError: a list of files leads out of the folder.
    """
    names = files_read(folder)
    if taken := sorted({*names} & RESERVED):
        raise InputError(f"a file of this model is called {taken[0]}", where=str(folder), hint="Save the model again.")
    return names


def files_read(folder: Path) -> tuple[str, ...]:
    """Return the files as :func:`model_files`, whatever they are called; raises as that."""
    transformer = transformer_in(folder)
    paths = [transformer / name for name in OF_MODEL]
    paths += [*tokenizer_files(transformer), *weight_files(transformer)]
    if (folder / MODULES).is_file():
        subfolders = [folder / subfolder for _, subfolder in sentence_modules(folder)]
        paths += [folder / name for name in OF_SENTENCES] + [subfolder / CONFIG for subfolder in subfolders]
    return tuple(sorted({path.relative_to(folder).as_posix() for path in paths if path.is_file()}))


def require_weights(folder: Path) -> None:
    """Make sure that the folder of a transformer has safetensors weights.

    Raises:
        InputError: there are none, or they cannot be read.
        UnsafeConfigError: pickled ones are there in their place; the message says how to convert them.
    """
    pickled = sorted(folder.glob(PICKLED))
    if pickled and not any((folder / name).is_file() for name in (WEIGHTS, INDEX)):
        target = str(folder / WEIGHTS)
        several = CONVERT_PARTS.format(paths=str(folder / PARTS), target=target)
        hint = several if len(pickled) > 1 else CONVERT.format(path=str(pickled[0]), target=target)
        raise UnsafeConfigError("pickled weights are not read", where=str(pickled[0]), hint=hint)
    weight_files(folder)


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder of a transformer has a vocabulary."""
    return any(True for pattern in ("tokenizer.json", *WORDS) for _ in folder.glob(pattern))
