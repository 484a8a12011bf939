"""Which stored adapters a fuse is made of: those that are named, or the K that suit the target best."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.experiments.answers.adapter_task import same_task
from adapter_workbench.experiments.answers.naming import adapter_of_each_task
from adapter_workbench.fusion.composing.compatibility import likeness, why_source_unfit
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.ranking import RANKINGS, RankingRequest, best_first
from adapter_workbench.tasks.loading import registry
from adapter_workbench.workbench.adapters.name_resolution import readable_adapters
from adapter_workbench.workbench.errors import AssetError, InputError
from adapter_workbench.workbench.methods.sampling import draw
from adapter_workbench.workbench.methods.stored_model import backbone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from datasets import Dataset

    from adapter_workbench.experiments.studies.compositions.trial import FewShot
    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.ranking import Score
    from adapter_workbench.workbench.adapters.manifest import Manifest
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task

AUTO = "auto:"
HINT = "Give ids with commas, or auto:3."


@dataclass(frozen=True)
class RankedSources:
    """Which adapters ``auto:K`` took, and why.

    Attributes:
        asked: what a person wrote.
        ranking: by which the candidates were ranked.
        chosen: the ids of those that were taken, the best first.
        scores: what the ranking gives each candidate, by id, the best first.
    """

    asked: str
    ranking: str
    chosen: tuple[str, ...]
    scores: Mapping[str, Score]

    @property
    def values(self) -> dict[str, float | None]:
        """Each candidate's score, by id; None for one that has none."""
        return {name: score.value for name, score in self.scores.items()}

    def as_json(self) -> dict[str, Any]:
        """Return ``{asked, ranking, chosen, candidates}``."""
        candidates = {name: {"score": score.value, "reason": score.reason} for name, score in self.scores.items()}
        return {"asked": self.asked, "ranking": self.ranking, "chosen": [*self.chosen], "candidates": candidates}


def named(store: AdapterStore, ids: Sequence[str], given: str) -> tuple[StoredAdapter, ...]:
    """Return the adapters that a person named; ``given`` is what they wrote.

    Raises:
        InputError: no id at all, or one that comes twice.
        UnknownNameError: no such adapter.
        IntegrityError: its files have changed.
    """
    adapters = tuple(map(store.verify, ids))
    if not adapters:
        raise InputError(f"{given!r} names no sources", where="--from", hint=HINT)
    if twice := [name for name, times in Counter(adapter.id for adapter in adapters).items() if times > 1]:
        hint = "To give it more weight, set the method's `weights` (see `workbench compositions list`)."
        raise InputError(f"named more than once: {', '.join(twice)}", where="--from", hint=hint)
    return adapters


def ranked(
    adapters: Sequence[StoredAdapter],
    given: str,
    method: str,
    ranking: str,
    few_shot: FewShot,
    tasks: Mapping[str, Task],
) -> RankedSources:
    """Return those K of ``adapters`` that suit the target best, for ``auto:K``, with the scores of all candidates.

    They can be composed with each other: of LoRAs, and bottlenecks of each architecture, those with the best of all.

    Args:
        adapters: the :func:`candidates`.
        given: ``auto:K``.
        method: the composition method, for messages.
        ranking: name of a ranking.
        few_shot: the target.
        tasks: what :func:`own_tasks` gives for ``adapters``.

    Raises:
        InputError: K is not a number, or there are fewer candidates, or the ranking has a score for fewer of them.
    """
    number = given.removeprefix(AUTO)
    if not number.isdecimal() or not 0 < len(number.lstrip("0")) < 10:
        raise InputError(f"{given!r} names no sources", where="--from", hint=HINT)
    groups = _groups(adapters)
    enough = [adapter for group in groups if len(group) >= int(number) for adapter in group]
    if not enough:
        most = max(map(len, groups), default=0)
        message = f"there are {most} adapters that {method} could compose for {few_shot.target.name!r}"
        hint = "Train some: workbench train TASK --method lora. What an experiment left counts once a person takes it "
        hint += "over: workbench adapters promote ID"
        raise InputError(f"{message}, not {number}", where="--from", hint=hint)
    request = RankingRequest(
        candidates=tuple(enough),
        target=few_shot.drawn,
        backbone=few_shot.backbone,
        precision=few_shot.precision,
        max_length=few_shot.budget.max_length,
        seed=few_shot.seed,
        texts={source.id: trained_rows(source, tasks[source.id]) for source in enough if source.id in tasks},
    )
    scores = RANKINGS.get(ranking).rank(request)
    scored = [adapter for adapter in enough if scores[adapter.id].value is not None]
    judged = [{adapter.id for adapter in group} for group in _groups(scored) if len(group) >= int(number)]
    if not judged:
        reasons = "; ".join(f"{name}: {score.reason}" for name, score in scores.items() if score.value is None)
        message = f"{ranking} has a score for {len(scored)} of {len(scores)} adapters, not for {number} of a kind"
        hint = "Name the sources: --from ID,ID,… Or take another --ranking."
        raise InputError(f"{message} ({reasons})", where="--from", hint=hint)
    order = [name for name in best_first(scores) if any(name in group for group in judged)]
    alike = next(group for group in judged if order[0] in group)
    chosen = tuple(name for name in order if name in alike)[: int(number)]
    return RankedSources(given, ranking, chosen, {name: scores[name] for name in best_first(scores)})


def _groups(adapters: Iterable[StoredAdapter]) -> list[list[StoredAdapter]]:
    """Return the adapters in groups of those that can be composed with each other."""
    groups: dict[tuple[str, ...], list[StoredAdapter]] = {}
    for adapter in adapters:
        groups.setdefault(likeness(adapter), []).append(adapter)
    return [*groups.values()]


def common_backbone(workspace: Workspace, method: str, target: Task) -> Backbone | None:
    """Return the backbone on which ``auto`` finds adapters; None where there are none.

    Raises:
        InputError: they are on several backbones.
    """
    fitting: dict[str, StoredAdapter] = {}
    for adapter in workspace.origins.serving(readable_adapters(workspace.adapters)):
        backbone = adapter.manifest.backbone.fingerprint
        if _suits(workspace, adapter.manifest, method, target) and (backbone not in fitting) and _can_be(adapter):
            fitting[backbone] = adapter
    if len(fitting) > 1:
        names = sorted(adapter.manifest.base_name for adapter in fitting.values())
        message = f"adapters that {method} could compose are on several backbones: {', '.join(names)}"
        raise InputError(message, where="--from", hint="Choose one: --backbone NAME. Or name the adapters.")
    return next(map(backbone_of, fitting.values()), None)


def candidates(workspace: Workspace, method: str, few_shot: FewShot) -> tuple[StoredAdapter, ...]:
    """Return what ``auto`` chooses from: an adapter of each other task, on the backbone, that was not composed.

    Nor was it made for a comparison alone, nor left by an experiment. Of several that can be composed with the same
    others it is the one that the task's name means: the champion, else the best, else the newest. Only adapters of a
    library that the method composes count, LoRAs or bottlenecks of the target's kind; of those from elsewhere only what
    was measured here.
    """
    fitting = {
        adapter.id: adapter
        for adapter in workspace.origins.serving(readable_adapters(workspace.adapters))
        if _suits(workspace, adapter.manifest, method, few_shot.target)
        and adapter.manifest.backbone.fingerprint == few_shot.backbone.fingerprint
        and not why_source_unfit(adapter, few_shot.backbone)
    }
    of_groups = (
        adapter_of_each_task(workspace, [adapter.manifest for adapter in group]).values()
        for group in _groups(fitting.values())
    )
    return tuple(sorted((fitting[name] for names in of_groups for name in names), key=_age))


def _can_be(adapter: StoredAdapter) -> bool:
    """Return whether an adapter can be composed on its own backbone, as far as that is at hand."""
    with suppress(InputError):
        return not why_source_unfit(adapter, backbone_of(adapter))
    return True


def _age(adapter: StoredAdapter) -> tuple[str, str]:
    return adapter.manifest.since, adapter.id


def _suits(workspace: Workspace, manifest: Manifest, method: str, target: Task) -> bool:
    return (
        workspace.score(manifest) is not None
        and manifest.library in COMPOSITIONS.get(method).libraries
        and manifest.composition is None
        and not manifest.task.for_comparison
        and manifest.task.kind == target.kind
        and manifest.task.name != target.name
    )


def trained_rows(source: StoredAdapter, task: Task) -> Dataset:
    """Return the rows of its whole task that a source was trained on."""
    manifest = source.manifest
    return draw(task, manifest.budget, manifest.seed_here).splits["train"]


def own_tasks(sources: Sequence[StoredAdapter], folders: Sequence[Path], listener: Listener) -> dict[str, Task]:
    """Return the task that each source was trained on, by the source's id, as far as it is at hand with the same data.

    ``listener`` hears of data that cannot be fetched.

    Raises:
        InputError: as :func:`adapter_workbench.tasks.loading.registry.names`.
    """
    find = registry.finder(folders)
    tasks: dict[str, Task] = {}
    for source in sources:
        task = None
        try:
            task = same_task(source, find)
        except AssetError as error:
            listener.say(f"goes on without the data of {source.manifest.task.name}: {error.what}")
        except InputError:
            pass  # its task is not to be seen from here
        if task:
            tasks[source.id] = task
    return tasks
