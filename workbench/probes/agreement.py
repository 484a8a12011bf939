"""agreement: how many test answers differ from those given right after learning, and whether for better or worse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

READ = ["id", "prediction", "correct"]


class Agreement:
    """Shares of the test examples, joined by id: churn (Milani Fard et al. 2016, NeurIPS 29) between two stages.

    ``changed``: another answer than then; ``lost``: it was right and is wrong; ``gained``: it was wrong and is right;
    ``wrong-to-wrong``: another wrong answer. With labels the last three add up to the first; what is missing where
    answers are free text are right answers in other words. An accuracy changes by gained − lost.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = False

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why answers cannot be told right from wrong, or None."""
        return "two predicted numbers are almost never equal" if kind == "regression" else None

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return the four shares, in [0, 1]; nothing at the stage at which the task was learned."""
        if context.outcomes_learned is None:
            return {}
        joined = context.outcomes_learned[READ].merge(
            context.outcomes[READ], on="id", suffixes=("_then", "_now"), validate="one_to_one"
        )
        if joined.empty:
            return {}
        changed = joined["prediction_then"] != joined["prediction_now"]
        was, still = joined["correct_then"].astype(bool), joined["correct_now"].astype(bool)
        shares = {
            "changed": changed,
            "lost": was & ~still,
            "gained": ~was & still,
            "wrong-to-wrong": changed & ~was & ~still,
        }
        return {name: float(flags.mean()) for name, flags in shares.items()}


PROBE: Probe = Agreement()
