"""The files of a folder from elsewhere: which are read at all, and why pickled weights are not."""

from __future__ import annotations

from pathlib import Path

from workbench.errors import InputError, UnsafeConfigError
from workbench.model_folder import PICKLED, numbers_in

CONVERT = """\
A pickle runs code when it is opened. Where you trust its sender, convert it on your own:
  state = torch.load({name!r}, weights_only=True)
  safetensors.torch.save_file({{key: value.contiguous() for key, value in state.items()}}, {target!r})"""


def require_plain(folder: Path) -> None:
    """Make sure that a folder is there, and that no link in it leads out of it; raises InputError."""
    if not folder.is_dir():
        raise InputError("there is no such folder", where=str(folder))
    if any(path.is_symlink() for path in folder.rglob("*")):
        raise InputError("there are links in this folder", where=str(folder), hint="Import a plain copy of it.")


def weights_in(folder: Path, name: str) -> Path:
    """Return the safetensors file called ``name``.

    Files beside it are not read, whatever they are: a trainer leaves pickles of its own there.

    Raises:
        InputError: it is not there, is cut short, or is none.
        UnsafeConfigError: a pickled file is there in its place.
    """
    path = folder / name
    if path.is_file():
        numbers_in(path)
        return path
    if pickled := sorted(each for each in folder.iterdir() if each.suffix.lower() in PICKLED and _are_weights(each)):
        hint = CONVERT.format(name=pickled[0].name, target=name)
        raise UnsafeConfigError("pickled weights are not read", where=str(pickled[0]), hint=hint)
    raise InputError(f"there is no {name} here", where=str(folder), hint="Save it as safetensors.")


def _are_weights(path: Path) -> bool:
    """Return whether a pickled file has the name of weights; those of a trainer's state have others."""
    return path.name.startswith(("adapter_model", "pytorch_model", "pytorch_adapter", "model"))
