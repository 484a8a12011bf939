"""Running plans in tests, and reading what the runs left."""

from __future__ import annotations

import runpy
import warnings
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.answers.http_server.selection import select
from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.engine import run as engine
from adapter_workbench.experiments.reporting.contrast import contrast
from adapter_workbench.experiments.reporting.families import alone
from adapter_workbench.experiments.studies import STUDIES
from adapter_workbench.experiments.studies.stream.results.record import Record
from adapter_workbench.experiments.studies.stream.results.report import Report
from adapter_workbench.experiments.workspace import Workspace
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.listener import Listener, Silent
from tests.streams import write_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.workspace import RecordDocument

RECOMPUTE = Path(__file__).parents[1] / "docs" / "recompute.py"  # computes a report of a stream again from its JSON
SMALL_COMPARISON = """description: made in tests
backbone: {backbone}
sources:
  tasks: [animals, halves]
  methods: {{lora: {{learning_rate: 0.02}}}}
  budget: {{train_examples: 32, epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
shots: [8]
seeds: [0]
budget: {{epochs: 1, batch_size: 8, max_length: 16, precision: fp32}}
"""  # of compositions, but for its name, targets, compositions and controls


def done(plan: Any, workspace: Workspace, listener: Listener | None = None, command: str = "test") -> RecordDocument:
    """Run a plan of any study, and return the document of its record."""
    return engine.run(STUDIES.get(plan.study), plan, workspace, listener or Silent(), command)


def stream_in(workspace: Workspace, name: str = "stream") -> Record:
    """Return the record of a stream."""
    return Record.read(name, workspace.records.require(name), workspace)


def stream_run(plan: Any, root: Path, listener: Listener | None = None) -> Record:
    """Run a stream, and return its record."""
    workspace = Workspace(root)
    return Record.read(plan.name, done(plan, workspace, listener), workspace)


def stream_of(folder: Path, backbone: Path, entries: Mapping[str, str], *changes: str) -> Report:
    """Learn the three tiny tasks in the ways of ``entries`` (label → YAML), and return the report."""
    strategies = ", ".join(f"{label}: {entry}" for label, entry in entries.items())
    recipe = write_recipe(folder, backbone)
    workbench = Workbench(folder / "space", [folder / "tasks"])
    report = workbench.run(workbench.plan(str(recipe), [f"strategies={{{strategies}}}", *changes]))
    assert isinstance(report, Report)
    return report


def pieces(plan: Any) -> list[Piece]:
    """Return all pieces of a plan."""
    return [*STUDIES.get(plan.study).pieces(plan)]


def pending(plan: Any, workspace: Workspace) -> list[Piece]:
    """Return the pieces of a plan that are not done."""
    return engine.pending(pieces(plan), workspace)


def ask_for_all(workspace: Workspace) -> None:
    """Ask for all adapters that experiments left, as a person does who takes them over."""
    for adapter in workspace.adapters.ids():
        workspace.origins.ask(adapter, "promote")


def assert_for_comparison_alone(bench: Workbench, backbone: str) -> None:
    """Make sure that adapters made for a comparison are nobody's source and nobody's answer, beside two others."""
    few = ["budget.max_length=16", "budget.precision=fp32"]
    ask_for_all(bench.workspace)
    with pytest.raises(InputError, match="there are 2 adapters"):
        bench.fusion_plan("fruits", "auto:9", "sum", 8, backbone=backbone, assignments=few)
    served = select(bench.workspace, [], backbone, bench.task_folders, bench.listener)
    assert not any(adapter.manifest.task.for_comparison for adapter in served.adapters)


def assert_as_declared(report: Any, workspace: Workspace) -> None:
    """Make sure that comparing experiments gives for this one the differences that its own report gives."""
    name, record = report.record.experiment, report.record
    document = workspace.records.require(name)
    scores = STUDIES.get(report.study).scored(name, document, workspace)
    metric, *_ = scores[record.reference]
    controls = {label: getattr(record, "controls", {}).get(label, record.reference) for label in report.declared}
    controls = {label: control for label, control in controls.items() if {label, control} <= {*scores}}  # no picks
    assert controls
    for label, control in controls.items():
        difference = contrast(scores[label][metric], scores[control][metric]).difference
        declared = report.declared[label]
        assert difference is not None
        compared = alone(difference, None)
        assert compared.seeds.mean == pytest.approx(declared.seeds.mean, abs=1e-12)
        assert (compared.seeds.low is None) == (declared.seeds.low is None)
        assert compared.p == pytest.approx(declared.p)
        assert compared.examples is not None
        assert declared.examples is not None
        assert compared.examples.as_json() == pytest.approx(declared.examples.as_json(), abs=1e-12)


def recompute(path: Path) -> tuple[int, str]:
    """Return the exit code of the program that computes a report again, and what it prints; a warning is an error."""
    main = runpy.run_path(str(RECOMPUTE))["main"]
    with redirect_stdout(StringIO()) as printed, warnings.catch_warnings(action="error"):
        code = main(path)
    return code, printed.getvalue()
