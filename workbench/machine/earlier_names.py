"""Names that documented modules had before there were rooms: programs that import them go on working."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

NAMES = {  # before → now
    "adapter_workbench.experiments.workspace.left": "adapter_workbench.experiments.workspace.piece_results",
    "fusion.composition": "adapter_workbench.fusion.target.composition",
    "fusion.diagnostics": "adapter_workbench.fusion.diagnosis.diagnostics",
    "fusion.lora": "adapter_workbench.fusion.updates.lora",
    "fusion.lowrank": "adapter_workbench.fusion.updates.lowrank",
    "workbench.bounds": "adapter_workbench.workbench.settings.bounds",
    "workbench.digest": "adapter_workbench.workbench.files.digest",
    "workbench.forgetting": "adapter_workbench.workbench.measures.forgetting",
    "workbench.logged_model": "adapter_workbench.workbench.mlflow.loader",  # stands in every model that was logged
    "workbench.method": "adapter_workbench.workbench.methods.method",
    "workbench.model": "adapter_workbench.workbench.methods.model",
    "workbench.registry": "adapter_workbench.workbench.settings.registry",
    "workbench.statistics": "adapter_workbench.workbench.measures.statistics",
    "workbench.task": "adapter_workbench.workbench.methods.task",
}
ATTRIBUTES = {  # before → now, of documented modules and classes
    "adapter_workbench.experiments.engine.document_piece.DocumentPiece.place": "coordinates",
    "adapter_workbench.experiments.gating.gate.Check.found": "value",
    "adapter_workbench.experiments.reporting.provenance_tags.once_more": "rerun_block",
    "adapter_workbench.experiments.workspace.evaluating.fitted": "fit_and_evaluate",
    "adapter_workbench.experiments.workspace.piece_results.Left": "PieceResults",
    "adapter_workbench.experiments.workspace.records.PieceReference.place": "coordinates",
    "adapter_workbench.workbench.methods.method.Course": "FitHooks",
    "adapter_workbench.workbench.methods.method.Steps": "FitLength",
}
ROOMS = {  # rooms and modules that have the name of a module of before → the module with its entries
    "adapter_workbench.experiments.engine.study": "adapter_workbench.experiments.engine.piece",
    "adapter_workbench.workbench.backbone": "adapter_workbench.workbench.backbone.pretrained",
    "adapter_workbench.workbench.methods": "adapter_workbench.workbench.methods.methods",
    "adapter_workbench.workbench.settings": "adapter_workbench.workbench.settings.base",
}


def keep() -> None:
    """Let ``import`` find the modules of before."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def of_room(room: str, name: str) -> Any:
    """Return what the module of before had under ``name``; for the ``__getattr__`` of the room that has its name.

    Raises:
        AttributeError: it had nothing of that name.
    """
    if not name.startswith("_"):
        module = importlib.import_module(ROOMS[room])
        if hasattr(module, name):
            _warn(f"{room}.{name}", f"{ROOMS[room]}.{name}")
            return getattr(module, name)
    raise AttributeError(f"module {room!r} has no attribute {name!r}")


def renamed(owner: str, name: str) -> str:
    """Return what the attribute ``name`` of a module or class is called now; for the ``__getattr__`` of that owner.

    Raises:
        AttributeError: it never had such an attribute.
    """
    if f"{owner}.{name}" not in ATTRIBUTES:
        raise AttributeError(f"{owner!r} has no attribute {name!r}")
    now = ATTRIBUTES[f"{owner}.{name}"]
    _warn(f"{owner}.{name}", f"{owner}.{now}")
    return now


class _Finder:
    """Finds a module of before as one that hands out what the module of now has."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name in NAMES else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        _warn(spec.name, NAMES[spec.name])
        module, now = ModuleType(spec.name), importlib.import_module(NAMES[spec.name])
        public = {
            name: value for name, value in vars(now).items() if not name.startswith("__") or name == "__getattr__"
        }
        vars(module).update(public)
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass


def _warn(before: str, now: str) -> None:
    warnings.warn(f"{before} is {now} now", DeprecationWarning, stacklevel=3)
