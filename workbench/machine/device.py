"""Where models compute, and in which arithmetic."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.workbench.machine import processes

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]


def accelerator() -> torch.device:
    """Return where models compute: on the machine's accelerator (CUDA, MPS, …), else on the processor.

    Of several devices it is the first; processes that share a training have one each.
    """
    import torch

    device = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        return torch.device("cpu")
    return torch.device(device.type, processes.local_rank() % torch.accelerator.device_count())


@cache
def resolve_precision(precision: Literal["auto", "fp32", "bf16"]) -> Precision:
    """Return what ``auto`` means here: bf16 where the hardware multiplies bfloat16 faster than float32, else fp32.

    AMX does, and so do Arm's units and AMD's for AVX512-BF16. With Intel's alone, where a machine hides AMX from its
    guests, a fit takes longer than in float32. Read off the processor's name and not timed: a run that goes on must
    find what it began with.
    """
    if precision != "auto":
        return precision
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    processor: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    vectors = processor.get("avx512_bf16") and not str(processor.get("cpu_name", "")).startswith("Intel")
    return "bf16" if processor.get("amx_bf16") or vectors or processor.get("bf16") else "fp32"
