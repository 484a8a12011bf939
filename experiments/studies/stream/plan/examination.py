"""The recipe of `workbench examine`: a base model and checkpoints of it, on tasks that all count from the base on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.strategies._checkpoints import distinct_names
from adapter_workbench.experiments.studies.stream.plan.entry import GIVEN
from adapter_workbench.workbench.backbone.architecture import is_causal, positions
from adapter_workbench.workbench.backbone.names import config_of
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.settings.base import Document
from adapter_workbench.workbench.settings.bounds import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PretrainedConfig

    from adapter_workbench.experiments.requests.examine import ExamineRequest

LABEL, SUFFIX = "given", "-examined"
HELD = 100  # rows that choose how strongly a head is regularised
OF_ENCODERS = ("bbc-news", "election-tweets", "questions-coarse", "sentiment-movies", "reuters-r8")
OF_LANGUAGE_MODELS = (  # on each of these a model of 135 M parameters is better than by chance, untrained
    "bbc-news",
    "sentiment-movies",
    "questions-coarse",
    "reasoning-gym-chain-sum",
    "reasoning-gym-sentence-reordering",
)
NUMBERED = re.compile(r"((?:.*/)?(?:checkpoint|step|epoch)[-_])(\d{1,12})/*")  # as trainers call what they save
GENERAL_TEXT = "book-excerpts"
TOKENS = {True: 192, False: 96}


def examination(request: ExamineRequest) -> Document:
    """Return the recipe; no weights are read.

    Where tasks of the harness are named, and no others, there are no others.

    Raises:
        InputError: no checkpoint, or the same one twice.
        UnknownNameError, AssetError, UnsafeConfigError: as :func:`config_of`.
    """
    if not request.checkpoints:
        raise InputError("there is no checkpoint to examine", hint="workbench examine BASE CHECKPOINT…")
    base, rows = request.base, request.rows
    stages = [base, *request.checkpoints]
    _require_order(stages)
    config = config_of(base, "BASE")
    causal = is_causal(config)
    usual = ["general-loss"] if causal else ["linear", "cka"]
    wanted = usual if request.probes is None else [*request.probes]
    asked: dict[str, Any] = {name: value for name in ("labels", "shots") if (value := getattr(request, name))}
    if request.head_labels:
        asked["head_labels"] = {task: [*named] for task, named in request.head_labels.items()}
    usual_tasks = () if request.harness else OF_LANGUAGE_MODELS if causal else OF_ENCODERS
    recipe: dict[str, Any] = {
        "name": request.name or _name(stages),
        "description": f"What {', '.join(distinct_names(stages)[1:])} lost and gained against {base}",
        "backbone": base,
        "tasks": [*(request.tasks or usual_tasks)],
        **({"lm-eval": [*request.harness]} if request.harness else {}),
        "seeds": [0],
        "learned": "before",
        "budget": {
            "train_examples": rows,
            "eval_examples": rows,
            "validation_examples": min(HELD, rows),
            "batch_size": 16,
            "max_length": _length(TOKENS[causal] * (1 + request.shots), config),
        },
        "strategies": {LABEL: {"strategy": GIVEN, "stages": stages, **asked}},
        "reference": LABEL,
        "probes": wanted,
        **({"probe_text": GENERAL_TEXT} if "general-loss" in wanted else {}),
    }
    return Document(recipe, "command line").set(request.assignments)


def _require_order(stages: Sequence[str]) -> None:
    """Raise InputError where a checkpoint is named twice, or numbered ones of one training are not in their order."""
    paths = [str(Path(stage).resolve()) if Path(stage).is_dir() else stage for stage in stages]
    if twice := next((stage for stage, path in zip(stages, paths, strict=True) if paths.count(path) > 1), None):
        raise InputError(f"{twice!r} is named twice", hint="Name each checkpoint once, in the order of training.")
    latest: dict[str, tuple[int, str]] = {}
    for stage in stages:
        if not (numbered := NUMBERED.fullmatch(stage)):
            continue
        before, name = latest.get(numbered[1], (0, ""))
        if int(numbered[2]) < before:
            hint = f"Name them in the order of training; in a shell, $(ls -dv {numbered[1]}*) does."
            raise InputError(f"{stage!r} stands after {name!r}: the order is not that of training", hint=hint)
        latest[numbered[1]] = int(numbered[2]), stage


def _length(tokens: int, config: PretrainedConfig) -> int:
    """Return how many tokens are read: no more than the model has positions."""
    return min(tokens, positions(config) or tokens)


def _name(stages: Sequence[str]) -> str:
    """Return the name of the experiment: that of the last checkpoint, with the folder that it is in."""
    parts = [part for part in stages[-1].split("/") if part not in ("", ".", "..", "~")]
    words = re.findall("[a-z0-9]+", "-".join(parts[-2:]).lower())
    return f"{'-'.join(words)[: LONGEST_NAME - len(SUFFIX)].strip('-') or 'checkpoint'}{SUFFIX}"
