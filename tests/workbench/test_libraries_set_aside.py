"""Fits do not collect garbage through libraries, whoever excluded something from collection before."""

from __future__ import annotations

import gc

import pytest

from adapter_workbench.workbench.machine import memory
from adapter_workbench.workbench.machine.memory import libraries_set_aside


def test_libraries_that_were_imported_since_are_set_aside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that excluded its own objects before it ran an experiment, which imports what fits need."""
    aside: list[int] = []
    monkeypatch.setattr(memory, "set_libraries_aside", lambda: aside.append(gc.get_freeze_count()))
    monkeypatch.setattr(memory, "LIBRARIES", ("not_imported_yet",))
    excluded: list[list[int]] = [[]]
    gc.freeze()
    with libraries_set_aside():
        assert len(aside) == 1
    assert aside[0] > 0
    assert not any(found is excluded for found in gc.get_objects()), "what was excluded before stays so"
    monkeypatch.setattr(memory, "LIBRARIES", ("sys",))
    with libraries_set_aside():
        assert len(aside) == 1, "by a context around this one"
