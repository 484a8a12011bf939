"""What compositions that look at the target's examples share: a model on it, a head that begins well, a fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from adapter_workbench.fusion.target.fitted_head import fit_head
from adapter_workbench.workbench.adapters.fit_record import Epoch
from adapter_workbench.workbench.answering.evaluation import evaluate_split, features
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.kinds import KINDS
from adapter_workbench.workbench.methods.model import TaskModel
from adapter_workbench.workbench.training import fit

if TYPE_CHECKING:
    from torch import nn

    from adapter_workbench.fusion.target.composition import Request
    from adapter_workbench.fusion.target.fitted_head import Criterion, FittedHead
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import Penalty
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import MethodSettings


@dataclass(frozen=True)
class UntrainedModel:
    """A model for the target that was not trained yet."""

    model: TaskModel  # under the head that the request names
    epoch: Epoch  # its validation score and likelihood, as epoch 0; there is no training loss yet

    @property
    def facts(self) -> dict[str, float]:
        """How it does on the validation split before the first step: the curve of the fit begins with epoch 1."""
        return {
            "validation_before": self.epoch.validation,
            "validation_log_likelihood_before": self.epoch.validation_log_likelihood,
        }


def require_target(request: Request) -> Task:
    """Return the target; raises InputError where there is none."""
    if request.target is None:
        raise InputError("this composition needs a target task: it learns from its examples")
    return request.target


def model_on(request: Request, body: nn.Module, head: nn.Module | None = None) -> TaskModel:
    """Return ``body`` under ``head``, or under the kind's own head, as a model for the target."""
    task = require_target(request)
    kind = KINDS.get(task.kind)
    own = head or kind.head(request.backbone, len(task.labels))
    return TaskModel(body, own, kind, request.backbone.pooling, request.precision).eval()


def needs_head(model: TaskModel) -> bool:
    """Return whether the kind's head has to be fitted; a language model answers with the backbone's own."""
    return bool(model.head.state_dict())


def fitted_head(model: TaskModel, request: Request, by: Criterion = "accuracy") -> FittedHead:
    """Return a head for the target, fitted on the model's frozen features; ``by`` picks its strength."""
    return head_fitted_on(require_target(request), model, request.backbone, request.budget.max_length, by)


def head_fitted_on(
    task: Task, model: TaskModel, backbone: Backbone, max_length: int, by: Criterion = "accuracy"
) -> FittedHead:
    """Return a head for ``task``, a classification, fitted on what ``model`` makes of its training examples."""
    splits = [task.splits[name] for name in ("train", "validation")]
    seen, unseen = ((features(model, rows, backbone.tokenizer, max_length), rows["label"][:]) for rows in splits)
    return fit_head(*seen, *unseen, len(task.labels), by)


def with_fitted_head(model: TaskModel, request: Request) -> TaskModel:
    """Return the model with a head fitted on its frozen features; unchanged if its head is not to be fitted."""
    if not needs_head(model):
        return model
    return model.under(fitted_head(model, request, "likelihood").head)


def begin(body: nn.Module, request: Request) -> UntrainedModel:
    """Return ``body`` under the head that it is trained with, and how that does on the validation split.

    Everything that is trained begins here, with sources or without: the head of ``request.head``, so that what is
    compared differs in the body alone. A random head is that of the seed, whatever the body is.
    """
    torch.manual_seed(request.seed)
    model = model_on(request, body)
    if request.head == "fitted":
        model = with_fitted_head(model, request)
    evaluation = evaluate_split(
        model, require_target(request), "validation", request.backbone, request.budget.max_length
    )
    score = evaluation.scores[model.kind.metric]
    return UntrainedModel(model, Epoch(0, float("nan"), score, evaluation.log_likelihood))


def train(
    begun: UntrainedModel,
    request: Request,
    method: str,
    settings: MethodSettings,
    penalty: Penalty | None = None,
) -> FitRecord:
    """Train, in place, the head and the parts of the body that require gradients; keep the best epoch's weights.

    A head that is fitted first keeps the first steps from undoing what the body knows (Kumar et al. 2022,
    arXiv:2202.10054). The model as it began is epoch 0, whatever its head: it is kept where no later epoch validates
    better.

    Raises:
        TrainingError: the loss is not a finite number.
    """
    model, start = begun.model, begun.epoch
    before = {name: parameter.detach().clone() for name, parameter in model.trainable().items()}
    model.penalty = penalty
    adaptation = Adaptation(request.backbone, method, settings, request.precision)
    reporting = request.listener, request.label, request.scratch
    record = fit(model, require_target(request), adaptation, request.budget, request.seed, *reporting)
    best = record.epochs[record.best_epoch - 1]
    if (start.validation, start.validation_log_likelihood) < (best.validation, best.validation_log_likelihood):
        return record
    with torch.no_grad():
        for name, parameter in model.trainable().items():
            parameter.copy_(before[name])
    return replace(record, best_epoch=0, validation=start.validation)
