"""What the class that a config names can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.backbone.config import named_architectures
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.lazy_imports import import_models

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = ("classification", "multilabel", "regression")
OF_SEVERAL = TEXTS[:2]  # that a head of several outputs may be for, the likeliest first
KINDS: dict[str, tuple[str, ...]] = {  # table of transformers → kinds of task
    "SEQUENCE_CLASSIFICATION": TEXTS,
    "TOKEN_CLASSIFICATION": ("token-classification",),
    "CAUSAL_LM": ("causal-lm",),
    "SEQ_TO_SEQ_CAUSAL_LM": ("seq2seq",),
    "MASKED_LM": (),
    "PRETRAINING": (),
}
OTHERS = {  # table of transformers → what the heads of its classes are for
    "QUESTION_ANSWERING": "question answering",
    "MULTIPLE_CHOICE": "multiple choice",
    "NEXT_SENTENCE_PREDICTION": "next sentence prediction",
}
PROBLEMS = {
    "single_label_classification": "classification",
    "multi_label_classification": "multilabel",
    "regression": "regression",
}


def kinds_of(config: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return the kinds of task that a model answers, by its class and problem type; none where it has no head of these.

    Raises:
        InputError: the config names no class, or none of transformers' own.
    """
    kind, named = config.get("model_type"), named_architectures(config)
    if not named:
        hint = 'It has the class\'s name, as "architectures": ["BertForSequenceClassification"]; save it again.'
        raise InputError("the config names no class", where=where, hint=hint)
    table = _table(kind, named[0])
    if table is None:
        hint = "Taken in are transformers' own classes that read texts."
        raise InputError(f"transformers has no {named[0]} of the type {kind}", where=where, hint=hint)
    kinds = KINDS.get(table, ())
    return stated_kinds(config) or OF_SEVERAL if kinds is TEXTS else kinds


def other_head(config: Mapping[str, Any]) -> str | None:
    """Return what the head of a model is for, if that is not a kind of task here."""
    named = named_architectures(config)
    return OTHERS.get(_table(config.get("model_type"), named[0]) or "") if named else None


def _table(kind: object, named: str) -> str | None:
    """Return the table of transformers that has a class for a type of model; empty for one without a head."""
    import_models()
    from transformers.models.auto import modeling_auto as tables

    by_name: dict[str, Any] = {"": tables.MODEL_MAPPING_NAMES}
    by_name |= {name: getattr(tables, f"MODEL_FOR_{name}_MAPPING_NAMES") for name in (*KINDS, *OTHERS)}
    return next((name for name, classes in by_name.items() if _is_in(classes, kind, named)), None)


def _is_in(classes: Mapping[str, Any], kind: object, named: str) -> bool:
    known = classes.get(kind) if isinstance(kind, str) else None
    return named in known if isinstance(known, tuple) else named == known


def stated_kinds(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the kind that a config states for a head on texts, by problem type or a single label; none if neither."""
    problem = config.get("problem_type")
    if isinstance(problem, str) and problem in PROBLEMS:
        return (PROBLEMS[problem],)
    labels = config.get("id2label")
    return ("regression",) if isinstance(labels, dict) and len(labels) == 1 else ()
