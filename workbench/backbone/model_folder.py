"""The folder of a pretrained model: every file that a library will read is checked first."""

from __future__ import annotations

import math
from pathlib import Path

from adapter_workbench.workbench.backbone.config import read_json, read_list
from adapter_workbench.workbench.backbone.tokenizer_files import require_own_files
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError, opening
from adapter_workbench.workbench.files.ordinary import open_ordinary, require_utf_8_path

CONFIG = "config.json"
ITSELF = "itself"  # the backbone's name of a whole model whose weights are no other model's
POOLING, POOLING_KEY = "1_Pooling/config.json", "pooling_mode_"  # of sentence-transformers
READ = (  # beside config.json, what the loaders of models and tokenizers read
    *("tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "processor_config.json"),
    *("preprocessor_config.json", POOLING),
)
MODULES = "modules.json"  # of sentence-transformers: what it computes, one module after another
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill"})
HINT = "Pickled weights are not read; save the model with save_pretrained, which writes safetensors."


def check_folder(folder: Path) -> None:
    """Refuse a folder that would make a library fetch, unpickle or run what is not the model's own.

    Raises:
        InputError: no readable ``config.json`` with a ``model_type``, no safetensors, unreadable ones, an adapter
            beside the model, or a path that is not UTF-8.
        UnsafeConfigError: a key or a file leads to foreign code, or to a file outside the folder.
    """
    require_utf_8_path(folder)
    check_settings(folder)
    if (folder / "adapter_config.json").exists():
        hint = "Give the backbone's own folder; an adapter's config may lead transformers to another model."
        raise InputError("an adapter lies beside this model", where=str(folder), hint=hint)
    for path in weight_files(folder):
        numbers_in(path)


def check_settings(folder: Path) -> None:
    """Refuse settings, in the config or in other files of the folder, that point outside the folder."""
    if "model_type" not in read_json(folder / CONFIG):
        hint = "Is this an adapter, not a backbone?"
        raise InputError("the config names no model_type", where=str(folder / CONFIG), hint=hint)
    for name in READ:
        if (folder / name).exists():
            read_json(folder / name)
    require_own_files(folder)
    for path in sorted([*folder.glob("config.*.json"), *folder.glob("tokenizer.*.json")]):
        hint = "Remove it: transformers may read it in place of the file without a version in its name."
        raise UnsafeConfigError("a file for another version of transformers", where=str(path), hint=hint)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of a model's weights, as transformers finds them.

    Raises:
        InputError: there are none, or the index of several names one that is not there.
        UnsafeConfigError: the index names a pickled file, or one outside the folder.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = folder / INDEX
    if not index.is_file():
        raise InputError("there are no safetensors weights here", where=str(folder), hint=HINT)
    names = _files_of_index(index)
    for name in names:
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise UnsafeConfigError(f"{name!r} is not a safetensors file of this folder", where=str(index), hint=HINT)
        if not (folder / name).is_file():
            raise InputError(
                f"the index names {name}, but this file is missing", where=str(index), hint="Fetch the model again."
            )
    return [folder / name for name in names]


def _files_of_index(index: Path) -> list[str]:
    """Return the files that an index names."""
    file_of = read_json(index).get("weight_map")
    if not isinstance(file_of, dict) or not file_of or not all(isinstance(name, str) for name in file_of.values()):
        raise InputError("this index names no weights", where=str(index), hint="Fetch the model again.")
    return sorted(set(file_of.values()))


def numbers_in(path: Path) -> int:
    """Return how many numbers a safetensors file holds, by its header alone.

    Raises:
        InputError: it is empty, cut short, or none.
    """
    from safetensors import safe_open

    with opening("the weights", str(path), "Fetch the model again."):
        open_ordinary(path).close()  # safetensors would wait for whoever writes into a pipe
        with safe_open(path, framework="np") as tensors:
            names = tensors.keys()
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)


def tensor_names(path: Path) -> list[str]:
    """Return the names of the tensors in a safetensors file; raises what safetensors does where it is none."""
    from safetensors import safe_open

    with safe_open(path, framework="np") as tensors:
        return list(tensors.keys())


def transformer_in(folder: Path) -> Path:
    """Return the transformer's folder; sentence-transformers may keep it in a subfolder.

    Raises:
        InputError: ``modules.json`` cannot be read, or names no module.
        UnsafeConfigError: it names a place outside the folder.
    """
    if (folder / CONFIG).is_file() or not (folder / MODULES).is_file():
        return folder
    return folder / sentence_modules(folder)[0][1]


def sentence_modules(folder: Path) -> list[tuple[str, str]]:
    """Return the modules of a folder of sentence-transformers in their order: the class's name, and a folder in it.

    Raises:
        InputError: ``modules.json`` cannot be read, or names no module.
        UnsafeConfigError: it names a place outside the folder.
    """
    path = folder / MODULES
    modules: list[tuple[str, str]] = []
    for entry in read_list(path, "list of modules", "Save the model again with its own program."):
        kind, subfolder = (entry.get(name) for name in ("type", "path")) if isinstance(entry, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(subfolder, str):
            raise InputError("a module has no type or no path", where=str(path))
        if subfolder and (Path(subfolder).name != subfolder or subfolder in (".", "..")):
            raise UnsafeConfigError(f"{subfolder!r} is not a folder in this one", where=str(path))
        modules.append((kind, subfolder))
    if not modules:
        raise InputError("this list names no module", where=str(path))
    return modules


def poolings(path: Path) -> tuple[str, ...]:
    """Return the poolings that a module's config of sentence-transformers names: ``mean``, ``cls``, ``max``, ….

    Until version 5 each is a key of its own, since then one key names one or several.

    Raises:
        InputError: the file cannot be read.
    """
    stated = read_json(path)
    named = stated.get("pooling_mode")
    if named is not None:
        return tuple(map(str, named if isinstance(named, list) else [named]))
    keys = [key.removeprefix(POOLING_KEY) for key, value in stated.items() if key.startswith(POOLING_KEY) and value]
    return tuple(key.removesuffix("_tokens").removesuffix("_token") for key in keys)


def refuse_pickles(folder: Path) -> None:
    """Raise UnsafeConfigError where a folder has a pickled file: a library may read it instead of safetensors."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICKLED:
            raise UnsafeConfigError("pickled files are neither read nor copied", where=str(path), hint=HINT)
