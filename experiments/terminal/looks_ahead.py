"""A run that adds seeds until it is decided: what lies ahead, and doing it, with a line for every look."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.estimates import Estimator
from adapter_workbench.experiments.engine.run import pending
from adapter_workbench.experiments.engine.until_decided import undecided
from adapter_workbench.experiments.reporting.families import hypothesis
from adapter_workbench.experiments.reporting.wording import DASH, plural, some
from adapter_workbench.experiments.reporting.wording import seconds as in_time
from adapter_workbench.experiments.terminal import preview
from adapter_workbench.experiments.terminal.experiment import command_given
from adapter_workbench.experiments.terminal.output import stderr, stdout, table
from adapter_workbench.experiments.terminal.planned_workers import PlannedWorkers
from adapter_workbench.experiments.terminal.progress import progress
from adapter_workbench.workbench.measures.looks import chance_by_look, levels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.api import Workbench
    from adapter_workbench.experiments.engine.study import Plan, Report
    from adapter_workbench.experiments.engine.until_decided import Step, UntilDecided
    from adapter_workbench.experiments.reporting.differences import Difference

NAMED = 4  # comparisons that a line lists


@dataclass(frozen=True)
class LookAhead:
    """One look that is ahead."""

    seeds: int  # after how many it is
    level: float  # of its verdicts
    # until it is reached from now, if all that is undecided now goes on; None where that is not known
    seconds: float | None
    # label → chance to be decided by then; None where nothing tells; empty where nothing was measured
    chances: Mapping[str, float | None]

    @property
    def together(self) -> float | None:
        """The chance that all are decided by then, as if one told nothing of another."""
        product = 1.0
        for chance in self.chances.values():
            if chance is None:
                return None
            product *= chance
        return product if self.chances else None

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``looks`` in ``--dry-run --json``."""
        return {
            "seeds": self.seeds,
            "level": self.level,
            "expected_seconds": self.seconds,
            "probability": self.together,
            "comparisons": dict(self.chances),
        }


def carry_out(workbench: Workbench, whole: UntilDecided, jobs: int, cluster: str | None) -> tuple[Report, Plan]:
    """Do what is left to do until all is decided, and return the report with the plan of the recipe."""
    plan = whole.next_step().plan
    watch = partial(progress, plan.name)
    return workbench.run_until_decided(whole, command_given(), jobs, cluster, watch, _say), plan


def _say(step: Step) -> None:
    if step.report is not None:
        stderr.print(_going_on(step), markup=False)


def _going_on(step: Step) -> str:
    assert step.report is not None
    open_ones, compared = undecided(step.report), len(step.report.declared)
    decided = f"{compared - len(open_ones)} of {plural(compared, 'comparison')} decided"
    return f"After {len(step.report.seeds)} seeds: {decided}; {step.look} seeds for {some(open_ones, NAMED)}."


def dry_run(
    workbench: Workbench, whole: UntilDecided, as_json: bool, jobs: int, cluster: str | None, measure: bool
) -> None:
    """Print what :func:`carry_out` would do next, and what each look ahead would take and decide."""
    workers = PlannedWorkers(jobs, () if cluster is None else workbench.machines(cluster))
    estimator = Estimator(workbench.workspace, measure, stderr.print)
    step = whole.next_step()
    ahead = [*_ahead(workbench, whole, step, estimator, workers)]
    more = {"looks": [look.as_json() for look in ahead]}
    waiting = pending(step.pieces, workbench.workspace)
    preview.preview(step.plan, step.pieces, waiting, estimator, as_json, workers, more)
    if not as_json:
        _print(ahead)


def _ahead(
    workbench: Workbench, whole: UntilDecided, step: Step, estimator: Estimator, workers: PlannedWorkers
) -> Iterator[LookAhead]:
    """Yield the looks that are ahead, where all that is undecided now goes on to the last."""
    report = whole.report_at(step)
    open_ones = undecided(report)
    if step.look == whole.looks.after[-1] and not pending(step.pieces, workbench.workspace):
        return
    planned, later = levels(whole.looks.after), [look for look in whole.looks.after if look >= step.look]
    by_look = chances_by_look({label: report.declared[label] for label in open_ones}, whole.looks.after)
    for look in later:
        then = step if look == step.look else whole.step(look, dict.fromkeys(report.needed_for(open_ones), look))
        waiting = pending(then.pieces, workbench.workspace)
        seconds = {piece.key: estimator.estimate(piece, done=False).seconds for piece in waiting}
        chances = {label: chances.get(look) for label, chances in by_look.items()}
        yield LookAhead(look, planned[look], workers.makespan(waiting, seconds), chances)


def _print(ahead: list[LookAhead]) -> None:
    if not ahead:
        stdout.print("All is decided, or the last look is reached.")
        return
    stdout.print()
    rows = [[look.seeds, f"{look.level:g}", in_time(look.seconds), _percent(look.together)] for look in ahead]
    table(["look after seeds", "level", "time at most", "all decided by then"], rows)
    last = ahead[-1].chances
    if any(chance is not None for chance in last.values()):
        parts = [f"{label} {_percent(chance)}" for label, chance in last.items()]
        stdout.print(f"Decided by the last look: {some(parts, 2 * NAMED)}.", markup=False)
    else:
        stdout.print("How probable a decision is, is not known before two seeds of every comparison are there.")


def _percent(chance: float | None) -> str:
    return DASH if chance is None else f"{chance:.2f}"


# How probable it is that comparisons are decided by a look that is ahead, from what was measured so far.


def chances_by_look(undecided: Mapping[str, Difference], looks: Sequence[int]) -> dict[str, dict[int, float]]:
    """Return label → number of seeds → the chance to be decided by then; nothing for what has no spread to go by.

    It is at least the chance to be decided at the best of the looks until then.
    """
    hypotheses = len({hypothesis(difference) for difference in undecided.values()})
    return {label: _by_then(difference, looks, hypotheses) for label, difference in undecided.items()}


def _by_then(difference: Difference, looks: Sequence[int], hypotheses: int) -> dict[int, float]:
    estimate, seeds = difference.estimate, difference.tested_seeds
    if estimate is None or estimate.p is None:
        return {}
    at_look = chance_by_look(estimate, seeds, looks, hypotheses, difference.margin)
    best, by_then = 0.0, {}
    for look, chance in at_look.items():
        best = max(best, chance)
        by_then[look] = best
    return by_then
