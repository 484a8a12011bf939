"""linear: how well a new linear classifier reads the task's labels from each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from adapter_workbench.workbench.probes._fit import fitted_accuracy, labels_of, without_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext


class Linear:
    """Accuracy of a logistic regression on each layer's pooled states, fitted on training and scored on held examples.

    ``layer-k`` is that accuracy; the fit minimises ½‖W‖² + C Σ cross-entropy. C = 100 is fixed, so that held
    examples choose nothing; it is not the best C of each layer. What falls between two stages is representation
    forgetting (Davari et al. 2022, arXiv:2203.13381): LP[j, j] − LP[T, j]; deeper layers forget more (Ramasesh et
    al. 2020, arXiv:2007.07400). The model's own head is not looked at.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = True

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why there are no labels to fit to, or None."""
        return without_labels(kind)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``layer-0`` … ``layer-L``: accuracies in [0, 1]."""
        labels, truth = labels_of(context.task, "train"), labels_of(context.task, "validation")
        pairs = zip(context.hidden.train, context.hidden.held, strict=True)
        return {f"layer-{k}": fitted_accuracy(train, labels, held, truth) for k, (train, held) in enumerate(pairs)}


PROBE: Probe = Linear()
