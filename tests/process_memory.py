"""A process that has read no backbone yet: what it remembers of files is forgotten, as at the start of another one."""

from __future__ import annotations

import pytest

from adapter_workbench.workbench.backbone import fingerprints, shared_weights


def as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget fingerprints, checked files and shared weights until the test ends."""
    monkeypatch.setattr(fingerprints, "_known", {})
    monkeypatch.setattr(fingerprints, "_finite", set())
    monkeypatch.setattr(shared_weights, "_resident", {})


def settled_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files that a test has just written count as old enough to be remembered by their state."""
    monkeypatch.setattr(fingerprints, "SETTLED", -60.0)
