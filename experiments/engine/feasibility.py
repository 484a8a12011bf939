"""Refuses what cannot be done on a backbone before its weights are fetched: only its config is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.backbone.names import bits_of, config_of, open_backbone
from adapter_workbench.workbench.errors import Problem, SettingsError, collect_problems
from adapter_workbench.workbench.methods.methods import require_possible
from adapter_workbench.workbench.training import require_classes, require_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.settings.base import Budget, Key, MethodSettings

    Where = Callable[..., str]

MethodUse = tuple[str, "MethodSettings", "Key"]  # method, its settings, its key in the document
BudgetUse = tuple["Budget", "Key", "Sequence[str]"]  # budget, its key in the document, kinds of the tasks of its fits


def require_feasible(
    where: Where, backbone: str, uses: Sequence[MethodUse], kinds: Sequence[str], budgets: Sequence[BudgetUse]
) -> None:
    """Make sure that each method can be trained on ``backbone`` for each kind of task under the budgets.

    Args:
        where: names the place of a key in the recipe, for messages.
        backbone: its name, which may say in how many bits it is; the first budget may say that too.
        uses: methods, their settings, and their keys in the document.
        kinds: of all tasks that are answered.
        budgets: of fits; the first one says how the backbone is kept.

    Raises:
        SettingsError: all that is not possible, in one message.
        UnknownNameError, InputError, AssetError: as :func:`adapter_workbench.workbench.backbone.names.config_of` does.
    """
    (budget, at, _), *_ = budgets
    config, bits = config_of(backbone, where("backbone")), bits_of(backbone) or budget.quantization
    problems: list[Problem] = []
    for method, settings, key in uses:
        for kind in dict.fromkeys(kinds):
            with collect_problems(problems):
                require_possible(method, settings, config, kind, where(*key), bits)
        with collect_problems(problems):
            require_optimizer(settings.optimizer, where(*key, "optimizer"))
        if budget.checkpointing == "on":
            from adapter_workbench.workbench.training.gradient_checkpointing import (
                require_checkpointing,  # torch takes a while
            )

            with collect_problems(problems):
                require_checkpointing(method, config, where(*at, "checkpointing"))
    for fitted, key, kinds_of_fits in budgets if uses else ():
        for kind in dict.fromkeys(kinds_of_fits):
            with collect_problems(problems):
                require_classes(fitted, kind, where(*key, "balanced"))
    if problems:
        raise SettingsError(problems)


def open_feasible(
    where: Where,
    backbone: str,
    uses: Sequence[MethodUse],
    kinds: Sequence[str],
    budgets: Sequence[BudgetUse],
    virtual: int = 0,
) -> Backbone:
    """Return the backbone of a recipe, quantized as its first budget says; its weights are fetched, but not read.

    Args:
        where: see :func:`require_feasible`, with all others.
        backbone: see there.
        uses: see there.
        kinds: see there.
        budgets: see there.
        virtual: tokens that stand before each text, where that can be more than those of a method.

    Raises:
        SettingsError: all that is not possible (see :func:`require_feasible`), or each budget whose texts are too long.
        UnknownNameError, InputError, AssetError: as :func:`open_backbone` does.
    """
    require_feasible(where, backbone, uses, kinds, budgets)
    (budget, key, _), *_ = budgets
    model = open_backbone(backbone, where("backbone"))
    model = model.quantized(budget.quantization, where(*key, "quantization"))
    model = model.kept(budget.weights, where(*key, "weights"))
    virtual = max([virtual, *(settings.virtual_tokens for _, settings, _ in uses)])
    problems: list[Problem] = []
    for budget, key, _ in budgets:
        with collect_problems(problems):
            model.require_length(budget.max_length, where(*key, "max_length"), virtual)
    if problems:
        raise SettingsError(problems)
    return model
