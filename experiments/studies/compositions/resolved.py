"""A recipe of compositions, resolved."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from adapter_workbench.experiments.engine.recipes import MARGIN
from adapter_workbench.experiments.studies.compositions.entry import (
    alternatives,
    common,
    fresh_label,
    planned,
    stored,
    with_head,
)
from adapter_workbench.experiments.studies.compositions.record import EntryRecord
from adapter_workbench.experiments.studies.compositions.rivals import begun_at_mixed, mixed_alone, without_skill
from adapter_workbench.experiments.studies.compositions.trial import FewShot, FewShotTrial
from adapter_workbench.experiments.studies.core.record import shared_facts
from adapter_workbench.experiments.workspace.evaluating import majority_score
from adapter_workbench.workbench.machine.device import resolve_precision
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.training.default_rates import at_default_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.studies.compositions.entry import Entry, Source, WithoutSkill
    from adapter_workbench.experiments.studies.compositions.sources import RankedSources
    from adapter_workbench.fusion.target.composition import HeadStart
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.measures.declared_tests import Test
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, MethodSettings
    from adapter_workbench.workbench.training import Lesson

BESIDE_SOURCES = ("control", "average", "composition")  # roles of what is compared in what it retains of the sources


@dataclass(frozen=True)
class FusionPlan:
    """What will be compared.

    Attributes:
        name: of the experiment.
        entries: the compositions of the comparison, without their sources.
        lessons: (seed, fine-tuning method) → the sources' lessons; empty where the sources exist already.
        stored: sources that exist already, for every seed alike.
        targets: the tasks that are composed for, whole.
        budgets: K → the few-shot budget.
        reference: label of the entry that gains are measured against.
        full: whether full fine-tuning takes part; it does not where the backbone's weights are quantised.
        fresh: fine-tuning method → settings of its fits from nothing, where they differ from the sources'.
        heads: what heads that are trained along begin as; the first is that of the plain labels.
        source_tasks: the sources' own tasks, by name and data, as far as they are at hand: some compositions
            read them, and what compositions retain of them is tested.
        controls: label of a composition → of which sources without skill it is made too.
        shuffled: (seed, fine-tuning method) → the lessons of such sources, which have shuffled answers.
        mixed: (seed, fine-tuning method) → the lesson on the rows of all sources' tasks, mixed.
        ranking: why ``auto:K`` took these sources; None where they were named.
        test, margin: how differences from the reference are tested, as in the recipe.
    """

    study: ClassVar[str] = "compositions"
    name: str
    description: str
    backbone: Backbone
    entries: tuple[Entry, ...]
    targets: tuple[Task, ...]
    budgets: Mapping[int, Budget]
    seeds: tuple[int, ...]
    reference: str
    lessons: Mapping[tuple[int, str], tuple[Lesson, ...]]
    stored: tuple[StoredAdapter, ...] = ()
    full: bool = True
    fresh: Mapping[str, MethodSettings] = field(default_factory=dict)
    heads: tuple[HeadStart, ...] = ("fitted",)
    source_tasks: Mapping[str, Task] = field(default_factory=dict)
    controls: Mapping[str, tuple[WithoutSkill, ...]] = field(default_factory=dict)
    shuffled: Mapping[tuple[int, str], tuple[Lesson, ...]] = field(default_factory=dict)
    mixed: Mapping[tuple[int, str], Lesson] = field(default_factory=dict)
    ranking: RankedSources | None = None
    test: Test = "paired"
    margin: float = MARGIN

    @property
    def shared_facts(self) -> dict[str, Any]:
        """What is the same for all pieces, for the record."""
        any_budget, entries = next(iter(self.budgets.values())), [*self.all_entries(self.seeds[0])]
        labels = [entry.label for entry in entries]
        return shared_facts(
            self.targets,
            resolve_precision(any_budget.precision),
            description=self.description,
            backbone=self.backbone.name,
            reference=self.reference,
            test=self.test,
            margin=self.margin,
            targets=[target.name for target in self.targets],
            shots=[*self.budgets],
            seeds=self.seeds,
            budgets={str(shots): budget for shots, budget in self.budgets.items()},
            majority={target.name: majority_score(target, any_budget) for target in self.targets},
            parties=[recorded_entry(entry, labels) for entry in entries],
            needs_examples=[entry.label for entry in entries if entry.needs_examples] if 0 in self.budgets else [],
        )

    def families(self, seed: int) -> dict[str, tuple[Source, ...]]:
        """Return the sources of one seed by fine-tuning method."""
        if self.stored:
            return {self.stored[0].manifest.method: tuple(stored(adapter, self.backbone) for adapter in self.stored)}
        return {method: tuple(map(planned, lessons)) for (own, method), lessons in self.lessons.items() if own == seed}

    def all_entries(self, seed: int) -> Iterator[Entry]:
        """Yield who takes part with one seed, alternatives first; labels and roles are the same with every seed.

        An entry that is trained takes part once with each of the recipe's heads.
        """
        for entry in self._all_entries(seed):
            yield from self._with_control(entry).under(self.heads)

    def _with_control(self, entry: Entry) -> Entry:
        """Return an entry that names its control: what has another fine-tuning method than the reference, its own."""
        control = fresh_label(entry.family) if entry.family else ""
        alike = self.stored or control in ("", self.reference, entry.label)
        return entry if alike or entry.against else replace(entry, against=control)

    def _all_entries(self, seed: int) -> Iterator[Entry]:
        families = self.families(seed)
        full = self.full and self.backbone.quantization is None
        yield from common(self._full_settings if full else None)
        for family, sources in families.items():
            yield from alternatives(sources, self.fresh.get(family))
            if lesson := self.mixed.get((seed, family)):
                yield mixed_alone(lesson)
        begun = begun_at_mixed(self.entries, self.mixed, seed)
        for entry in self.entries:
            composed = replace(entry, sources=families[entry.family])
            yield composed
            lessons = self.shuffled.get((seed, entry.family), ())
            yield from without_skill(composed, self.controls.get(entry.label, ()), lessons, seed)
            if entry.label in begun:
                yield begun[entry.label]

    @cached_property
    def _full_settings(self) -> MethodSettings:
        given = self.fresh.get("full") or METHODS.get("full").settings.model_validate({})
        return at_default_rate("full", given, self.backbone.config)

    def problems(self, seed: int) -> Iterator[FewShot]:
        """Yield every target with every K."""
        for target in self.targets:
            for shots, budget in self.budgets.items():
                yield FewShot(target, self.backbone, resolve_precision(budget.precision), budget, seed, shots == 0)

    def single_trial(self, label: str) -> FewShotTrial:
        """Return the trial of the fusion or of an alternative, in the plan of a single one."""
        entry = next(entry for entry in self.all_entries(self.seeds[0]) if entry.label == label)
        adapters = {adapter.id: adapter for adapter in self.stored}
        sources = tuple(adapters[source.adapter] for source in entry.sources)
        return FewShotTrial(entry, next(self.problems(self.seeds[0])), sources, self.source_tasks)

    def retains(self, entry: Entry, problem: FewShot) -> bool:
        """Return whether to test on the sources' tasks: compositions, on the first target with most examples."""
        hardest = problem.target.name == self.targets[0].name and problem.shots == max(self.budgets)
        return hardest and entry.role in BESIDE_SOURCES


def recorded_entry(entry: Entry, labels: Sequence[str]) -> EntryRecord:
    """Return an entry as the record has it; ``labels`` are those of all entries.

    With another head it is compared with its control under that head, or as it is where nothing of that is trained.
    """
    settings, head = entry.settings.model_dump(mode="json"), entry.head if entry.trains else None
    against = entry.against if entry.against in labels else entry.against.removesuffix(with_head("", entry.head))
    return EntryRecord(entry.label, entry.role, entry.family, entry.method, settings, head, against)
