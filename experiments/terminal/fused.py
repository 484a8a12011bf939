"""A fuse on a terminal: the report, why these sources, what was kept and why, and what follows from it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from adapter_workbench.experiments.reporting.advice import Step, advised
from adapter_workbench.experiments.reporting.terminal import show
from adapter_workbench.experiments.reporting.wording import DASH, number, plural
from adapter_workbench.experiments.requests.lesson import BACKBONE
from adapter_workbench.experiments.studies import present
from adapter_workbench.experiments.terminal import next_steps
from adapter_workbench.experiments.terminal.output import from_here, stdout, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from adapter_workbench.experiments.answers.made_adapters import FusedAdapter, Kept
    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.studies.compositions.report import FusionReport
    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.experiments.studies.compositions.sources import RankedSources

MOST_RANKED = 12  # candidates of auto:K that are shown
NAMED = 4  # validation scores in a sentence


def print_fused(
    fused: FusedAdapter,
    plan: FusionPlan,
    workbench: Workbench,
    again: Callable[[str], str],
    workspace: Path | None,
    tasks: Sequence[Path] | None,
) -> None:
    """Print what a fuse came to.

    Args:
        fused: what was kept, and the report.
        plan: of the fuse.
        workbench: in which it was done.
        again: the command with a ``--seed`` or ``--keep`` of its own.
        workspace: the option as it was given.
        tasks: the same.
    """
    presentation, adapter = present(fused.report), fused.adapter
    show(presentation, stdout)
    if plan.ranking:
        _print_ranked(plan.ranking)
    where, everywhere = next_steps.options(workspace), next_steps.options(workspace, tasks)
    stdout.print(f"\nKept:    {kept_in_words(fused.kept)}")
    stdout.print(f"Adapter: {adapter.id}   (what it is made of, and why: workbench adapters show {adapter.id}{where})")
    stdout.print(f"Report:  {from_here(workbench.workspace.experiment(plan.name) / 'report.html')}")
    steps = steps_after(fused, plan.stored[0].manifest.method, again, where, everywhere)
    ui = f"workbench ui{where}   (the report in MLflow: experiment {presentation.tracked!r})"
    next_steps.print_next([*(step.line for step in steps), ui])


def kept_in_words(kept: Kept) -> str:
    """Return what was kept, and why: ``fresh lora, which validation puts first (71.9 %; ties 65.6 %)``."""
    scores = {label: f"{number(score)} %" for label, score in kept.validation.items()}
    named = [f"{label} {score}" for label, score in scores.items() if label != kept.label]
    if not scores:
        return f"{kept.label}; there are no validation rows to choose by"
    if kept.named and kept.favoured != kept.label:
        first = f"validation puts {kept.favoured} first ({_listed(named)})"
        return f"{kept.label} ({scores[kept.label]}), as asked; {first}"
    others = f"; {_listed(named)}" if named else ""
    asked = "as asked; validation puts it first, too" if kept.named else "which validation puts first"
    return f"{kept.label}, {asked} ({scores[kept.label]}{others})"


def _listed(scores: Sequence[str]) -> str:
    """Return some of them; names of rows have commas."""
    more = f"; {len(scores) - NAMED} more" if len(scores) > NAMED else ""
    return f"{'; '.join(scores[:NAMED])}{more}"


def steps_after(
    fused: FusedAdapter, method: str, again: Callable[[str], str], where: str, everywhere: str
) -> list[Step]:
    """Return what follows from the report: what would decide, what is better than what was kept, and using it.

    Args:
        fused: what was kept.
        method: the fine-tuning method of the sources.
        again: the command with some options of its own.
        where: the option of the workspace.
        everywhere: the same with those of the tasks.
    """
    report: FusionReport = fused.report  # type: ignore[assignment]  # a fuse has no other
    kept, manifest, standing = fused.kept, fused.adapter.manifest, report.standing
    seed = "" if not manifest.seed else f" --seed {manifest.seed}"
    higher = standing.better_choices(kept.label)
    better = [label for label in kept.choices if label in higher]
    steps = [
        Step(
            again(f"{seed} --keep {'fusion' if label == kept.fusion else shlex.quote(label)}"),
            label,
            f"{label} is higher on test rows than what is kept",
        )
        for label in better[:1]
    ]
    used, name = manifest.budget.drawn(fused.rows), manifest.task.name
    if used < fused.rows:
        own = manifest.backbone.name
        backbone = next_steps.named([("--backbone", None if own == BACKBONE else own)])
        rows = f"{name} has {plural(fused.rows, 'training row')}, and {used:,} were used"
        steps.append(Step(f"workbench train {name} --method {method}{backbone}{everywhere}", "", rows))
    steps.append(Step(next_steps.predicting(fused.adapter.id, manifest.task.pair, where), kept.label))
    deciding = Step(again(f" --seed {(manifest.seed or 0) + 1}"), "", "one seed decides little; this is another")
    return advised(standing, steps, deciding)


def _print_ranked(ranking: RankedSources) -> None:
    """Print the score of each candidate of ``auto:K``, those that were taken first."""
    order = [*ranking.chosen, *(name for name in ranking.scores if name not in ranking.chosen)]
    rows = []
    for name in order[:MOST_RANKED]:
        score = ranking.scores[name]
        value = DASH if score.value is None else f"{score.value:.4g}"
        rows.append([name, value, "taken" if name in ranking.chosen else score.reason or ""])
    more = f", of which {MOST_RANKED} are shown" if len(order) > MOST_RANKED else ""
    stdout.print()
    title = f"{ranking.asked}: {plural(len(order), 'candidate')}{more}; a higher score suits better"
    table(["candidate", ranking.ranking, ""], rows, title)
