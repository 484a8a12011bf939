"""What memory training will take, before anything is loaded: of one method on one model, and of each step of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.backbone_names import config_of
from workbench.cost_model import MB, Workload
from workbench.device import resolve_precision
from workbench.errors import InputError
from workbench.methods import require_possible, trained_method
from workbench.settings import Budget, Document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from experiments.studies.stream.plan import Plan, Step
    from workbench.adaptation import Adaptation
    from workbench.cost_model import Prediction

ANSWER = 32  # tokens of an answer, where no task says


def workload(model: str, method: str, assignments: Sequence[str]) -> Workload:
    """Return the training step that ``assignments`` (a method's settings, and ``budget.…``) describe.

    A causal language model is taken to answer in words, any other model to have a head.

    Args:
        model: a registered backbone, a hub id, a folder or a ``config.json``.
        method: name of a method.
        assignments: as ``--set`` takes them.

    Raises:
        InputError: an unknown name or setting, or a method that cannot work on the model.
    """
    card, document = trained_method(method), Document({}, "command line").set(assignments)
    own = {name: value for name, value in document.data.items() if name != "budget"}
    wanted = document.data.get("budget", {})
    settings, budget = document.parse_parts(((), own, card.settings), (("budget",), wanted, Budget))
    config = config_of(model, "--model-config")
    speaks = any(name.endswith("ForCausalLM") for name in config.architectures or [])
    kind = "causal-lm" if speaks else "classification"
    require_possible(method, settings, config, kind, bits=budget.quantization)
    return Workload(
        config=config,
        method=method,
        settings=settings,
        precision=resolve_precision(budget.precision),
        batch_size=budget.batch_size,
        length=budget.max_length,
        quantization=budget.quantization,
        said=_said(budget, ANSWER if speaks else 0),
    )


def predicted_memory(plan: Plan) -> Callable[[Step], float | None]:
    """Return what tells the predicted peak of a step's training in MB, or None where its architecture is not known.

    A strategy's own needs (a second model, a memory of old examples) are not counted.
    """
    known: dict[tuple[str, int], float | None] = {}

    def tell(step: Step) -> float | None:
        answer = step.task.max_new_tokens or 0
        place = step.contender.label, answer
        if place not in known:
            known[place] = peak_mb(predicted(plan.adaptation(step.contender), plan.recipe.budget, answer))
        return known[place]

    return tell


def predicted(adaptation: Adaptation, budget: Budget, answer: int) -> Prediction | None:
    """Return what a training step of a method takes; None where the architecture is not known.

    ``answer``: tokens that each example is learned to be answered with, 0 where there is a head.
    """
    try:
        return Workload.of(adaptation, budget.batch_size, budget.max_length, _said(budget, answer)).predict()
    except InputError:
        return None


def peak_mb(prediction: Prediction | None) -> float | None:
    """Return the highest memory of a step in MB, where it is known."""
    return round(prediction.peak / MB, 1) if prediction else None


def _said(budget: Budget, answer: int) -> int:
    return budget.batch_size * min(answer, budget.max_length)
