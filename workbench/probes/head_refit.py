"""head-refit: how much accuracy a newly fitted head brings back: that part the head forgot, not the layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from adapter_workbench.workbench.probes._fit import fitted_accuracy, labels_of, without_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext


class HeadRefit:
    """Spurious forgetting (Zheng et al. 2025, arXiv:2501.13453): answers go while the representation still has them.

    ``head`` is the accuracy of the model's own head on the held examples, ``refitted`` that of a logistic regression
    fitted on the training examples of the probe, ``recovered`` = refitted − head. The own head was fitted on all of the
    task's training examples and the new one on a few, so ``recovered`` may be below 0 right after learning: it is its
    growth from there that tells of spurious forgetting.

    Of a model that answers with the labels of several tasks, the own head chooses among all of them and the new one
    among those of the probe's examples: ``recovered`` then also counts answers with labels of other tasks.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = True

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why there is no head that could be fitted anew, or None."""
        return without_labels(kind)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``head`` and ``refitted``, in [0, 1], and ``recovered``, in [−1, 1]."""
        labels, truth = labels_of(context.task, "train"), labels_of(context.task, "validation")
        held = context.hidden.held[-1]
        head = float(np.mean(_answers(model, held) == truth))
        refitted = fitted_accuracy(context.hidden.train[-1], labels, held, truth)
        return {"head": head, "refitted": refitted, "recovered": refitted - head}


@torch.inference_mode()
def _answers(model: TaskModel, features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the label that the head gives each feature vector, in float32: (texts, h) → (texts,)."""
    device, training = next(model.parameters()).device, model.head.training
    logits = model.head.eval()(torch.from_numpy(features).to(device))
    model.head.train(training)
    labels: NDArray[np.int64] = logits.argmax(dim=-1).cpu().numpy()
    return labels


PROBE: Probe = HeadRefit()
