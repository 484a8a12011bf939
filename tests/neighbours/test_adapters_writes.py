"""adapters: each method that it writes and that comes in gives the logits that it gives there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from adapter_workbench.workbench.machine.extras import installed_version
from tests.conftest import NOT_INSTALLED
from tests.elsewhere.package_adapters import classified, config_of, sent_by_adapters, taken
from tests.neighbours.compared import Compared, installed, keep
from tests.neighbours.language_models import largest

METHODS: Mapping[str, Mapping[str, Any]] = {  # the package's name of a config → fields of it
    "seq_bn": {},
    "double_seq_bn": {"reduction_factor": 4},
    "par_bn": {},
    "seq_bn_inv": {},
    "double_seq_bn_inv": {},
    "compacter": {"reduction_factor": 4},
    "compacter++": {"reduction_factor": 4},
    "loreft": {"r": 2},
    "lora": {"r": 4, "alpha": 6},
    "ia3": {},
}


@pytest.mark.acceptance
@pytest.mark.skipif(not installed_version("adapters"), reason=NOT_INSTALLED)
def test_logits_are_those_of_the_package(bert: Path, tmp_path: Path) -> None:
    numbers, off = 0, 0.0
    for name, fields in METHODS.items():
        folder = tmp_path / name.replace("+", "p")
        there = sent_by_adapters(bert, folder, config_of(name, **fields), classified())()
        _, here = taken(folder, bert, name=name.replace("+", "p"))
        numbers, off = numbers + here.numel(), max(off, largest(here, there))
    assert off < 1e-5
    keep(Compared("adapters", installed("adapters"), "writes", f"logits, {len(METHODS)} configs", numbers, off))
