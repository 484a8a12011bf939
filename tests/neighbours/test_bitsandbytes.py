"""bitsandbytes: a QLoRA that peft trained on a base model in few bits, on a processor, says what it says there."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.elsewhere.test_quantised_bases import PACKED, qlora_off_by, wide_llama
from tests.neighbours.compared import Compared, installed, keep

__all__ = ["wide_llama"]


@pytest.mark.acceptance
@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
@pytest.mark.parametrize("bits", PACKED)
def test_a_qlora(bits: str, wide_llama: Path, tmp_path: Path) -> None:
    off, logits = qlora_off_by(wide_llama, bits, tmp_path)
    assert off < 1e-5
    keep(Compared("bitsandbytes", installed("bitsandbytes"), "writes", f"logits, a QLoRA in {bits}", logits, off))
