"""warm-start: a LoRA for the target that begins as a composition of other LoRAs and is then trained.

The composition is cut to the rank of a fresh adapter, so that it is no larger, and gets the same steps, and the scale,
the dropout, the warm-up and the optimiser of the first source; a plan gives it learning rate and rank, too. A start of
a lower rank, as of one source that has it, is not filled up: it trains fewer weights than a fresh adapter. The
control, which lacks the sources alone, is ``start: fresh``: a LoRA drawn from the seed, as the first source began, with
all of these. What differs: SPoT, whose idea this is, begins soft prompts so, from another prompt or an average of the
most similar ones. ``start: reptile`` takes the sources as they were learned, one after another: see
:mod:`adapter_workbench.fusion.updates.reptile`.
"""

from __future__ import annotations

import gc
import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from adapter_workbench.fusion.target.composition import Composed, Composition, CompositionSettings
from adapter_workbench.fusion.target.target import UntrainedModel, begin, require_target, train
from adapter_workbench.fusion.updates import lora
from adapter_workbench.fusion.updates.lowrank import Merged, collect, spectrum
from adapter_workbench.fusion.updates.reptile import initialisation, shares
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.methods.adaptation import Adaptation
from adapter_workbench.workbench.methods.methods import METHODS
from adapter_workbench.workbench.methods.methods.lora import Settings as LoraSettings
from adapter_workbench.workbench.settings.bounds import LearningRate, Size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter_workbench.fusion.target.composition import Purpose, Request
    from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter

    Start = tuple[UntrainedModel, LoraSettings, Merged, tuple[float, ...] | None]

FRESH, SINGLE, REPTILE = "fresh", "single", "reptile"


class Settings(CompositionSettings):
    """``start``: ``fresh``, ``reptile``, or a composition method.

    Of several, the one that validates best before training is taken.
    ``single`` is every source alone, as in training on one related task first (Pruksachatkun et al. 2020).
    ``part``: share of the budget's epochs that are trained, rounded down, at least one. A fresh adapter takes them all,
    so a small part asks whether the start saves steps.
    """

    start: tuple[str, ...] = Field(("average",), min_length=1)
    rank: Size = Field(8, description="where a recipe or `workbench fuse` names none: that of a fresh adapter")
    learning_rate: LearningRate = Field(
        5e-3, description="where a recipe or `workbench fuse` names none: that of a fresh adapter"
    )
    part: float = Field(1.0, gt=0, le=1)

    @field_validator("start", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def compose(request: Request, settings: Settings) -> Composed:
    """Return the LoRA after training; the curve of ``fit`` tells after how many steps it reached a score.

    ``facts`` tell the validation score and likelihood before the first step, and the place of the chosen start among
    ``start``.

    Raises:
        InputError: no target, a start that is not registered or gives no LoRA, or a source that is no plain LoRA.
        TrainingError: the loss is not a finite number.
    """
    require_target(request)
    epochs = max(1, math.floor(settings.part * request.budget.epochs))
    request = replace(request, budget=request.budget.model_copy(update={"epochs": epochs}))
    chosen, (begun, lora_settings, merged, weights) = _best_start(request, settings)
    lora_settings = lora_settings.model_copy(update={"learning_rate": settings.learning_rate})
    record = train(begun, request, "lora", lora_settings)
    facts = {**merged.facts, **begun.facts, "start": float(chosen)}
    model = begun.model
    return Composed(model.body, "lora", lora_settings, head=model.head, fit=record, weights=weights, facts=facts)


def require_number(sources: int, settings: Settings) -> None:
    """Make sure that each composed start can be made of so many sources; ``single`` takes one after another."""
    from adapter_workbench.fusion.methods import COMPOSITIONS

    for name in settings.start:
        if name not in {FRESH, REPTILE, SINGLE}:
            card = COMPOSITIONS.get(name, "start")
            card.require_sources(sources, card.settings())


def require_suited(purpose: Purpose, settings: Settings) -> None:
    """Make sure that each composed start gives a LoRA for such a target; raises InputError."""
    from adapter_workbench.fusion.methods import COMPOSITIONS

    for name in settings.start:
        if name not in {FRESH, REPTILE}:
            card = COMPOSITIONS.get(name, "start")
            if not _may_give_lora(name):
                raise _no_start(name)
            card.require_suited(purpose, card.settings())


def _may_give_lora(name: str) -> bool:
    """Return whether a composition, which has the name of the method of its result where that is composed, may."""
    from adapter_workbench.fusion.methods import COMPOSITIONS

    card = COMPOSITIONS.get(name)
    composed = name in METHODS.names() and METHODS.get(name).composed
    return "peft" in card.libraries and card.settings is not Settings and not composed


def _best_start(request: Request, settings: Settings) -> tuple[int, Start]:
    """Return the start that validates best, the first of equal ones, and its number; two at most are in memory."""
    starts = itertools.chain.from_iterable(_starts(name, request, settings.rank) for name in settings.start)
    number, best = 0, next(starts)
    for tried in itertools.count(1):
        gc.collect()  # a body is in a reference cycle: without this, those of before would stay beside it
        start = next(starts, None)
        if start is None:
            break
        if _quality(start[0]) > _quality(best[0]):
            number, best = tried, start
        del start
    return number, best


def _starts(name: str, request: Request, rank: int) -> Iterator[Start]:
    if name == FRESH:
        yield _start_fresh(request, rank)
    elif name == REPTILE:
        yield _start_reptile(request, rank)
    elif name == SINGLE:
        for source in request.sources:
            yield _start_composed(name, replace(request, sources=(source,)), rank)
    else:
        yield _start_composed(name, request, rank)


def _start_composed(name: str, request: Request, rank: int) -> Start:
    from adapter_workbench.fusion.methods import COMPOSITIONS

    card = COMPOSITIONS.get(name, "start")
    if not _may_give_lora(name):
        raise _no_start(name)
    composed = card.compose(replace(request, label=f"{request.label} · {name}", scratch=None), card.settings())
    if METHODS.get(composed.method).composed:
        raise _no_start(name)
    pairs = ((name, lora.pair_in(layer)) for name, layer in lora.layers(composed.body).items())
    cut = collect((name, spectrum(pair, rank).truncated()) for name, pair in pairs)
    body, lora_settings = lora.attach(request.backbone, cut.update, _like_the_first(request, rank))
    return begin(body, request), lora_settings, cut, composed.weights


def _no_start(name: str) -> InputError:
    return InputError(f"{name} gives no LoRA to start from", where="start", hint="Start from average, ties or mix.")


def _start_reptile(request: Request, rank: int) -> Start:
    update = initialisation(request.updates)
    if any(pair.rank != rank for pair in update.values()):
        raise InputError(f"the sources are not of rank {rank}", where="rank", hint="Reptile begins in their factors.")
    body, lora_settings = lora.attach(request.backbone, update, _like_the_first(request, rank))
    return begin(body, request), lora_settings, Merged(update), shares(len(request.sources))


def _start_fresh(request: Request, rank: int) -> Start:
    task, lora_settings = require_target(request), _like_the_first(request, rank)
    body = Adaptation(request.backbone, "lora", lora_settings, request.precision).fresh(
        task.kind, len(task.labels), request.seed
    )
    return begin(body.body, request), lora_settings, Merged({}), None


def _like_the_first(request: Request, rank: int) -> LoraSettings:
    """Return the settings of the first source for a LoRA of ``rank``, which has its scale and is trained like it."""
    source = request.sources[0]
    source_settings = {
        name: value for name, value in source.manifest.settings.items() if name in LoraSettings.model_fields
    }
    lora_settings = LoraSettings.model_validate({**source_settings, "rank": rank})
    divisor = math.sqrt(_rank(source, rank)) if _is_rslora(source) else _rank(source, rank)
    return lora_settings.model_copy(
        update={"alpha": lora_settings.alpha * (rank / divisor)}
    )  # a LoRA's scale is alpha ÷ rank


def _rank(source: StoredAdapter, otherwise: int) -> int:
    """Return the rank that a source was trained with; ``otherwise`` where its settings do not say."""
    return int(source.manifest.settings.get("rank") or otherwise)


def _is_rslora(source: StoredAdapter) -> bool:
    return source.manifest.method == "rslora"


def _from_one_source(settings: Settings) -> Settings:
    """Return settings that begin at a source as it is, or fresh where that is allowed beside it."""
    return settings.model_copy(update={"start": (*(FRESH,) * (FRESH in settings.start), SINGLE)})


def _quality(begun: UntrainedModel) -> tuple[float, float]:
    return begun.epoch.validation, begun.epoch.validation_log_likelihood


COMPOSITION = Composition(
    title="Warm start",
    paper="after Vu et al. 2022, SPoT, arXiv:2110.07904: a prompt for a task begins as that of another",
    settings=Settings,
    compose=compose,
    needs_target=True,
    trains=True,
    parts=lambda settings: tuple(name for name in settings.start if name not in {FRESH, REPTILE}),
    from_one_source=_from_one_source,
    sourceless=lambda settings: settings.start == (FRESH,),
    require_number=require_number,
    require_suited=require_suited,
    revision=3,
    affects={
        2: lambda request, settings: settings.start != (FRESH,) or _is_rslora(request.sources[0]),
        3: lambda request, settings: _rank(request.sources[0], settings.rank) != settings.rank,
    },
)
