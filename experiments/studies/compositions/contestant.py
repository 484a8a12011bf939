"""Who takes part in a comparison: compositions, and the plain alternatives that they have to beat."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from fusion.methods import COMPOSITIONS
from workbench.methods import METHODS
from workbench.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.studies.compositions.source import Source
    from fusion.composition import HeadStart

FROZEN, FULL = "frozen features", "full fine-tuning"
Role = Literal["fresh", "full", "frozen", "source", "average", "composition"]


@dataclass(frozen=True)
class Contestant:
    """One way to come to a model for a few-shot target.

    Attributes:
        label: what tables call it; the same in every cell of a grid.
        role: ``fresh`` and ``full`` are trained from nothing; ``frozen`` is a head fitted on the bare backbone;
            ``source`` is one source under a fitted head; ``average`` and ``composition`` are made of all sources.
        family: the fine-tuning method of the sources; empty where it has none.
        method: a fine-tuning method for ``fresh`` and ``full``, else a composition method.
        settings: that method's.
        sources: what it is made of.
        head: what the head of a model that is trained begins as; of no meaning where nothing is trained.
    """

    label: str
    role: Role
    family: str
    method: str
    settings: Any = field(default_factory=Settings)
    sources: tuple[Source, ...] = ()
    head: HeadStart = "fitted"

    @property
    def trains(self) -> bool:
        """Whether gradient steps change it and its head."""
        if self.role in ("fresh", "full"):
            return True
        return self.role == "composition" and COMPOSITIONS.get(self.method).trains

    def under(self, heads: Sequence[HeadStart]) -> list[Contestant]:
        """Return it with each of these heads, the first under its own label; itself where nothing is trained."""
        if not self.trains:
            return [self]
        labels = [self.label, *(f"{self.label}, {head} head" for head in heads[1:])]
        return [replace(self, label=label, head=head) for label, head in zip(labels, heads, strict=True)]


def fresh_label(family: str) -> str:
    """Return what tables call a fresh adapter of this fine-tuning method."""
    return f"fresh {family}"


def average_label(family: str) -> str:
    """Return what tables call the uniform average of the sources of this fine-tuning method."""
    return f"average, {family}"


def alone_label(task: str, family: str) -> str:
    """Return what tables call the source of one task, alone."""
    return f"{task} alone, {family}"


def reserved(families: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Return the labels of what compositions are held against, which no composition may have."""
    own = [[fresh_label(each), average_label(each), *(alone_label(task, each) for task in tasks)] for each in families]
    return [FROZEN, FULL, *(label for labels in own for label in labels)]


def common(full: dict[str, Any] | None) -> list[Contestant]:
    """Return the alternatives that need no source: a head on frozen features, and full fine-tuning with settings."""
    found = [Contestant(FROZEN, "frozen", "", "head")]
    if full is not None:
        settings = METHODS.get("full").settings.model_validate(full)
        found.append(Contestant(FULL, "full", "", "full", settings))
    return found


def alternatives(sources: Sequence[Source], fresh: Mapping[str, Any]) -> list[Contestant]:
    """Return what a composition of ``sources`` is compared with.

    A fresh adapter with the method and settings of the first source (but for those in ``fresh``), each source alone
    with a fitted head, and the uniform average.
    """
    family, settings = sources[0].method, sources[0].settings.model_copy(update=dict(fresh))
    singles = [composition(alone_label(source.task, family), "single", {}, (source,), "source") for source in sources]
    average = composition(average_label(family), "average", {}, sources, "average")
    return [Contestant(fresh_label(family), "fresh", family, family, settings), *singles, average]


def composition(
    label: str, method: str, settings: dict[str, Any], sources: Sequence[Source], role: Role = "composition"
) -> Contestant:
    """Return the contestant that composes ``sources`` by ``method``."""
    parsed = COMPOSITIONS.get(method).settings.model_validate(settings)
    return Contestant(label, role, sources[0].method, method, parsed, tuple(sources))
