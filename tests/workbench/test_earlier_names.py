"""Modules of before there were rooms: programs that import them go on working, and are told."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from typing import Any

import pytest

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.gating.gate import Check
from adapter_workbench.experiments.reporting import provenance_tags
from adapter_workbench.experiments.workspace import PieceReference, evaluating, piece_results
from adapter_workbench.experiments.workspace.piece_results import PieceResults
from adapter_workbench.workbench.machine.earlier_names import ATTRIBUTES, NAMES, ROOMS
from adapter_workbench.workbench.methods import method
from adapter_workbench.workbench.methods.method import FitHooks, FitLength, Method
from adapter_workbench.workbench.settings.base import MethodSettings, Settings

PIECE = DocumentPiece("key", {"seed": 0}, "label", Effort("pace"), PieceResults("pieces", str), len)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_of_before_has_what_it_had(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{name} is {NAMES[name]} now"):
        before = importlib.import_module(name)
    now = importlib.import_module(NAMES[name])
    public = {entry for entry in vars(now) if not entry.startswith("__")}
    assert public
    assert all(getattr(before, entry) is getattr(now, entry) for entry in public)


def test_a_room_with_the_name_of_a_module_has_what_that_had() -> None:
    for room, module in ROOMS.items():
        now = importlib.import_module(module)
        entry = next(name for name, value in vars(now).items() if getattr(value, "__module__", "") == module)
        with pytest.warns(DeprecationWarning, match=f"{room}.{entry} is {module}.{entry} now"):
            assert getattr(importlib.import_module(room), entry) is getattr(now, entry)
    with pytest.warns(DeprecationWarning):
        exec("from adapter_workbench.workbench.settings import Settings as before")
    with pytest.raises(ImportError):
        exec("from adapter_workbench.workbench.settings import nothing_of_the_kind")
    assert Settings


def test_what_has_another_name_now_is_there_under_its_old_one() -> None:
    owners = {
        "adapter_workbench.experiments.gating.gate.Check": Check("score", "at least", 80.0, 90.0),
        "adapter_workbench.experiments.engine.document_piece.DocumentPiece": PIECE,
        "adapter_workbench.experiments.workspace.records.PieceReference": PieceReference("key", {"seed": 0}),
        evaluating.__name__: evaluating,
        piece_results.__name__: piece_results,
        provenance_tags.__name__: provenance_tags,
        method.__name__: method,
    }
    for before, now in ATTRIBUTES.items():
        owner, _, name = before.rpartition(".")
        with pytest.warns(DeprecationWarning, match=f"{before} is {owner}.{now} now"):
            assert getattr(owners[owner], name) is getattr(owners[owner], now)
        assert not hasattr(owners[owner], "nothing_of_the_kind")


def test_a_card_that_says_course_has_hooks() -> None:
    def course(settings: Any, body: Any, length: FitLength) -> FitHooks:
        return FitHooks()

    with pytest.warns(DeprecationWarning, match="hooks"):
        card = Method("", "", "plain", MethodSettings, lambda settings, config: None, course=course)
    assert card.hooks is course
    assert replace(card, title="Other").hooks is course
