"""The pieces of a comparison of ways of updating: the adapter of each version, made from the one before."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.forecast import lesson_effort
from adapter_workbench.experiments.studies.updates.record import PART
from adapter_workbench.experiments.ways import WAYS
from adapter_workbench.experiments.workspace.evaluating import fit_and_evaluate
from adapter_workbench.experiments.workspace.fitted_adapter import FITTED_ADAPTERS
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.training import Lesson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapter_workbench.experiments.arrivals import Version
    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.updates.plan import PlannedEntry, UpdatesPlan
    from adapter_workbench.experiments.workspace.fitted_adapter import FittedAdapter


def pieces(plan: UpdatesPlan) -> Iterator[Piece]:
    """Yield entry by entry, task by task and seed by seed the versions in their order.

    What has nothing of an earlier version in it, the first version and those that are learned anew, is the plain
    lesson: entries with the same method and settings share it.
    """
    for label, entry in plan.entries.items():
        for (task, seed), versions in plan.versions.items():
            before = ""
            for number, version in enumerate(versions, start=1):
                lesson = Lesson(version.task, entry.adaptation, plan.recipe.budget, seed)
                coordinates = {"part": PART, "label": label, "task": task, "seed": seed, "version": number}
                if before and WAYS.get(entry.way).from_champion:
                    piece = _updated(entry, lesson, version, coordinates, before)
                else:
                    piece = _anew(lesson, coordinates)
                yield piece
                before = piece.key


def _anew(lesson: Lesson, coordinates: Mapping[str, Any]) -> DocumentPiece:
    name = _name(coordinates)
    return DocumentPiece(
        key=key(["fit", lesson.key, ()]),  # as in a comparison of methods that tries no learning rates
        coordinates=coordinates,
        label=name,
        effort=lesson_effort(lesson),
        leaves=FITTED_ADAPTERS,
        result=partial(_learned_anew, lesson, name),
    )


def _updated(
    entry: PlannedEntry, lesson: Lesson, version: Version, coordinates: Mapping[str, Any], before: str
) -> DocumentPiece:
    """Return the piece of a version that is made from the version ``before``, the key of whose piece is given."""
    name, effort = _name(coordinates), lesson_effort(lesson)
    asked = [WAYS.identity(entry.way), entry.settings.model_dump(mode="json"), *_revised(entry)]
    rows = [version.labels.before, version.labels.sources, sorted(version.new_rows)]
    return DocumentPiece(
        key=key(["update", before, lesson.key, *asked, *rows]),
        coordinates=coordinates,
        label=name,
        effort=replace(effort, pace=f"update {entry.way} {effort.pace}"),
        leaves=FITTED_ADAPTERS,
        result=partial(_learned_from, entry, lesson, version, before, name),
        needs=(before,),
    )


def _revised(entry: PlannedEntry) -> list[int]:
    """Return the way's revision; nothing for the first, which the keys of stored results do not have."""
    revision = WAYS.get(entry.way).revision_of(entry.settings, entry.adaptation.card)
    return [] if revision == 1 else [revision]


def _name(at: Mapping[str, Any]) -> str:
    return f"{at['task']} · {at['label']} · version {at['version']} · seed {at['seed']}"


def _learned_anew(lesson: Lesson, name: str, site: Site) -> FittedAdapter:
    return fit_and_evaluate(site.workspace, lesson, site.listener, name)


def _learned_from(
    entry: PlannedEntry, lesson: Lesson, version: Version, before: str, name: str, site: Site
) -> FittedAdapter:
    """Make the next version from the adapter that the piece ``before`` left."""
    from adapter_workbench.experiments.ways.update import UpdateLesson  # imports torch

    workspace = site.workspace
    champion = workspace.adapters.verify(FITTED_ADAPTERS.documents(workspace).require(before).adapter)
    update = UpdateLesson(
        champion=champion,
        labels=version.labels,
        task=version.task,
        new_rows=version.new_rows,
        way=entry.way,
        settings=entry.settings,
        adaptation=lesson.adaptation,
        budget=lesson.budget,
        seed=lesson.seed,
    )
    return fit_and_evaluate(workspace, update, site.listener, name)
