"""Evaluations in a workspace: each is read once for as long as its files stay, and damage is noticed at any time."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.answering.evaluation import Evaluation
from adapter_workbench.workbench.errors import IntegrityError
from adapter_workbench.workbench.files import checksummed

KEY = "0" * 64


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(checksummed, "SETTLED", 0.0)  # else only files that are two seconds old count as settled
    workspace = Workspace(tmp_path)
    outcomes = pd.DataFrame({"id": ["a", "b"], "correct": [True, False]})
    workspace.evaluations.save(KEY, Evaluation(outcomes, {"accuracy": 0.5}, "f" * 64, 1.0))
    return workspace


def test_an_evaluation_is_parsed_once(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = workspace.evaluations.get(KEY)
    assert first is not None and first.scores == {"accuracy": 0.5}
    monkeypatch.setattr(checksummed, "read", None)
    assert workspace.evaluations.get(KEY) == first


def test_a_document_that_is_lost_later_is_noticed(workspace: Workspace) -> None:
    workspace.evaluations.require(KEY)
    (workspace.evaluations.root / KEY / "evaluation.json").unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        workspace.evaluations.get(KEY)


def test_a_document_that_is_changed_later_is_noticed(workspace: Workspace) -> None:
    workspace.evaluations.require(KEY)
    path = workspace.evaluations.root / KEY / "evaluation.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(IntegrityError, match="has changed"):
        workspace.evaluations.get(KEY)
