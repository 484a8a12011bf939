"""Seeds until it is decided: looks after some numbers of seeds, and more seeds only for what is undecided.

Nothing is stored besides the pieces: which look is next, and which entries need more seeds, is derived from the results
that are there, so a run that was ended in whatever way goes on where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.run import new_record, pending
from adapter_workbench.experiments.reporting.added_seeds import further_seeds
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.measures.looks import LOOKS, looks_up_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from adapter_workbench.experiments.engine.piece import Piece
    from adapter_workbench.experiments.engine.study import Plan, Report, Study
    from adapter_workbench.experiments.workspace import Workspace

MOST_SEEDS = LOOKS[-1]
WHERE = "--until-decided"


@dataclass(frozen=True)
class Looks:
    """When verdicts are read."""

    seeds: tuple[int, ...]  # as many as there can be: those of the recipe, then `further_seeds`
    after: tuple[int, ...]  # numbers of seeds


@dataclass(frozen=True)
class Step:
    """The work up to one look."""

    look: int  # number of seeds
    plan: Plan  # of the recipe with these seeds
    pieces: tuple[Piece, ...]  # those that are needed
    report: Report | None = None  # at the look before; None for the first


def planned_looks(seeds: Sequence[int], most: int) -> Looks:
    """Return the looks of a recipe with these ``seeds``: all entries have these, so none comes before the last.

    Raises:
        InputError: ``most`` is less than 2, or no more than the recipe has.
    """
    if most < 2:
        raise InputError(f"a test needs two seeds or more: got {most}", where="--most-seeds")
    if len(seeds) >= most:
        hint = "Give a larger --most-seeds, or leave seeds out of the recipe."
        raise InputError(f"the recipe has {len(seeds)} seeds, and --most-seeds is {most}", where=WHERE, hint=hint)
    return Looks((*seeds, *further_seeds(seeds, most - len(seeds))), looks_up_to(most, max(len(seeds), LOOKS[0])))


def undecided(report: Report) -> list[str]:
    """Return the labels of what a recipe compares and what is undecided so far, in the main metric."""
    return [label for label, difference in report.declared.items() if not difference.is_decided]


@dataclass(frozen=True)
class UntilDecided:
    """A run that adds seeds."""

    study: Study  # of the recipe
    planned: Callable[[tuple[int, ...]], Plan]  # returns the recipe's plan with these seeds
    looks: Looks  # when verdicts are read
    workspace: Workspace  # has the results

    def next_step(self) -> Step:
        """Return the work up to the first look that is not reached; the last step where all is decided."""
        numbers: dict[str, int] = {}
        step = self.step(self.looks.after[0], numbers)
        for look in self.looks.after[1:]:
            if pending(step.pieces, self.workspace):
                break
            report = self.report_at(step)
            going_on = report.needed_for(undecided(report))
            if not going_on:
                break
            numbers |= dict.fromkeys(going_on, look)
            step = self.step(look, numbers, report)
        return step

    def step(self, look: int, numbers: Mapping[str, int], report: Report | None = None) -> Step:
        """Return the work up to a look, where entries have these ``numbers`` of seeds, and others those of the first.

        ``report``: at the look before.
        """
        plan = self.planned(self.looks.seeds[:look])
        return Step(look, plan, needed_pieces(self.study.pieces(plan), self.looks, numbers), report)

    def report_at(self, step: Step) -> Report:
        """Return the report on a step as far as it has come, whether or not a record of it is stored."""
        record = new_record(self.study, step.plan, step.pieces, None, self.looks.after)
        report = self.study.report(step.plan.name, record, self.workspace)
        if not hasattr(report, "needed_for"):  # a study of another package, made before there were looks
            message = f"reports of this study ({self.study.key}) do not say which entries a comparison needs"
            raise InputError(message, where=WHERE, hint="Run the recipe without it.")
        return report


def needed_pieces(pieces: Iterable[Piece], looks: Looks, numbers: Mapping[str, int]) -> tuple[Piece, ...]:
    """Return the pieces of entries that have these ``numbers`` of seeds, and whatever those need.

    Args:
        pieces: of the plan with the seeds of a look.
        looks: of the run.
        numbers: label → how many seeds; all others have those of the first look.
    """
    every = [*pieces]
    position = {seed: number for number, seed in enumerate(looks.seeds)}
    first = looks.after[0]

    def has_its_turn(piece: Piece) -> bool:
        at = piece.coordinates
        number = position.get(at.get("seed", -1), 0)  # what has no seed of the recipe is there for all
        return number < numbers.get(at.get("label", ""), first)

    kept = [*map(has_its_turn, every)]  # by place: two entries may share a piece
    behind = _behind(every, [piece for piece, keep in zip(every, kept, strict=True) if keep])
    return tuple(piece for piece, keep in zip(every, kept, strict=True) if keep or piece.key in behind)


def _behind(every: Sequence[Piece], kept: Sequence[Piece]) -> set[str]:
    """Return the keys of what the pieces of seeds need, directly or not, and what is not kept anyway.

    A piece without a seed, the cost of a method, needs whatever of its fits there is.
    """
    by_key, there = {piece.key: piece for piece in every}, {piece.key for piece in kept}
    waiting = [need for piece in kept if "seed" in piece.coordinates for need in piece.needs]
    behind: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key in by_key and key not in behind and key not in there:
            behind.add(key)
            waiting += by_key[key].needs
    return behind


def seeds_to_extend(study: Study, name: str, facts: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the seeds of a recipe, to which others can be added.

    Args:
        study: of the recipe.
        name: of the experiment.
        facts: what all its pieces share, from its plan or its record.

    Raises:
        InputError: it has none, or each seed learns several orders of the tasks.
    """
    if "seeds" not in study.recipe.model_fields:
        hint = "Run the experiment that it goes on from with more seeds, then this recipe again."
        raise InputError(f"{name!r} has no seeds of its own", where=WHERE, hint=hint)
    orders = facts.get("orders", ())
    if len(orders) > 1 and not facts.get("order_per_seed"):
        message = (
            f"{name!r} learns each seed in {len(orders)} orders: more seeds do not tell what another order changes"
        )
        raise InputError(message, where=WHERE, hint="Write `orders: per-seed` in the recipe, or leave 'orders' out.")
    return tuple(facts["seeds"])
