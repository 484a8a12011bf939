"""The recipe of `workbench examine`: a base model and checkpoints of it, on tasks that all count from the base on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from experiments.strategies._checkpoints import distinct_names
from experiments.studies.stream.plan.entry import GIVEN
from workbench.backbone.architecture import is_causal
from workbench.backbone.names import config_of
from workbench.errors import InputError
from workbench.settings.base import Document
from workbench.settings.bounds import LONGEST_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

LABEL, SUFFIX = "given", "-examined"
ROWS = 400  # of each task, to test on, and to fit a head on
HELD = 100  # rows that choose how strongly a head is regularised
OF_ENCODERS = ("bbc-news", "election-tweets", "questions-coarse", "sentiment-movies", "reuters-r8")
OF_LANGUAGE_MODELS = tuple(
    f"reasoning-gym-{name}"
    for name in ("chain-sum", "word-reversal", "needle-haystack", "syllogism", "number-filtering")
)
GENERAL_TEXT = "book-excerpts"
TOKENS = {True: 192, False: 96}


def examination(
    base: str,
    checkpoints: Sequence[str],
    tasks: Sequence[str] = (),
    probes: Sequence[str] | None = None,
    rows: int = ROWS,
    name: str | None = None,
    assignments: Sequence[str] = (),
) -> Document:
    """Return the recipe; no weights are read.

    Args:
        base: the model that the checkpoints began as: a name, hub id or folder.
        checkpoints: in their order; see :func:`experiments.strategies._checkpoints.read_checkpoints`.
        tasks: their names; a small set from packages if empty, another one for language models.
        probes: their names; None: those that suit the model.
        rows: test rows of each task, and training rows that a head is fitted on.
        name: of the experiment.
        assignments: settings of the recipe, as ``budget.max_length=64``.

    Raises:
        InputError: no checkpoint, or the same one twice.
        UnknownNameError, AssetError, UnsafeConfigError: as :func:`workbench.backbone.names.config_of`.
    """
    if not checkpoints:
        raise InputError("there is no checkpoint to examine", hint="workbench examine BASE CHECKPOINT…")
    stages = [base, *checkpoints]
    if len(set(stages)) < len(stages):
        twice = next(stage for stage in stages if stages.count(stage) > 1)
        raise InputError(f"{twice!r} is named twice", hint="Name each checkpoint once, in the order of training.")
    causal = is_causal(config_of(base, "BASE"))
    usual = ["general-loss"] if causal else ["linear", "cka"]
    wanted = usual if probes is None else [*probes]
    recipe: dict[str, Any] = {
        "name": name or _name(stages),
        "description": f"What {', '.join(distinct_names(stages)[1:])} lost and gained against {base}",
        "backbone": base,
        "tasks": [*tasks] or [*(OF_LANGUAGE_MODELS if causal else OF_ENCODERS)],
        "seeds": [0],
        "learned": "before",
        "budget": {
            "train_examples": rows,
            "eval_examples": rows,
            "validation_examples": min(HELD, rows),
            "batch_size": 16,
            "max_length": TOKENS[causal],
        },
        "strategies": {LABEL: {"strategy": GIVEN, "stages": stages}},
        "reference": LABEL,
        "probes": wanted,
        **({"probe_text": GENERAL_TEXT} if "general-loss" in wanted else {}),
    }
    return Document(recipe, "command line").set(assignments)


def _name(stages: Sequence[str]) -> str:
    """Return the name of the experiment: that of the last checkpoint, with the folder that it is in."""
    parts = [part for part in stages[-1].split("/") if part not in ("", ".", "..", "~")]
    words = re.findall("[a-z0-9]+", "-".join(parts[-2:]).lower())
    return f"{'-'.join(words)[: LONGEST_NAME - len(SUFFIX)].strip('-') or 'checkpoint'}{SUFFIX}"
