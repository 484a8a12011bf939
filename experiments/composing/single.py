"""One fuse as a comparison of one target, one K and one seed, in which the fusion itself is the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.composing.contestant import composition
from experiments.composing.few_shot import FewShot, few_shot_budget
from experiments.composing.plan import Entry, FusionPlan
from experiments.composing.trial import Trial
from fusion.fuse import fused_id, require_composable
from fusion.methods import COMPOSITIONS
from workbench.contracts import Silent
from workbench.settings import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from workbench.settings import Document
    from workbench.store import StoredAdapter


def parse(document: Document, method: str, shots: int | None) -> tuple[dict[str, Any], Budget]:
    """Return a method's settings, and the budget for K = ``shots`` examples (None: all), from ``key=value`` settings.

    Raises:
        UnknownNameError: no such method.
        SettingsError: settings that do not fit.
    """
    own = {name: value for name, value in document.data.items() if name != "budget"}
    wanted = document.data.get("budget", {})
    if shots is not None and isinstance(wanted, dict):
        wanted = few_shot_budget(wanted, shots)
    parts = ((), own, COMPOSITIONS.get(method).settings), (("budget",), wanted, Budget)
    _, budget = document.parse_parts(*parts)
    return own, budget


def plan_single(
    few_shot: FewShot, sources: Sequence[StoredAdapter], method: str, settings: dict[str, Any], full: bool
) -> FusionPlan:
    """Return the plan of one fuse.

    Raises:
        InputError: sources that do not go together, or that the method does not compose.
    """
    require_composable(method, sources, few_shot.backbone)
    trial = Trial(composition(method, method, settings, sources), few_shot)
    adapter = fused_id(method, trial.request(Silent()), trial.contestant.settings)
    return FusionPlan(
        name=f"fuse-{adapter}",
        description=f"{few_shot.target.name} from {', '.join(source.id for source in sources)}, by {method}",
        backbone=few_shot.backbone,
        entries=(Entry(method, method, settings, sources[0].manifest.method),),
        targets=(few_shot.target,),
        budgets={few_shot.shots: few_shot.budget},
        seeds=(few_shot.seed,),
        reference=method,
        lessons={},
        stored=tuple(sources),
        full=full,
    )
