"""From a trial to its result: the model is made and tested once."""

from __future__ import annotations

import gc
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from adapter_workbench.experiments.studies.compositions.result import Result, Retained, results_in
from adapter_workbench.experiments.studies.compositions.trial import FewShotTrial
from adapter_workbench.experiments.workspace.evaluating import evaluate_model, evaluate_stored
from adapter_workbench.experiments.workspace.example_scores import read_outcomes
from adapter_workbench.fusion.target.source_tasks import by_data, task_of
from adapter_workbench.workbench.methods.stored_model import under_head_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.composing.fuse import ComposedModel
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.methods.task import Task

BODY = "composed body"  # which the next trial may reuse


def tried(trial: FewShotTrial, site: Site, source_tasks: Mapping[str, Task]) -> Result:
    """Return the result of a trial; it is run only if the workspace does not hold it yet.

    ``source_tasks`` are those on which to test what the model retains; where fewer of them were at hand
    before, the model is made again for the others alone, and all else of its result stays.
    """
    results = results_in(site.workspace)
    result = results.get(trial.key)
    if result is None:
        return _measured(trial, model_of(trial, site), site, source_tasks)
    known = {kept.source for kept in result.retained}
    missing = by_data(task for source, task in _testable(trial, source_tasks) if source.id not in known)
    if not missing:
        return result
    retained = _retained(model_of(trial, site), trial, missing, site.workspace)
    added = (kept for kept in retained if kept.source not in known)
    outcomes = read_outcomes(results.require_outcomes(trial.key))
    with_added = replace(result, retained=(*result.retained, *added))
    results.remove(trial.key)
    return results.write(trial.key, with_added, outcomes)


def model_of(trial: FewShotTrial, site: Site) -> ComposedModel:
    """Return a trial's model; a body that the trial before had too is not composed again."""
    shared = trial.body_key
    before = site.in_memory.get(BODY)
    same = before[1] if before and shared and before[0] == shared else None
    site.in_memory.clear()
    before = None
    gc.collect()  # a body is in a reference cycle; without this, Python keeps dozens of backbones
    scratch = site.workspace.scratch(trial.key)
    site.listener.say(trial.label)
    fused = trial.fused(site.listener, scratch, same)
    shutil.rmtree(scratch, ignore_errors=True)
    if shared:
        site.in_memory[BODY] = shared, fused
    return fused


def _measured(trial: FewShotTrial, fused: ComposedModel, site: Site, source_tasks: Mapping[str, Task]) -> Result:
    """Test a trial's model, and write the result into the workspace."""
    problem = trial.problem
    evaluation = evaluate_model(fused.model, problem.target, problem.backbone, problem.budget)
    result = Result(
        score=evaluation.scores[fused.model.kind.metric],
        scores=evaluation.scores,
        examples=len(evaluation.outcomes),
        fit=fused.record,
        head=fused.head,
        weights=fused.composed.weights,
        facts=fused.composed.facts,
        details=fused.composed.details,
        retained=tuple(_retained(fused, trial, source_tasks, site.workspace)),
        sources=tuple(source.task for source in trial.entry.sources),
    )
    results_in(site.workspace).write(trial.key, result, evaluation.outcomes)
    return result


def _retained(
    fused: ComposedModel, trial: FewShotTrial, tasks: Mapping[str, Task], workspace: Workspace
) -> Iterator[Retained]:
    """Yield one entry for each source whose task is among ``tasks`` with the data that the source was trained on."""
    few_shot = trial.problem
    for source, task in _testable(trial, tasks):
        alone = evaluate_stored(workspace, source, task, few_shot.backbone, few_shot.budget)
        under = under_head_of(source, fused.model, few_shot.backbone, task)
        metric = under.kind.metric
        score = evaluate_model(under, task, few_shot.backbone, few_shot.budget).scores[metric]
        yield Retained(source.id, task.name, alone.scores[metric], score, alone.examples)


def _testable(trial: FewShotTrial, tasks: Mapping[str, Task]) -> Iterator[tuple[StoredAdapter, Task]]:
    """Yield each source whose task is among ``tasks`` with the data that it was trained on, and that task."""
    for source in trial.sources:
        if task := task_of(source, tasks):
            yield source, task
