"""Whether a safetensors file holds NaN or infinity: its bits are read in blocks, no tensor is built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError, opening
from adapter_workbench.workbench.files.ordinary import open_ordinary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EXPONENTS = {  # type of numbers → an integer of that size, and the bits of which NaN and infinity have every one
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F8_E5M2": ("u1", 0x7C),
    "F8_E4M3": ("u1", 0x7F),  # which has no infinity
}
LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
CHUNK = 1 << 18  # bytes that are looked at together: they stay in the processor's cache
HINT = "Such weights give no answers: take another copy, or train again with a lower learning rate."


def require_finite(path: Path) -> None:
    """Make sure that a safetensors file holds neither NaN nor infinity.

    A tensor without dimensions does not count: some old checkpoints have −∞ in one, which stands for "not to be seen"
    and is read by nobody.

    Raises:
        InputError: it does; the message names the file and the first such tensor. Or it cannot be read.
    """
    if (name := not_finite(path)) is not None:
        message = f"the tensor {name} holds NaN or infinity"
        raise InputError(message, where=str(path), hint=HINT)


def not_finite(path: Path) -> str | None:
    """Return the first tensor of a file with NaN or infinity in it; None where there is none. Raises InputError."""
    with opening("the weights", str(path)):
        return next((name for name, bits, most in _numbers(path) if bits.size and int(bits.max()) >= most), None)


def _numbers(path: Path) -> Iterator[tuple[str, Any, int]]:
    """Yield (tensor, some numbers' bits without their sign, the least bits of what is not finite)."""
    import numpy as np

    buffer = memoryview(bytearray(CHUNK))
    with open_ordinary(path) as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > LONGEST_HEADER:
            raise ValueError(f"its header would have {size:,} bytes")
        header = json.loads(stream.read(size))
        for name, tensor in header.items():
            if name == "__metadata__" or not tensor["shape"] or tensor["dtype"] not in EXPONENTS:
                continue
            kind, exponent = EXPONENTS[tensor["dtype"]]
            begin, end = tensor["data_offsets"]
            stream.seek(8 + size + begin)
            for left in range(end - begin, 0, -CHUNK):
                part = buffer[: min(left, CHUNK)]
                if stream.readinto(part) != len(part):
                    raise ValueError("it ends before its last tensor does")
                bits = np.frombuffer(part, kind)
                yield name, bits << bits.dtype.type(1), exponent << 1
