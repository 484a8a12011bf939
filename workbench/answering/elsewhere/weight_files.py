"""The files of a folder from elsewhere: which are read at all, and why pickled weights are not.

The header of a safetensors file tells the types of its tensors: what is computed with is a floating-point number.
"""

from __future__ import annotations

from glob import escape
from pathlib import Path

from adapter_workbench.workbench.answering.elsewhere.misnamed import not_a_folder
from adapter_workbench.workbench.backbone.model_folder import PICKLED, numbers_in
from adapter_workbench.workbench.backbone.stored_tensors import WIDENED
from adapter_workbench.workbench.errors import InputError, UnsafeConfigError, opening
from adapter_workbench.workbench.files.ordinary import foreign_links, open_ordinary

CONVERT = """\
A pickle runs code when it is opened. If you trust its sender, convert it with these two lines of Python:
  import safetensors.torch, torch; state = torch.load({path!r}, weights_only=True, map_location="cpu")
  safetensors.torch.save_file({{key: value.clone().contiguous() for key, value in state.items()}}, {target!r})"""
CONVERT_PARTS = (
    "A pickle runs code when it is opened. If you trust its sender, convert it with these two lines of Python:\n"
    "  import glob, safetensors.torch, torch; "
    'parts = [torch.load(path, weights_only=True, map_location="cpu") for path in glob.glob({paths!r})]\n'
    "  safetensors.torch.save_file("
    "{{key: value.clone().contiguous() for part in parts for key, value in part.items()}}, {target!r})"
)
FLOATS = WIDENED | {"F64"}
POSITIONS = frozenset({"I64", "I32", "I16", "U8", "BOOL"})  # of positions and masks, which are no weights
COUNTING = "indices"  # a part of the names of an adapter's tensors that hold places
HINT = "Save it in float32, float16 or bfloat16; packed weights cannot be imported."


def require_plain(folder: Path, *within: str) -> None:
    """Make sure that something is a folder, and that no file in it leads out of it.

    Args:
        folder: that is read.
        within: names of folders in it that are read too.

    Raises:
        InputError: it is none, or has a link in it.
    """
    if not folder.is_dir():
        raise not_a_folder(folder)
    if links := foreign_links(folder, ["*", *(f"{escape(name)}/*" for name in within)]):
        message = f"{links[0].name} is a link, which may lead to any file"
        raise InputError(message, where=str(folder), hint="Import a plain copy of the folder.")


def weights_in(folder: Path, name: str, pickled_name: str | None = None) -> Path:
    """Return the safetensors file called ``name``.

    Files beside it are not read, whatever they are: a trainer leaves pickles of its own there. ``pickled_name`` is what
    the file is called as a pickle; None: anything that the name of weights begins.

    Raises:
        InputError: it is not there, is cut short, or is none.
        UnsafeConfigError: a pickled file is there in its place.
    """
    path = folder / name
    if path.is_file():
        numbers_in(path)
        require_floats(path)
        return path
    names = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in PICKLED and _are_weights(path)]
    if pickled := [path for path in names if pickled_name in (None, path.name)]:
        hint = CONVERT.format(path=str(pickled[0]), target=str(path))
        raise UnsafeConfigError("pickled weights are not read", where=str(pickled[0]), hint=hint)
    hint = "Save it as safetensors."
    if pickled_name:  # of the hub it is not fetched
        hint += (
            f" If it has {pickled_name} where it comes from, put that here: the next message says how to convert it."
        )
    raise InputError(f"there is no {name} here", where=str(folder), hint=hint)


def require_floats(path: Path, allow_positions: bool = False) -> None:
    """Make sure that the weights of a safetensors file are floating-point numbers that this project computes with.

    Args:
        path: of the file.
        allow_positions: whether any tensor may hold places, as buffers of whole models do.

    Raises:
        InputError: one is complex, or in 8 bits or fewer; it would be taken for another number, or loses a part.
    """
    from safetensors import safe_open

    with opening("the weights", str(path)):
        open_ordinary(path).close()
        with safe_open(path, framework="np") as tensors:
            types = {name: str(tensors.get_slice(name).get_dtype()) for name in tensors.keys()}  # noqa: SIM118
    for name, kind in types.items():
        if kind not in FLOATS and not (kind in POSITIONS and (allow_positions or COUNTING in name)):
            raise InputError(f"the tensor {name} holds numbers of the type {kind}", where=str(path), hint=HINT)


def _are_weights(path: Path) -> bool:
    """Return whether a pickled file has the name of weights; those of a trainer's state have others."""
    return path.name.startswith(("adapter_model", "pytorch_model", "pytorch_adapter", "model"))
