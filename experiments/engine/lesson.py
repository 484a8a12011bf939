"""One method trained on one task, planned from the settings of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.feasibility import open_feasible
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.errors import Problem, SettingsError, collect_problems
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import trained_method
from adapter_workbench.workbench.settings.base import Budget
from adapter_workbench.workbench.settings.bounds import require_seed
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapter_workbench.workbench.settings.base import Document, Settings


def settings_and_budget(document: Document, settings: type[Settings]) -> tuple[Any, Budget]:
    """Return a document parsed as a method's ``settings``, and its part ``budget``.

    Raises:
        SettingsError: all that is wrong with either, in one message.
    """
    method_settings = {name: value for name, value in document.data.items() if name != "budget"}
    parsed, budget = document.parse_parts(
        ((), method_settings, settings), (("budget",), document.data.get("budget", {}), Budget)
    )
    return parsed, budget


def plan_lesson(
    document: Document, task: str, method: str, backbone: str, seed: int, task_folders: Sequence[Path]
) -> Lesson:
    """Return the lesson that ``document`` describes: the method's settings, and ``budget``; nothing is trained.

    Raises:
        InputError: an unknown name or setting, or data that do not fit.
    """
    card, problems = trained_method(method), list[Problem]()
    with collect_problems(problems):
        settings, budget = settings_and_budget(document, card.settings)
    with collect_problems(problems):
        require_seed(seed)
    with collect_problems(problems):
        spec = registry.find(task, task_folders)
    if problems:
        raise SettingsError(problems)
    kinds = [spec.file.kind]
    model = open_feasible(document.where, backbone, [(method, settings, ())], kinds, [(budget, ("budget",), kinds)])
    from adapter_workbench.workbench.methods.adaptation import (
        Adaptation,  # imports torch, which reporting mistakes does not need
    )
    from adapter_workbench.workbench.training.default_rates import at_default_rate

    settings = at_default_rate(method, settings, model.config)
    adaptation = Adaptation(model, method, settings, resolve_precision(budget.precision))
    return Lesson(registry.load(spec), adaptation, budget, seed)
