"""Who takes part in a comparison: compositions of sources, and the plain alternatives that they have to beat.

A composition that trains what it begins at has of a fresh adapter the learning rate and the rank, if not its training.
A warm start trains a plain LoRA. A fresh adapter of a method that begins or trains in a way of its own (LoRA+, LoRA-FA,
EVA, …) differs from it in more than the sources: its control is a plain LoRA that begins fresh.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.random_source import random_like
from adapter_workbench.workbench.files.scratch import scratch_folder
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.stored_model import adaptation_of
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.training.default_rates import at_default_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapter_workbench.experiments.workspace import Workspace
    from adapter_workbench.fusion.target.composition import HeadStart
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.settings.base import MethodSettings
    from adapter_workbench.workbench.training import Lesson

FROZEN, FULL = "frozen features", "full fine-tuning"
AVERAGE = "average"  # the composition method of that name
WithoutSkill = Literal["random", "shuffled"]  # sources that have the form of the trained ones
Role = Literal["fresh", "full", "frozen", "control", "source", "average", "composition", "mixed"] | WithoutSkill


@dataclass(frozen=True)
class Source:
    """What is known of a source before it is trained.

    Attributes:
        task: name of its own task.
        method: the fine-tuning method.
        settings: that method's.
        identity: SHA-256 of what determines it.
        adapter: its id in the store.
        drawn: the seed of the random numbers that stand in the place of that adapter's weights; None for the adapter.
    """

    task: str
    method: str
    settings: MethodSettings
    identity: str
    adapter: str
    drawn: int | None = None

    def stored_in(self, workspace: Workspace) -> StoredAdapter:
        """Return the adapter; raises UnknownNameError where it was not trained yet."""
        return workspace.adapters.get(self.adapter)


def planned(lesson: Lesson) -> Source:
    """Return the source that a lesson will give."""
    adaptation = lesson.adaptation
    return Source(lesson.task.name, adaptation.method, adaptation.settings, lesson.key, lesson.adapter_id)


def stored(adapter: StoredAdapter, backbone: Backbone) -> Source:
    """Return a stored adapter as a source."""
    manifest = adapter.manifest
    settings = at_default_rate(manifest.method, adaptation_of(manifest, backbone).settings, backbone.config)
    return Source(manifest.task.name, manifest.method, settings, adapter.identity, manifest.id)


@dataclass(frozen=True)
class Entry:
    """One way to come to a model for a few-shot target.

    Attributes:
        label: what tables call it; the same in every cell of a grid.
        role: ``fresh`` and ``full`` are trained from nothing; ``frozen`` is a head fitted on the bare backbone;
            ``control`` is a composition method without the sources; ``source`` is one source under a fitted head;
            ``average`` and ``composition`` are made of all sources; ``random`` and ``shuffled`` are compositions of
            sources without skill; ``mixed`` is made of one adapter that was trained on all sources' data.
        family: the fine-tuning method of the sources; empty where it has none.
        method: a fine-tuning method for ``fresh`` and ``full``, else a composition method.
        settings: that method's.
        sources: what it is made of.
        head: what the head of a model that is trained begins as; of no meaning where nothing is trained.
        against: the label of what it is compared with; the reference where it is empty.
        made_of: target → positions of the sources that it is made of there; all where a target is not named.
    """

    label: str
    role: Role
    family: str
    method: str
    settings: Any = field(default_factory=Settings)
    sources: tuple[Source, ...] = ()
    head: HeadStart = "fitted"
    against: str = ""
    made_of: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Whether gradient steps change it and its head."""
        if self.role in ("fresh", "full"):
            return True
        return self.work == "composition" and COMPOSITIONS.get(self.method).trains

    @property
    def needs_examples(self) -> bool:
        """Whether it is nothing without examples of the target; a fresh adapter is the bare backbone then."""
        if self.role in ("fresh", "frozen"):
            return False
        return self.role == "full" or COMPOSITIONS.get(self.method).needs_target

    @property
    def work(self) -> Role:
        """The role of what is done in the same way and gives the same, whatever it is compared with."""
        return "composition" if self.role in ("control", "random", "shuffled", "mixed") else self.role

    @property
    def reads_sources(self) -> bool:
        """Whether it is composed with examples of the sources' own tasks at hand."""
        return self.role == "composition" and COMPOSITIONS.get(self.method).reads_sources

    def on(self, target: str) -> Entry:
        """Return it with the sources that it is made of for ``target``."""
        chosen = self.made_of.get(target)
        return self if chosen is None else replace(self, sources=tuple(self.sources[index] for index in chosen))

    @contextmanager
    def sources_in(self, workspace: Workspace) -> Iterator[tuple[StoredAdapter, ...]]:
        """Give its sources as they are stored; what is random is drawn, and kept as long as it is used."""
        with scratch_folder() as scratch:
            yield tuple(_opened(source, workspace, scratch / source.adapter) for source in self.sources)

    def under(self, heads: Sequence[HeadStart]) -> list[Entry]:
        """Return it with each of these heads, the first under its own label; itself where nothing is trained."""
        if not self.trains:
            return [self]
        first, *others = heads
        against = {head: with_head(self.against, head) if self.against else "" for head in others}
        return [
            replace(self, head=first),
            *(replace(self, label=with_head(self.label, head), head=head, against=against[head]) for head in others),
        ]


def _opened(source: Source, workspace: Workspace, folder: Path) -> StoredAdapter:
    adapter = source.stored_in(workspace)
    return adapter if source.drawn is None else random_like(adapter, source.drawn, folder)


def with_head(label: str, head: str) -> str:
    """Return what tables call an entry that is trained again with another head than the first of the recipe."""
    return f"{label}, {head} head"


def fresh_label(family: str) -> str:
    """Return what tables call a fresh adapter of this fine-tuning method."""
    return f"fresh {family}"


def average_label(family: str) -> str:
    """Return what tables call the uniform average of the sources of this fine-tuning method."""
    return f"average, {family}"


def alone_label(source: str, family: str) -> str:
    """Return what tables call one source, alone; ``source`` is its task, or its id where others have that task too."""
    return f"{source} alone, {family}"


def reserved(families: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Return the labels of what compositions are compared with, which no composition may have."""
    own = [
        [fresh_label(family), average_label(family), *(alone_label(task, family) for task in tasks)]
        for family in families
    ]
    return [FROZEN, FULL, *(label for labels in own for label in labels)]


def common(full: MethodSettings | None) -> list[Entry]:
    """Return the alternatives that need no source: a head on frozen features, and full fine-tuning with settings."""
    frozen = Entry(FROZEN, "frozen", "", "head")
    return [frozen] if full is None else [frozen, Entry(FULL, "full", "", "full", full)]


def alternatives(sources: Sequence[Source], fresh: MethodSettings | None) -> list[Entry]:
    """Return what a composition of ``sources`` is compared with.

    A fresh adapter with the method and settings of the first source (but for those that ``fresh`` sets), each source
    alone with a fitted head, and the uniform average where such adapters have one. Sources of the same task are
    distinguished by their ids.
    """
    family = sources[0].method
    settings = fresh_settings(sources[0].settings, fresh)
    of_task = Counter(source.task for source in sources)
    names = [source.task if of_task[source.task] == 1 else source.adapter for source in sources]
    singles = [
        _composed(alone_label(name, family), "source", "single", (source,))
        for name, source in zip(names, sources, strict=True)
    ]
    others = [Entry(fresh_label(family), "fresh", family, family, settings), *singles]
    if METHODS.get(family).library not in COMPOSITIONS.get(AVERAGE).libraries:  # as full models
        return others
    return [*others, _composed(average_label(family), "average", AVERAGE, sources)]


def fresh_settings(source: MethodSettings, fresh: MethodSettings | None) -> MethodSettings:
    """Return the settings of a source with what is set for fits from nothing."""
    return source.model_copy(update={name: getattr(fresh, name) for name in fresh.model_fields_set} if fresh else {})


def _composed(label: str, role: Role, method: str, sources: Sequence[Source]) -> Entry:
    return Entry(label, role, sources[0].method, method, COMPOSITIONS.get(method).settings(), tuple(sources))


LIKE_FRESH = ("learning_rate", "rank")


def like_fresh(entry: Entry, source: MethodSettings, fresh: MethodSettings | None) -> Entry:
    """Return an entry that begins a training at its sources with the learning rate and the rank of a fresh adapter.

    So the two differ in the sources alone. What is named stays, and so does the rate of weights that are learned.

    Args:
        entry: a composition.
        source: settings of its first source.
        fresh: what is set for fits from nothing; None where nothing is.
    """
    settings, beside = entry.settings, fresh_settings(source, fresh)
    if COMPOSITIONS.get(entry.method).from_one_source(settings) is None:
        return entry
    open_ones = (type(settings).model_fields.keys() & type(beside).model_fields.keys()) - settings.model_fields_set
    changes = {
        name: getattr(beside, name)
        for name in LIKE_FRESH
        if name in open_ones and getattr(beside, name) != getattr(settings, name)
    }
    return replace(entry, settings=settings.model_copy(update=changes)) if changes else entry


def unlike_fresh(entry: Entry) -> bool:
    """Return whether it trains what it begins at, and a fresh adapter of the sources' method is trained otherwise."""
    card = COMPOSITIONS.get(entry.method)
    if card.from_one_source(entry.settings) is None or card.sourceless(entry.settings):
        return False
    return not METHODS.get(entry.family).trains_plainly


def begun_fresh(entry: Entry) -> Entry:
    """Return the control of an entry that :func:`unlike_fresh` finds: the same without sources."""
    settings = entry.settings.model_copy(update={"start": ("fresh",)})
    return replace(entry, label=f"{entry.label}, no sources", role="control", settings=settings)
