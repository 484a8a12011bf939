"""Streams of two or three tiny tasks in shared weights, learned to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from adapter_workbench.experiments.api import Workbench
from adapter_workbench.experiments.repairs import EndOfStream
from adapter_workbench.experiments.strategies import STRATEGIES
from adapter_workbench.experiments.studies import report_on
from adapter_workbench.workbench.backbone.pretrained import Backbone
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.task import Task
from adapter_workbench.workbench.settings.base import Budget
from tests.runs import done
from tests.stages import RATES, context_for, walk

if TYPE_CHECKING:
    from adapter_workbench.experiments.studies.repair.report import RepairReport

Learned = Callable[..., EndOfStream]


@pytest.fixture(scope="module")
def learned(backbone: Backbone, task: Task, other_task: Task, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    """Return a stream of animals, then halves, as ``strategy`` learned it with ``method``."""

    def learned(method: str, scenario: str = "task-incremental") -> EndOfStream:
        folder = tmp_path_factory.mktemp(method)
        entry: Any = STRATEGIES.get("sequential")
        budget = Budget(epochs=4, batch_size=8, max_length=16, precision="fp32")
        settings = METHODS.get(method).settings(learning_rate=RATES.get(method, 1e-2))
        adaptation = Adaptation(backbone, method, settings, "fp32")
        context = context_for(adaptation, budget, (task, other_task), folder, entry.settings(), scenario)
        return EndOfStream(entry, context, dict(enumerate(walk(entry, context, folder), start=1)))

    return learned


def repairs_of(bench: Workbench, *asked: Any, **more: Any) -> RepairReport:
    """Do what ``bench.repair`` does, and log nothing."""
    plan = bench.repair_plan(*asked, **more)
    report: Any = report_on(plan.name, done(plan, bench.workspace), bench.workspace)
    return report  # type: ignore[no-any-return]
