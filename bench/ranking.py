"""Which ranking of sources predicts best how well each will do?

    python -m bench.ranking fuse-new-task --out FILE.json

Reads a comparison of compositions that has been run in a workspace. For every problem (target, K, seed) each ranking
scores the sources from the K training examples alone, and is held against what each source, under a fitted head,
then scored on the test split: by Spearman's rank correlation, and by what its first choice costs against the best
source (regret). A source drawn at random, with what it costs on average, stands beside them. Means over problems, with
the t interval over seeds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from adapter_workbench.experiments.studies.compositions.record import FusionRecord, results_in
from adapter_workbench.experiments.studies.compositions.sources import own_tasks, trained_rows
from adapter_workbench.experiments.studies.compositions.trial import FewShot
from adapter_workbench.experiments.workspace import find_workspace
from adapter_workbench.fusion.ranking import RANKINGS, RankingRequest
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.backbone.names import open_backbone
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.machine.listener import Silent
from adapter_workbench.workbench.measures.statistics import interval
from adapter_workbench.workbench.settings.base import Budget
from bench import program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.ranking import Score
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

DRAWN = "drawn at random"


@dataclass(frozen=True)
class Judged:
    """One ranking on one problem; ``correlation`` is None where it gives all sources the same score, or none."""

    ranking: str
    target: str
    shots: int
    seed: int
    correlation: float | None
    regret: float


def main(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="A comparison of compositions in the workspace.")],
    out: program.Out,
    workspace: program.Workspace = None,
    family: Annotated[str, typer.Option(help="Fine-tuning method of the sources.")] = "lora",
) -> None:
    """Judge every ranking, and print means."""
    chosen_workspace = find_workspace(workspace)
    stored = chosen_workspace.records.require(experiment)
    if stored.study != "targets":
        message = f"there is no comparison of compositions called {experiment!r}"
        raise InputError(message, where=str(chosen_workspace.root))
    problems = list(judge(FusionRecord.read(experiment, stored, chosen_workspace), chosen_workspace, family))
    summary = summarise(problems)
    program.write(context, out, summary=summary, problems=[asdict(judged) for judged in problems])
    program.show(summary)


def judge(record: FusionRecord, workspace: Workspace, family: str) -> Iterator[Judged]:
    """Yield every ranking on every problem whose single sources have all been tested."""
    backbone = open_backbone(record.backbone)
    find = registry.finder(registry.user_folders(None))
    tasks = {name: registry.load(find(name)) for name in record.targets}
    for seed in record.seeds:
        of_seed = [source for source in record.sources if source["seed"] == seed and source["method"] == family]
        sources = tuple(workspace.adapters.get(str(source["adapter"])) for source in of_seed)
        known = own_tasks(sources, (), Silent())
        rows = {source.id: trained_rows(source, known[source.id]) for source in sources if source.id in known}
        for target in record.targets:
            for shots in record.shots:
                truth = _alone(record, workspace, sources, (target, shots, seed))
                if truth is None:
                    continue
                budget = Budget.model_validate(record.budgets[str(shots)])
                few_shot = FewShot(tasks[target], backbone, resolve_precision(budget.precision), budget, seed)
                request = RankingRequest(
                    sources, few_shot.drawn, backbone, few_shot.precision, budget.max_length, seed, rows
                )
                yield Judged(DRAWN, target, shots, seed, None, max(truth.values()) - fmean(truth.values()))
                for name in RANKINGS.names():
                    scores = RANKINGS.get(name).rank(request)
                    yield Judged(name, target, shots, seed, *compare(scores, truth))


def compare(scores: Mapping[str, Score], truth: Mapping[str, float]) -> tuple[float | None, float]:
    """Return Spearman's correlation of scores and truth, and what the first choice costs against the best source.

    A source without a score comes last.
    """
    from scipy.stats import spearmanr

    names = list(truth)
    given = [-np.inf if scores[name].value is None else scores[name].value for name in names]
    ranks = np.argsort(np.argsort(np.asarray(given, dtype=float)))
    varied = len(set(given)) > 1 and len(set(truth.values())) > 1
    correlation = float(spearmanr(ranks, [truth[name] for name in names]).statistic) if varied else None
    first = names[int(np.argmax(np.asarray(given, dtype=float)))]
    return correlation, max(truth.values()) - truth[first]


def summarise(problems: list[Judged]) -> dict[str, Any]:
    """Return mean correlation and mean regret of each ranking, over problems, with t intervals over seeds."""
    summary: dict[str, Any] = {}
    for name in dict.fromkeys(judged.ranking for judged in problems):
        here = [judged for judged in problems if judged.ranking == name]
        seeds = sorted({judged.seed for judged in here})
        by_seed = [[judged for judged in here if judged.seed == seed] for seed in seeds]
        correlations = [[judged.correlation for judged in group if judged.correlation is not None] for group in by_seed]
        summary[name] = {
            "correlation": interval(fmean(values) if values else None for values in correlations).as_json(),
            "regret": interval(fmean(judged.regret for judged in group) for group in by_seed).as_json(),
            "problems": len(here),
        }
    return summary


def _alone(
    record: FusionRecord, workspace: Workspace, sources: tuple[StoredAdapter, ...], problem: tuple[str, int, int]
) -> dict[str, float] | None:
    """Return each source's own test score on a problem, by adapter id; None while one is missing."""
    keys = {(cell.label, cell.target, cell.shots, cell.seed): cell.key for cell in record.cells}
    scores = {}
    for source in sources:
        label = f"{source.manifest.task.name} alone, {source.manifest.method}"
        result = results_in(workspace).get(keys.get((label, *problem), ""))
        if result is None:
            return None
        scores[source.id] = result.score
    return scores


if __name__ == "__main__":
    typer.run(main)
