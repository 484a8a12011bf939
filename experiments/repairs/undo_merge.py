"""undo-merge: two LoRAs that `merged` made one are two again; validation says which merge is undone, if any.

The two are those of before the merge, bit for bit, because the state keeps them (the strategy's setting ``undo``). A
later merge that took what this one had made is undone before it. Each merge that is undone adds a LoRA to those that
have to be kept. No paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.experiments.repairs import Attempt
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.repairs import EndOfStream


class UndoMergeSettings(Settings):
    """``stage``: the stage whose merge is undone; each of those that can be is tried if it is left out."""

    stage: Count | None = None


class UndoMerge:
    """Its attempts are the merges whose LoRAs were kept."""

    settings = UndoMergeSettings
    revision = 1

    def objection(self, stream: EndOfStream) -> str | None:
        """The LoRAs of a merge have to be there."""
        if not stream.groups.merges:
            return "no merge was kept (strategy merged keeps the last N with undo: N)"
        return None

    def attempts(self, stream: EndOfStream, settings: UndoMergeSettings) -> Iterator[Attempt]:
        """Yield one for each merge, the latest first; ``loras`` is how many there are then.

        Raises:
            InputError: no merge of that stage was kept.
        """
        by_stage = {merge.stage: merge for merge in stream.groups.merges}
        if settings.stage is not None and settings.stage not in by_stage:
            kept = ", ".join(map(str, by_stage))
            message = f"no merge of stage {settings.stage} was kept in {stream.context.label}"
            raise InputError(message, where="undo-merge.stage", hint=f"Those of these stages were: {kept}.")
        before = stream.stored(stream.groups)
        for stage in [*reversed(by_stage)] if settings.stage is None else [settings.stage]:
            groups = stream.groups.without(by_stage[stage])
            stored = stream.stored(groups)
            moved = {task for task, folder in stored.folders.items() if folder != before.folders[task]}
            yield Attempt({"stage": stage, "loras": len(groups.groups)}, stored, moved)


REPAIR = UndoMerge()
