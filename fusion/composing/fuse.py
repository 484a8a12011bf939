"""fuse(): sources and a few examples of a target in, a model for the target out; and its way into the store."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from adapter_workbench.fusion.composing.compatibility import require_compatible
from adapter_workbench.fusion.methods import COMPOSITIONS
from adapter_workbench.fusion.target.composition import HEAD_REVISION, Composed, Purpose
from adapter_workbench.fusion.target.source_tasks import task_of
from adapter_workbench.workbench.adapters.fit_record import FitRecord
from adapter_workbench.workbench.adapters.manifest import ChoiceReference, CompositionReference
from adapter_workbench.workbench.adapters.stored_adapter import StoredAdapter
from adapter_workbench.workbench.answering.evaluation import evaluate_split
from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.files.digest import key
from adapter_workbench.workbench.machine import processes
from adapter_workbench.workbench.machine.memory import PeakMemory
from adapter_workbench.workbench.machine.package_versions import versions
from adapter_workbench.workbench.machine.stopwatch import Stopwatch, sum_counts
from adapter_workbench.workbench.methods.kind import GENERATED
from adapter_workbench.workbench.methods.stored_model import describe, keep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter_workbench.fusion.target.composition import CompositionSettings, Request
    from adapter_workbench.workbench.adapters.store import AdapterStore
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.model import TaskModel
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.settings.base import MethodSettings, Settings

FUSED = ("classification", *GENERATED)  # a logistic regression is the head, or the backbone has its own
OF_ONE_TARGET = ("inverse_regularisation", "validation_log_likelihood")  # facts about a head, and not about the body
FITTED, TRAINED, OWN = "fitted on frozen features", "trained along", "the backbone's own"


@dataclass(frozen=True)
class ComposedModel:
    """A model made of other adapters."""

    model: TaskModel  # body and head, ready to answer for the target
    composed: Composed  # what the composition method gave
    # what it took and what it reached on the validation split; a head that was fitted in closed form has no epochs
    # and no steps
    record: FitRecord
    head: str  # where the head comes from
    composing: Stopwatch = field(default_factory=Stopwatch)  # what this took


def fuse(
    name: str, request: Request, settings: CompositionSettings, earlier: ComposedModel | None = None
) -> ComposedModel:
    """Compose ``request.sources`` by the method ``name`` into a model for ``request.target``.

    A head is trained along where the method trains; else it is a logistic regression on the frozen fused features.
    Only the target's training and validation splits are read.

    Args:
        name: of a composition method.
        request: what is composed for what.
        settings: the method's.
        earlier: what the same method gave of the same sources for another target, to take the body from; of use only
            where the method does not look at the target.

    Raises:
        InputError: no target, sources that do not go together, another library's than the method composes, or no
            example of the target where there has to be one.
        TrainingError: a fit failed.
    """
    require_composable(name, request.sources, request.backbone, settings, _target(request).kind)
    if request.without_examples:
        require_no_examples_needed(name, _target(request).name, _target(request).kind)
    composing, fitting = earlier.composing if earlier else Stopwatch(), Stopwatch()
    with PeakMemory() as memory:
        if earlier:
            composed = _of_the_body(earlier.composed)
        else:
            with composing:
                composed = COMPOSITIONS.get(name).compose(request, settings)
        with fitting:
            fused = with_head(composed, request)
    record = replace(
        fused.record,
        seconds=composing.seconds + fitting.seconds,
        peak_memory_mb=memory.peak_mb,
        validation_examples=len(_target(request).splits["validation"]),
        spent=sum_counts(composing.spent, fitting.spent),
    )
    return replace(fused, record=record, composing=composing)


def from_scratch(request: Request, method: str, settings: MethodSettings) -> ComposedModel:
    """Return a model for ``request.target`` that is trained without any source: what a composition has to beat.

    It begins under the same head as a composition that trains, and the model as it began is kept where no epoch
    validates better, so that a difference from such a composition comes from the sources alone.

    Args:
        request: whose sources are not looked at.
        method: a fine-tuning method.
        settings: the method's.

    Raises:
        InputError: no target, or a method that cannot work on the backbone.
        TrainingError: a fit failed.
    """
    from adapter_workbench.fusion.target.target import begin, needs_head, train
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    target, adaptation = _target(request), Adaptation(request.backbone, method, settings, request.precision)
    with PeakMemory() as memory, Stopwatch() as clock:
        begun = begin(adaptation.fresh(target.kind, len(target.labels), request.seed).body, request)
        record = train(begun, request, method, settings)
    record = replace(record, seconds=clock.seconds, peak_memory_mb=memory.peak_mb, spent=clock.spent)
    composed = Composed(begun.model.body, method, settings, head=begun.model.head, fit=record, facts=begun.facts)
    return ComposedModel(begun.model, composed, record, TRAINED if needs_head(begun.model) else OWN)


def body_key(name: str, request: Request, settings: CompositionSettings) -> str | None:
    """Return what determines the composed body, where that is the same for every target; None where it is not."""
    if COMPOSITIONS.get(name).needs_target:
        return None
    sources = [source.identity for source in request.sources]
    meaning = name_with_revisions(name, request, settings)
    data = _data_read(name, request)
    return key([meaning, settings.model_dump(mode="json"), sources, request.seed, request.precision, *data.items()])


def require_composable(
    name: str, sources: Sequence[StoredAdapter], backbone: Backbone, settings: Settings, target: str
) -> None:
    """Make sure that the method can compose the sources for this kind of target; raises InputError as :func:`fuse`."""
    card = COMPOSITIONS.get(name)
    require_compatible(sources, backbone)
    card.require_sources(len(sources), settings)
    library = sources[0].manifest.library
    if library not in card.libraries:
        fitting = [method for method in COMPOSITIONS.names() if library in COMPOSITIONS.get(method).libraries]
        message = f"{name} composes adapters of {' or '.join(card.libraries)}, not of {library} ({sources[0].id})"
        raise InputError(message, hint=f"For these sources: {', '.join(fitting)}.")
    card.require_suited(Purpose(library, tuple(source.manifest.task.kind for source in sources), target), settings)


def with_head(composed: Composed, request: Request) -> ComposedModel:
    """Return the model of a composed body, with a head fitted where none was trained along."""
    from adapter_workbench.fusion.target.target import fitted_head, model_on, needs_head

    target = _target(request)
    model = model_on(request, composed.body, composed.head)
    if composed.fit is not None and (composed.head is not None or not needs_head(model)):
        return ComposedModel(model, composed, composed.fit, TRAINED if needs_head(model) else OWN)
    if request.without_examples:
        return _without_epochs(model, composed, None, None, OWN)
    if not needs_head(model):
        evaluation = evaluate_split(model, target, "validation", request.backbone, request.budget.max_length)
        return _without_epochs(model, composed, evaluation.scores[model.kind.metric], evaluation.log_likelihood, OWN)
    fitted = fitted_head(model, request)
    facts = {"inverse_regularisation": fitted.inverse_regularisation}
    with_facts = replace(composed, facts={**composed.facts, **facts})
    return _without_epochs(
        model.under(fitted.head), with_facts, fitted.validation, fitted.validation_log_likelihood, FITTED
    )


def composition_id(name: str, request: Request, settings: CompositionSettings) -> str:
    """Return the id of the adapter that this fuse gives: target, method, and the beginning of a key over all of it."""
    return f"{_target(request).name}-{name}-{composition_key(name, request, settings)[:8]}"


def composition_key(name: str, request: Request, settings: CompositionSettings) -> str:
    """Return the SHA-256 over everything that determines a fuse: equal keys, equal adapters."""
    head = {"head": request.head} if request.head != "fitted" else {}  # keys from before there was a choice
    none = {"examples": 0} if request.without_examples else {}
    return key(
        {
            **head,
            **none,
            **_data_read(name, request),
            "composition": name_with_revisions(name, request, settings),
            "head fitting": HEAD_REVISION,
            "settings": settings.model_dump(mode="json"),
            "sources": [source.identity for source in request.sources],
            "target": _target(request).fingerprint,
            "backbone": request.backbone.identity,
            "pooling": request.backbone.pooling,
            "precision": request.precision,
            "budget": request.budget.model_dump(mode="json"),
            "seed": request.seed,
            "processes": processes.sharing(),
            "versions": versions(),
        }
    )


def _data_read(name: str, request: Request) -> dict[str, list[str]]:
    """Return the fingerprints of sources' tasks that a method reads where the sources do not say what data they saw.

    These were trained by other programs: their identities stay when the data of their tasks change here.
    """
    read = request.sources if COMPOSITIONS.get(name).reads_sources else ()
    unknown = [task_of(source, request.source_tasks) for source in read if not source.manifest.task.fingerprint]
    return {"data of sources": [task.fingerprint if task else "" for task in unknown]} if unknown else {}


def name_with_revisions(name: str, request: Request, settings: CompositionSettings) -> str:
    """Return a composition's name, followed by the revision of every method in it that has one above 1.

    Results that were stored before a method got its first revision keep their keys. The code of methods of installed
    distributions follows.
    """
    cards = {method: COMPOSITIONS.get(method) for method in (name, *COMPOSITIONS.get(name).parts(settings))}
    settings_of = {method: settings if method == name else card.settings() for method, card in cards.items()}
    revisions = {method: card.revision_of(request, settings_of[method]) for method, card in cards.items()}
    raised = [f"{method}@{revision}" for method, revision in revisions.items() if revision > 1]
    return " ".join([name, *raised, *composition_code(name, settings).values()])


def raised_revisions(name: str, settings: CompositionSettings) -> dict[str, int]:
    """Return by name the revision of every method in a composition that has one above 1, whatever it is asked for."""
    cards = {method: COMPOSITIONS.get(method) for method in (name, *COMPOSITIONS.get(name).parts(settings))}
    return {method: card.revision for method, card in cards.items() if card.revision > 1}


def composition_code(name: str, settings: CompositionSettings) -> dict[str, str]:
    """Return by name the code of the compositions in this one that installed distributions add, its own included."""
    methods = (name, *COMPOSITIONS.get(name).parts(settings))
    return {method: code for method in methods for code in COMPOSITIONS.code(method).values()}


def keep_composition(
    adapter_id: str,
    fused: ComposedModel,
    name: str,
    request: Request,
    settings: CompositionSettings,
    store: AdapterStore,
    choice: ChoiceReference | None = None,
) -> StoredAdapter:
    """Put a fused model into the store; its manifest names sources, weights, method, rank and truncation error.

    ``choice`` says why it is kept, where other models were tried beside it.

    Raises:
        InputError: it is larger than an adapter may be, so that nothing would read it again; nothing is stored.
        IntegrityError: the composition changed the backbone.
    """
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    composed = fused.composed
    _require_readable(composed)
    adaptation = Adaptation(request.backbone, composed.method, composed.settings, request.precision, composed.described)
    manifest = describe(adapter_id, _target(request), adaptation, request.budget, request.seed, fused.record)
    reference = CompositionReference(
        method=name,
        revision=COMPOSITIONS.get(name).revision_of(request, settings),
        settings=settings.model_dump(mode="json"),
        sources=tuple(source.id for source in request.sources),
        weights=composed.weights,
        facts=dict(composed.facts),
        details=dict(composed.details),
        head=fused.head,
    )
    parents = tuple(source.id for source in request.sources)
    code = manifest.code | composition_code(name, settings)
    made = manifest.model_copy(update={"composition": reference, "parents": parents, "code": code, "choice": choice})
    return keep(fused.model, adaptation, made, store)


def keep_uncomposed(
    adapter_id: str, tried: ComposedModel, request: Request, store: AdapterStore, choice: ChoiceReference
) -> StoredAdapter:
    """Put a model that has no source into the store: one of :func:`from_scratch`, or a head on frozen features.

    Raises:
        IntegrityError: it changed the backbone, although its method does not train it.
    """
    from adapter_workbench.workbench.methods.adaptation import Adaptation

    composed = tried.composed
    if composed.fit is None:
        tried.model.body.requires_grad_(False)  # it was read only, and no weight of it is the adapter's
    adaptation = Adaptation(request.backbone, composed.method, composed.settings, request.precision)
    manifest = describe(adapter_id, _target(request), adaptation, request.budget, request.seed, tried.record)
    return keep(tried.model, adaptation, manifest.model_copy(update={"choice": choice}), store)


def _require_readable(composed: Composed) -> None:
    """Raise InputError where the settings, of which a rank is the sum of the sources', are out of their bounds."""
    try:
        type(composed.settings).model_validate(composed.settings.model_dump())
    except ValidationError as error:
        wrong = error.errors()[0]
        name = ".".join(map(str, wrong["loc"]))
        message = f"the result cannot be stored: its {name} is {wrong['input']}: {wrong['msg']}"
        hint = "Compose fewer adapters, or set `rank` where the method has it: --set rank=64."
        raise InputError(message, hint=hint) from None


def _target(request: Request) -> Task:
    if request.target is None:
        raise InputError("fusing needs a target task")
    require_target_kind(request.target.name, request.target.kind)
    return request.target


def require_target_kind(target: str, kind: str, where: str | None = None) -> None:
    """Raise InputError where the kind of a target has a head that cannot be fitted on frozen features here."""
    if kind not in FUSED:
        message = f"adapters cannot be fused for {target!r}, a {kind} task"
        raise InputError(message, where=where, hint=f"Targets may be of kind {', '.join(FUSED)}.")


def require_no_examples_needed(name: str, target: str, kind: str, where: str | None = None) -> None:
    """Raise InputError where a method, or the head of the target's kind, cannot do without examples of the target."""
    if kind not in GENERATED:
        message = f"without examples nothing can answer {target!r}, a {kind} task: its head is fitted on examples"
        raise InputError(message, where=where, hint=f"Zero examples are enough for {' and '.join(GENERATED)} tasks.")
    if COMPOSITIONS.get(name).needs_target:
        free = [method for method in COMPOSITIONS.names() if not COMPOSITIONS.get(method).needs_target]
        message = f"{name} learns from examples of {target!r}, and there are none"
        raise InputError(message, where=where, hint=f"Without examples: {', '.join(free)}.")


def _of_the_body(composed: Composed) -> Composed:
    """Return what was composed for another target without what is known about its answers to that."""
    facts = {name: fact for name, fact in composed.facts.items() if name not in OF_ONE_TARGET}
    return replace(composed, facts=facts)


def _without_epochs(
    model: TaskModel, composed: Composed, validation: float | None, likelihood: float | None, head: str
) -> ComposedModel:
    """Return a model that no gradient step was taken for: its record has no epochs."""
    parameters = sum(parameter.numel() for parameter in model.head.parameters()) if head == FITTED else 0
    record = FitRecord((), 0, validation, 0, 0.0, None, parameters)
    known = {} if likelihood is None else {"validation_log_likelihood": likelihood}
    facts = {**composed.facts, **known}
    return ComposedModel(model, replace(composed, facts=facts), record, head)
