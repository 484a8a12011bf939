"""knn: whether texts with the same label are close in the last layer, by nearest class mean and neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from adapter_workbench.workbench.probes._fit import labels_of, without_labels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

NEIGHBOURS = 5


class KNN:
    """Two classifiers without any weights of their own, on the pooled states of the last layer.

    ``prototype`` answers with argmin_c ‖x − μ_c‖, μ_c the mean of the label's training examples (Mensink et al. 2013,
    doi:10.1109/TPAMI.2013.83); ``knn`` with the label that most of the 5 nearest training examples by cosine have
    (Cover and Hart 1967, doi:10.1109/TIT.1967.1053964; all of them where there are fewer than 5), the lowest label of
    equals.
    """

    scope: Literal["task", "model"] = "task"
    reads_hidden = True

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return why there are no labels to compare, or None."""
        return without_labels(kind)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return ``prototype`` and ``knn``: accuracies on the held examples, in [0, 1]."""
        from sklearn.neighbors import KNeighborsClassifier

        labels, truth = labels_of(context.task, "train"), labels_of(context.task, "validation")
        train, held = (states[-1].astype(np.float64) for states in (context.hidden.train, context.hidden.held))
        classes = np.unique(labels)
        means = np.stack([train[labels == label].mean(axis=0) for label in classes])  # (labels, h)
        nearest = np.linalg.norm(held[:, None] - means[None], axis=-1).argmin(axis=1)  # (held,)
        neighbours = KNeighborsClassifier(min(NEIGHBOURS, len(train)), metric="cosine").fit(train, labels)
        return {
            "prototype": float(np.mean(classes[nearest] == truth)),
            "knn": float(np.mean(neighbours.predict(held) == truth)),
        }


PROBE: Probe = KNN()
