"""What is in pages of its own leaves the process when nobody refers to it any more."""

from __future__ import annotations

import sys
from collections.abc import Callable

import psutil
import pytest
import torch
from torch import Tensor

from adapter_workbench.workbench.methods.libraries._lora_bank import empty_in_own_pages

CPU = torch.device("cpu")
BLOCK, BLOCKS = 300_000, 200  # bytes; 60 MB altogether


def left_by(allocate: Callable[[int], Tensor]) -> float:
    """Return the share that stays with the process of blocks that were freed; what lies between them was not."""
    del [torch.ones(30_000_000, dtype=torch.uint8)][:]  # glibc no longer gives smaller ones pages of their own
    stays = []

    def block() -> Tensor:
        stays.append(torch.ones(1000))
        return allocate(BLOCK).fill_(1)

    before = psutil.Process().memory_info().rss
    blocks = [block() for _ in range(BLOCKS)]
    most = psutil.Process().memory_info().rss
    assert most - before > 0.5 * BLOCK * BLOCKS
    blocks.clear()
    return (psutil.Process().memory_info().rss - before) / (BLOCK * BLOCKS)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory in another way")
def test_they_are_given_back_at_once() -> None:
    assert left_by(lambda size: empty_in_own_pages(size, torch.uint8, CPU)) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_part_of_them_holds_all(dtype: torch.dtype) -> None:
    part = empty_in_own_pages(100_000, dtype, CPU).fill_(1)[-10:].view(2, 5)
    others = [empty_in_own_pages(100_000, dtype, CPU).fill_(2) for _ in range(10)]  # would come in its place
    assert part.dtype == dtype
    assert part.data_ptr() % 4 == 0
    assert {*part.flatten().tolist()} == {1.0}
    assert len({tensor.data_ptr() for tensor in others}) == 10


def test_none_need_no_page() -> None:
    assert empty_in_own_pages(0, torch.float32, CPU).shape == (0,)
