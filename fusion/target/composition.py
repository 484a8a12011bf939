"""What a composition is: a card in the registry, what it is asked for, and what it gives back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pydantic import Field

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.settings.base import Settings
from adapter_workbench.workbench.settings.bounds import Scale, Size
from adapter_workbench.workbench.settings.registry import last_revision

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from adapter_workbench.fusion.updates.lowrank import Merged, Update
    from adapter_workbench.workbench.adapters.fit_record import FitRecord
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.machine.device import Precision
    from adapter_workbench.workbench.machine.listener import Listener
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import Budget, MethodSettings


HeadStart = Literal["fitted", "random"]
HEAD_REVISION = 2  # of how a head is fitted: results of another revision are made again


class CompositionSettings(Settings):
    """Base of every composition's hyper-parameters."""


class WeightSettings(CompositionSettings):
    """What every arithmetic composition takes; what is null is as the method has it."""

    weights: tuple[Scale, ...] | None = Field(
        None, description="a weight for each source, in order; the method's default if null"
    )


class MergeSettings(WeightSettings):
    """``rank``: what is null is as the method has it (all of an exact result, or the largest rank of a source)."""

    rank: Size | None = Field(None, description="largest rank of the result")


@dataclass(frozen=True)
class Request:
    """What a composition is asked for."""

    sources: tuple[StoredAdapter, ...]  # the adapters to compose, all of one library, all trained on ``backbone``
    target: Task | None  # the task that the result is for, drawn to its few examples already; None where there is none
    backbone: Backbone  # the frozen model below
    precision: Precision  # the arithmetic of the body
    budget: Budget  # what a fit inside the composition may spend
    seed: int  # of every random choice
    listener: Listener  # hears how fits go
    label: str  # what to call the work on a screen
    scratch: Path | None = None  # for checkpoints of a fit that takes long
    # what a head that is trained along begins as: ``fitted`` on the frozen features, or ``random``, drawn from the
    # seed
    head: HeadStart = "fitted"
    # the tasks that the sources were trained on, whole, as far as they are at hand, as
    # ``by_data`` returns them
    source_tasks: Mapping[str, Task] = field(default_factory=dict)

    @property
    def without_examples(self) -> bool:
        """Whether there is a target, and not one example of it to learn from or to validate on."""
        return self.target is not None and not len(self.target.splits["train"])

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """The weight updates of LoRA sources, in order; raises as :func:`read`."""
        from adapter_workbench.fusion.updates import lora  # imports torch, which is not needed to report mistakes

        return tuple(lora.read(source.folder) for source in self.sources)


@dataclass(frozen=True)
class Purpose:
    """What is composed for what, as far as that is known before anything is trained."""

    library: str  # of the sources' method
    kinds: tuple[str, ...]  # of the sources' tasks
    target: str  # the kind of the target


@dataclass(frozen=True)
class Composed:
    """What a composition gives back: a body that has to be stored, and what is known about it."""

    body: nn.Module  # the backbone with the composed weights on it, as the library of ``method`` attaches them
    method: str  # the fine-tuning method that the result is an adapter of (``lora``, ``pfeiffer``, ``adapterfusion``)
    settings: MethodSettings  # that method's settings
    # a head that was trained along; None where one is to be fitted on the frozen features
    head: nn.Module | None = None
    fit: FitRecord | None = None  # how that training went; None where nothing was trained by gradient
    weights: tuple[float, ...] | None = None  # one number for each source, where the method has such
    # named numbers (``rank``, ``energy_kept``, ``truncation_error``, ``evaluations`` …)
    facts: Mapping[str, float] = field(default_factory=dict)
    # what needs a picture: (layer or module) → one number for each source
    details: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    described: Mapping[str, Any] | None = None  # the library's configuration, where the settings do not say all of it


def any_number(sources: int, settings: CompositionSettings) -> None:
    """Let every number of sources pass."""


def any_purpose(purpose: Purpose, settings: CompositionSettings) -> None:
    """Let every purpose pass."""


def exactly(number: int, message: str, hint: str | None = None) -> Callable[[int, CompositionSettings], None]:
    """Return what raises InputError, ``message, got N``, where the number of sources is another."""

    def require(sources: int, settings: CompositionSettings) -> None:
        if sources != number:
            raise InputError(f"{message}, got {sources}", hint=hint)

    return require


def at_least(number: int, message: str) -> Callable[[int, CompositionSettings], None]:
    """Return what raises InputError, ``message, got N``, where there are fewer sources."""

    def require(sources: int, settings: CompositionSettings) -> None:
        if sources < number:
            raise InputError(f"{message}, got {sources}")

    return require


@dataclass(frozen=True)
class Composition:
    """A composition method: a card that names its paper, its settings and what it composes."""

    title: str  # the name in the literature
    paper: str  # where it was introduced
    settings: type[CompositionSettings]  # the typed hyper-parameters
    compose: Callable[[Request, Any], Composed]  # does it
    libraries: tuple[str, ...] = ("peft",)  # whose adapters it composes (``peft``: LoRA; ``adapters``: bottlenecks)
    # number of sources, settings → nothing; raises InputError where it cannot be so many
    require_number: Callable[[int, Any], None] = any_number
    # purpose, settings → nothing; raises InputError where the method cannot serve it with these
    require_suited: Callable[[Purpose, Any], None] = any_purpose
    needs: str | None = None  # a package of an extra
    needs_target: bool = False  # whether it reads examples of the target (labelled, or their texts alone)
    reads_sources: bool = False  # whether it reads examples of the sources' own tasks
    # whether it trains the head along with something of the body, so that it matters how the head begins
    trains: bool = False
    # raised when the same settings come to mean another result, so that stored results are not mistaken for it
    revision: int = 1
    # a revision → request, settings → whether it changed the result; where not, its key stays. A revision that is not
    # named changed every result
    affects: Mapping[int, Callable[[Request, Any], bool]] = field(default_factory=dict)
    # settings → names of the other compositions that it runs, with their default settings
    parts: Callable[[Any], tuple[str, ...]] = lambda settings: ()
    # settings → those under which it begins at a single source and trains that; None where it does not train what it
    # begins at
    from_one_source: Callable[[Any], Any] = lambda settings: None
    # settings → whether nothing of the sources is in the result, so that it is a control of the others
    sourceless: Callable[[Any], bool] = lambda settings: False

    def require_sources(self, number: int, settings: Any) -> None:
        """Make sure that the method can compose so many sources, before anything is trained for it.

        Raises:
            InputError: it cannot, there are more or fewer weights than sources, or a package is missing.
        """
        if self.needs:
            require_installed(self.needs, self.title)
        self.require_number(number, settings)
        if isinstance(settings, WeightSettings):
            weights_for(settings.weights, number, ones)

    def revision_of(self, request: Request, settings: Any) -> int:
        """Return the last revision that changed what these settings give for ``request``."""
        return last_revision(self.revision, self.affects, request, settings)


class Merge(Protocol):
    """Arithmetic on weight updates alone: no data, no model."""

    def __call__(self, updates: Sequence[Update], weights: Sequence[float], settings: Any, seed: int) -> Merged:
        """Return the merged update of ``updates``, ``weights`` one for each."""


def uniform(sources: int) -> tuple[float, ...]:
    """Return 1 / n for each of n sources."""
    return (1.0 / sources,) * sources


def ones(sources: int) -> tuple[float, ...]:
    """Return 1 for each of n sources."""
    return (1.0,) * sources


def weights_for(
    given: tuple[float, ...] | None, sources: int, default: Callable[[int], tuple[float, ...]]
) -> tuple[float, ...]:
    """Return the weights that were ``given``, one for each source, or the method's own.

    Raises:
        InputError: their number is not that of the sources, or one is not finite.
    """
    if given is None:
        return default(sources)
    if len(given) != sources:
        raise InputError(
            f"number of sources {sources}, of weights {len(given)}",
            where="weights",
            hint="Give one for each source.",
        )
    if not all(map(math.isfinite, given)):
        raise InputError(f"weights have to be finite, got {list(given)}", where="weights")
    return given


@dataclass(frozen=True)
class Arithmetic:
    """The ``compose`` of an arithmetic method: a merge of the sources' updates, stored as an ordinary LoRA."""

    merge: Merge  # the arithmetic
    weights: Callable[[int], tuple[float, ...]]  # number of sources → the weights where the settings give none
    relative: bool = False  # whether only the ratio of the weights counts, so that their sum does not scale the result
    # weights → c, where the merge of equal sources ΔW is c ΔW, at default settings and apart from what these drop or
    # flatten: the weights' sum where updates are added, their mean where they are averaged
    of_equals: Callable[[Sequence[float]], float] = math.fsum

    def __call__(self, request: Request, settings: WeightSettings) -> Composed:
        """Compose; raises InputError as :func:`weights_for`, :func:`read` and the merge do."""
        from adapter_workbench.fusion.updates import lora

        chosen = weights_for(settings.weights, len(request.sources), self.weights)
        merged = self.merge(request.updates, chosen, settings, request.seed)
        body, own = lora.attach(request.backbone, merged.update)
        return Composed(body, "lora", own, weights=chosen, facts=merged.facts)


def arithmetic(
    merge: Merge,
    weights: Callable[[int], tuple[float, ...]] = ones,
    relative: bool = False,
    of_equals: Callable[[Sequence[float]], float] = math.fsum,
) -> Arithmetic:
    """Return the ``compose`` of a method that does nothing but ``merge``; see :class:`Arithmetic`."""
    return Arithmetic(merge, weights, relative, of_equals)
