"""lm-eval: scores on tasks of EleutherAI's evaluation harness, and their change from the bare backbone's."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from adapter_workbench.workbench.answering.harness.task_files import LONGEST_PATH, whole_path
from adapter_workbench.workbench.backbone.architecture import is_causal
from adapter_workbench.workbench.machine.extras import absence, installed_version
from adapter_workbench.workbench.probes import NEEDS, ProbeRequest
from adapter_workbench.workbench.probes._language import bare_model, head_beside, no_language_head
from adapter_workbench.workbench.settings.base import Settings, unique
from adapter_workbench.workbench.settings.bounds import Count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedTokenizerBase

    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.probes import Probe, ProbeContext

NAME = "lm-eval"


class HarnessSettings(Settings):
    """Which tasks, how many of their questions, and after how many solved examples."""

    tasks: tuple[Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)], ...] = Field(
        min_length=1,
        max_length=100,
        description="tasks, groups and tags of the harness by name, or paths of task files of one's own ('….yaml')",
    )
    limit: Count | None = Field(100, description="questions of each task, its first; all if null")
    num_fewshot: int | None = Field(
        None, ge=0, le=1000, description="solved examples before each question; the task's own number if null"
    )

    _each_once = field_validator("tasks")(unique)


class Harness:
    """What EleutherAI's harness (Gao et al. 2024, doi:10.5281/zenodo.12608602) says of the adapted body.

    The body stands under the output layer of the backbone's pretraining; the task's head takes no part. ``TASK/METRIC``
    is the harness's own number, ``TASK/METRIC-change`` that number less the bare backbone's on the same questions in
    the same precision. Groups have numbers where the harness gives them some.
    """

    scope: Literal["task", "model"] = "model"
    reads_hidden = False
    settings = HarnessSettings

    def objection(self, backbone: Backbone, kind: str) -> str | None:
        """Return that the package is missing, or that the backbone is not a causal language model."""
        if missing := absence(NEEDS[NAME]):
            return missing
        if not is_causal(backbone.config):
            return f"{backbone.name!r} is not a causal language model (smollm2 is one)"
        return no_language_head(backbone)

    def ask(self, settings: HarnessSettings) -> ProbeRequest:
        """Load the tasks; their rows may be fetched.

        Raises:
            InputError: there is no such task, its rows cannot be had, or it is not run here.
        """
        from adapter_workbench.workbench.answering.harness.loading import identity, load_tasks

        paths = map(whole_path, settings.tasks)
        tasks = load_tasks(settings.tasks, settings.num_fewshot)
        questions = [
            installed_version(NEEDS[NAME]),
            settings.limit,
            settings.num_fewshot,
            *identity(tasks, settings.limit),
        ]
        return ProbeRequest(settings.model_copy(update={"tasks": tuple(paths)}), questions)

    def measure(self, model: TaskModel, context: ProbeContext) -> Mapping[str, float]:
        """Return the scores and their changes; nothing where no tasks were asked for.

        Raises:
            InputError: as :meth:`ask` does, or an answer may take more tokens than the model reads.
        """
        settings = context.settings.get(NAME)
        if not isinstance(settings, HarnessSettings):
            return {}
        was_training = model.training
        under = model.under(head_beside(model, context))
        try:
            own = _scores(under, context.tokenizer, settings, context.batch_size, context.seed)
        finally:
            model.train(was_training)
        settings_json = settings.model_dump_json()
        bare = _bare_scores(context.backbone, settings_json, context.batch_size, context.seed, model.precision)
        return {**own, **{f"{name}-change": value - bare[name] for name, value in own.items() if name in bare}}


def _scores(
    model: TaskModel, tokenizer: PreTrainedTokenizerBase, settings: HarnessSettings, batch_size: int, seed: int
) -> dict[str, float]:
    from adapter_workbench.workbench.answering.harness.language_model import AdaptedLM
    from adapter_workbench.workbench.answering.harness.loading import load_tasks, scores

    tasks = load_tasks(settings.tasks, settings.num_fewshot)
    results = scores(AdaptedLM(model, tokenizer, batch_size), tasks, settings.limit, seed)
    return {
        f"{_quantity_name(task)}/{_quantity_name(metric)}": value
        for task, values in results.items()
        for metric, value in values.items()
        if math.isfinite(value)
    }


@lru_cache(maxsize=8)
def _bare_scores(
    backbone: Backbone, settings: str, batch_size: int, seed: int, precision: Precision
) -> dict[str, float]:
    """Return what :func:`_scores` is without any method's weights; the same at every stage."""
    requested = HarnessSettings.model_validate_json(settings)
    return _scores(bare_model(backbone, precision), backbone.tokenizer, requested, batch_size, seed)


def _quantity_name(name: str) -> str:
    """Return a name of the harness as quantities are called."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


PROBE: Probe = Harness()
