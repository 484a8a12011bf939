"""The champion of an earlier version of a task, scored on the validation examples of a later one."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.gating.succession import comparable
from tasks.loading import registry
from tasks.updating.label_map import unchanged
from tasks.updating.version import labels_between
from workbench.errors import InputError, UnwritableError, WorkError
from workbench.files.digest import key
from workbench.methods.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from experiments.workspace import Workspace
    from tasks.updating.label_map import LabelMap
    from workbench.adapters.stored_adapter import StoredAdapter
    from workbench.answering.evaluation import Evaluation
    from workbench.mlflow.registration import Version


@dataclass(frozen=True)
class ScoredChampion:
    """A champion as it is compared.

    Attributes:
        version: with the score that counts in this comparison.
        note: how it came to that score, or why it has none, in a few words; empty where it is its own.
    """

    version: Version
    note: str = ""


def scored_beside(
    champion: Version, version: Version, stored: StoredAdapter, workspace: Workspace, folders: Sequence[Path]
) -> ScoredChampion:
    """Return the champion with its score on the validation examples of ``stored``, where it may be scored on them.

    It may if both adapters learned stored versions of one task: a text keeps its split in all versions, so that neither
    adapter was trained on these examples. If the labels differ, its answers are read in the newest ones, as the report
    on a candidate reads them; one that is none of them alone is wrong. Else, and where the two can be compared already,
    the champion is returned as it is.

    Args:
        champion: of the registered name.
        version: what is known of ``stored`` as a version of that name.
        stored: an adapter of a later version of the task.
        workspace: that has both adapters.
        folders: of the person's own tasks.
    """
    if comparable(version, champion) or version.validation is None:
        return ScoredChampion(champion)
    if champion.adapter is None or champion.adapter not in workspace.adapters:
        return ScoredChampion(champion)
    try:
        earlier = workspace.adapters.verify(champion.adapter)
        labels = _labels(earlier, stored, folders)
        if champion.identity not in (None, earlier.manifest.identity) or labels is None:
            return ScoredChampion(champion)
        score = _score(earlier, stored, labels, workspace, folders)
    except (InputError, WorkError) as error:  # a backbone that is not here, damaged files: it has no score then
        why = f"{error.where}: {error.what}" if error.where else error.what
        return ScoredChampion(champion, f"it could not be scored anew: {why}")
    note = "scored anew" if labels.is_unchanged else "scored anew, its answers read in the newest labels"
    return ScoredChampion(replace(champion, validation=score, measure=version.measure), note)


def _labels(earlier: StoredAdapter, stored: StoredAdapter, folders: Sequence[Path]) -> LabelMap | None:
    """Return the labels of two adapters beside each other; None unless they learned stored versions of one task here.

    The first adapter's version may not be the later one, unless both have the same labels.
    """
    learned, task = earlier.manifest.task, stored.manifest.task
    if learned.name != task.name or earlier.manifest.imported is not None:
        return None
    versions = registry.versions(task.name, folders)
    number_of = registry.numbers_by_data(versions)
    first, second = number_of.get(learned.fingerprint), number_of.get(task.fingerprint)
    if first is None or second is None:
        return None
    if first <= second:
        return labels_between(versions, first, second)
    return unchanged(learned.labels) if learned.labels == task.labels else None


def _score(
    earlier: StoredAdapter, stored: StoredAdapter, labels: LabelMap, workspace: Workspace, folders: Sequence[Path]
) -> float:
    """Return the score of the earlier adapter on the validation examples that the later one was scored on."""
    manifest = stored.manifest
    drawn = [manifest.budget.eval_examples, manifest.budget.validation_examples, manifest.seed_here]
    examples = [manifest.task.fingerprint, *drawn, earlier.manifest.budget.max_length]
    where = key(["validation answers", earlier.identity, labels.before, labels.sources, *examples])
    metric = KINDS.get(manifest.task.kind).metric
    known = workspace.evaluations.get(where)
    if known is not None:
        return float(known.scores[metric])
    evaluation = _evaluation(earlier, stored, labels, folders)
    with suppress(UnwritableError):  # it is computed again then
        workspace.evaluations.save(where, evaluation)
    return float(evaluation.scores[metric])


def _evaluation(earlier: StoredAdapter, stored: StoredAdapter, labels: LabelMap, folders: Sequence[Path]) -> Evaluation:
    """Return what the earlier adapter answers, read in the newest labels."""
    import pandas as pd

    from experiments.answers.adapter_task import adapter_task
    from experiments.gating.candidate.judged_rows import columns_of, logits_of
    from experiments.gating.candidate.mapped_answers import answers_in
    from workbench.answering.evaluation import Evaluation

    kind, began = KINDS.get(stored.manifest.task.kind), time.perf_counter()
    task = adapter_task(stored, folders, "the gate needs the validation examples", "--min-score")
    rows = task.splits["validation"]
    logits = logits_of(earlier, task, ("validation",))["validation"]
    answers = answers_in(logits, columns_of(earlier, labels.before), labels)
    read = pd.DataFrame({"id": rows["id"][:], "label": rows["label"][:], "prediction": answers.labels})
    read = read.assign(correct=read["prediction"] == read["label"], confidence=answers.confidence)
    scores = {kind.metric: float(read["correct"].mean())}
    return Evaluation(read, scores, kind.digest(logits), time.perf_counter() - began)
