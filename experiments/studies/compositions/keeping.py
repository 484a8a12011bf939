"""Which adapter a fuse keeps: what validation puts first among all that it tried, or what a person names.

Nothing is chosen on test rows. What the report says of them is said beside what was kept, and a person may choose.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from adapter_workbench.experiments.answers.made_adapters import Kept
from adapter_workbench.experiments.studies.compositions.trying import model_of
from adapter_workbench.experiments.studies.compositions.verdict import SIMPLEST, by_validation
from adapter_workbench.experiments.workspace.damage import set_unusable_aside
from adapter_workbench.fusion.composing.fuse import composition_id, keep_composition, keep_uncomposed
from adapter_workbench.workbench.adapters.manifest import ChoiceReference
from adapter_workbench.workbench.errors import InputError, suggest
from adapter_workbench.workbench.methods.kind import GENERATED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.experiments.engine.piece import Site
    from adapter_workbench.experiments.studies.compositions.report import FusionReport
    from adapter_workbench.experiments.studies.compositions.resolved import FusionPlan
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

VALIDATION, FUSION = "validation", "fusion"  # what --keep takes besides the names of the table
UNCOMPOSED = ("frozen", "fresh", "full")


def keepable(plan: FusionPlan) -> list[str]:
    """Return the labels of what a fuse can keep: what was made of the sources, and the plain alternatives.

    Not what is made of sources without skill. Nor, where answers are generated, a head on frozen features, which is the
    bare backbone; without examples a fresh adapter is that too.
    """
    problem = next(plan.problems(plan.seeds[0]))
    bare = {*(["frozen"] if problem.target.kind in GENERATED else []), *(["fresh", "full"] if problem.without else [])}
    return [entry.label for entry in plan.all_entries(plan.seeds[0]) if entry.role in {*SIMPLEST} - bare]


def require_keepable(plan: FusionPlan, keep: str) -> None:
    """Make sure that ``keep`` is a choice of this fuse, before anything is trained.

    Raises:
        InputError: it is not.
    """
    choices = [VALIDATION, FUSION, *keepable(plan)]
    if keep not in choices:
        hint = suggest(keep, map(shlex.quote, choices))
        raise InputError(f"{keep!r} is not among what this fuse can keep", where="--keep", hint=hint)


def choose(report: FusionReport, labels: Sequence[str], keep: str) -> Kept:
    """Return what is kept of a finished fuse, and why.

    Args:
        report: on it.
        labels: of what can be kept, see :func:`keepable`.
        keep: ``validation``, ``fusion`` or one of these labels.
    """
    fusion = report.record.reference
    ranked = by_validation(report, labels)
    favoured = ranked[0].label if ranked else None
    asked = {VALIDATION: favoured or fusion, FUSION: fusion}.get(keep, keep)
    scores = {row.label: row.scores[report.overall].validation or 0.0 for row in ranked}
    choices = tuple(dict.fromkeys([*scores, *labels]))
    return Kept(asked, fusion, favoured, scores, choices, named=keep != VALIDATION)


def kept_adapter(plan: FusionPlan, chosen: Kept, site: Site) -> StoredAdapter:
    """Return the adapter that a person who fuses asks for: of what was tried, the one that is kept; stored once.

    It is made again with the same seed and the same examples, since trials leave results and no models.

    Raises:
        IntegrityError: it changed the backbone.
        TrainingError: a fit failed.
    """
    trial = plan.single_trial(chosen.label)
    entry, request, store = trial.entry, trial.request(site.listener), site.workspace.adapters
    composed = entry.role not in UNCOMPOSED
    if composed:
        name = composition_id(entry.method, request, entry.settings)
    else:
        name = f"{trial.problem.target.name}-{entry.method}-{trial.key[:8]}"
    ranking = plan.ranking
    choice = ChoiceReference(
        label=chosen.label,
        by="a person" if chosen.named else "validation",
        validation=dict(chosen.validation),
        ranking=ranking and ranking.ranking,
        ranked=ranking.values if ranking else {},
    )
    with site.workspace.claim(name):
        set_unusable_aside(store, name, site.listener)
        if name in store:
            return store.verify(name)
        tried = model_of(trial, site)
        site.in_memory.clear()  # it is taken apart now
        if composed:
            return keep_composition(name, tried, entry.method, request, entry.settings, store, choice)
        return keep_uncomposed(name, tried, request, store, choice)
