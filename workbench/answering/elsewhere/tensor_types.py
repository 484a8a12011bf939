"""The types of a sender's tensors, by the header of their file: what is computed with is a floating-point number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.stored_tensors import WIDENED
from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.files.ordinary import open_ordinary

if TYPE_CHECKING:
    from pathlib import Path

FLOATS = WIDENED | {"F64"}
POSITIONS = frozenset({"I64", "I32", "I16", "U8", "BOOL"})  # of positions and masks, which are no weights
COUNTING = "indices"  # a part of the names of an adapter's tensors that hold places
HINT = "Save it in float32, float16 or bfloat16; packed weights cannot be imported."


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
