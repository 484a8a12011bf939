"""The pieces of a study of repairs: each repair of each stream that can be repaired so."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from adapter_workbench.experiments.engine.document_piece import DocumentPiece
from adapter_workbench.experiments.engine.piece import Effort
from adapter_workbench.experiments.engine.timed_steps import step_shape
from adapter_workbench.experiments.repairs import REPAIRS
from adapter_workbench.experiments.studies.repair.end_of_stream import end_of_stream, require_sound
from adapter_workbench.experiments.studies.repair.record import REPAIRED
from adapter_workbench.experiments.studies.repair.selection import repaired
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine.package_versions import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.experiments.engine.piece import Piece, Site
    from adapter_workbench.experiments.studies.repair.record import Entry, Repaired
    from adapter_workbench.experiments.studies.repair.resolved import RepairPlan
    from adapter_workbench.experiments.studies.repair.streams import LearnedStream


def pieces(plan: RepairPlan) -> Iterator[Piece]:
    """Yield stream by stream, with each of them every repair."""
    for stream, entry in plan.record.pairs():
        yield _piece(plan, stream, entry)


def _piece(plan: RepairPlan, stream: LearnedStream, entry: Entry) -> DocumentPiece:
    """Return one repair of one stream; its key is the one that results of before have."""
    asked = [REPAIRS.identity(entry.repair), REPAIRS.get(entry.repair).revision, entry.settings, sorted(stream.states)]
    pace = f"repair {plan.backbone.name} {entry.repair} {entry.settings} {len(plan.tasks)} {step_shape(plan.budget)}"
    return DocumentPiece(
        key=key([stream.states[len(plan.tasks)], *asked, versions()]),
        coordinates={"part": "repair", "label": entry.label, "seed": stream.seed, "order": stream.order},
        label=f"{stream.label} · {entry.name}",
        effort=Effort(pace),
        leaves=REPAIRED,
        result=partial(_repaired, plan, stream, entry),
    )


def _repaired(plan: RepairPlan, stream: LearnedStream, entry: Entry, site: Site) -> Repaired:
    require_sound(stream, site.workspace)
    repair, settings = plan.repairs[entry.name]
    return repaired(stream, end_of_stream(plan, stream, site.workspace, site.listener), REPAIRS.get(repair), settings)
