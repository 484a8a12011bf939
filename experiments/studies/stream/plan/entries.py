"""The entries of a stream's recipe: names looked up, settings typed, labels distinct."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from adapter_workbench.experiments.engine.entries import EntryForm, collisions
from adapter_workbench.experiments.scenarios import SCENARIOS
from adapter_workbench.experiments.strategies import STRATEGIES, TakesPositions
from adapter_workbench.experiments.studies.core.against import ComparedWith
from adapter_workbench.experiments.studies.core.tune import learning_rates
from adapter_workbench.experiments.studies.stream.plan.entry import FORGET_NOTHING, GIVEN, PlannedEntry
from adapter_workbench.experiments.studies.stream.plan.given import METHOD, is_given
from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems, suggest
from adapter_workbench.workbench.methods.methods import METHODS, trained_method
from adapter_workbench.workbench.training.default_rates import default_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from transformers import PretrainedConfig

    from adapter_workbench.experiments.engine.entries import ParsedEntry
    from adapter_workbench.experiments.scenarios import Scenario
    from adapter_workbench.workbench.settings.base import Document

ENTRIES = "strategies"
TRIED = "tried"
DEFAULT_SCENARIO = Recipe.model_fields["scenario"].default


class About(ComparedWith):
    """What an entry may say of itself beside its settings; no result of its own depends on it."""

    title: str = Field("", max_length=60, description="what the verdict calls it, at the beginning of a sentence")


FORM = EntryForm(
    (ENTRIES,),
    {"strategy": STRATEGIES.get, "method": trained_method},
    About,
    {"method": METHODS.get},
    {("strategy", GIVEN): {"method": METHOD}},
)


def named_in_stream(
    document: Document, named: Mapping[str, ParsedEntry], kinds: Sequence[str], problems: list[Problem]
) -> Iterator[PlannedEntry]:
    """Yield each entry of ``strategies`` that fits; what is wrong with the others is added to ``problems``.

    Args:
        document: of the recipe.
        named: label → what the entry names.
        kinds: of the stream's tasks.
        problems: so far.
    """
    scenario = None
    with collect_problems(problems):
        name = document.text("scenario") if "scenario" in document.data else DEFAULT_SCENARIO
        scenario = SCENARIOS.get(name, document.where("scenario")) if name is not None else None
    for label, entry in named.items():
        with collect_problems(problems):
            yield _entry(document, label, entry, kinds, scenario)


def at_default_rates(
    document: Document, config: PretrainedConfig, entries: Sequence[PlannedEntry]
) -> tuple[PlannedEntry, ...]:
    """Return the entries, those that name no learning rate with the default for a backbone of this config."""
    rated = []
    for entry in entries:
        default = None if is_given(entry) else default_rate(entry.method, config)
        entry = replace(entry, default_rate=default)
        given = "learning_rate" in document.entries(ENTRIES)[entry.label]
        rated.append(entry if given or default is None else entry.at(default))
    return tuple(rated)


def at_other_rates(recipe: Recipe, entries: Sequence[PlannedEntry]) -> Iterator[PlannedEntry]:
    """Yield the entries of ``frontier`` again, each at each of its further learning rates.

    An entry that tries some has no rate of its own yet, so that all that it tries are further ones.
    """
    by_label = {entry.label: entry for entry in entries}
    if not isinstance(recipe.frontier, dict):
        forgetful = [entry.label for entry in entries if _forgets(entry, recipe.scenario)]
        for label in forgetful if recipe.frontier == TRIED else recipe.frontier:
            entry = by_label[label]
            yield from (_point(entry, rate, f"{rate:.2g}") for rate in tried_rates(recipe.tune, entry))
        return
    for label, rates in recipe.frontier.items():
        entry = by_label[label]
        others = [rate for rate in dict.fromkeys(rates) if rate != entry.learning_rate]
        yield from (_point(entry, rate, f"{rate:g}") for rate in others)


def tried_rates(tune: int, entry: PlannedEntry) -> tuple[float, ...]:
    """Return the ``tune`` learning rates that an entry tries first of all, its own before others; none if untrained."""
    if not tune or not METHODS.get(entry.method).trains:
        return ()
    return learning_rates(entry.learning_rate, tune)


def untried(document: Document, recipe: Recipe) -> Iterator[Problem]:
    """Yield a problem where ``frontier`` and ``tune`` do not go together."""
    where = document.where("frontier")
    of_tried = not isinstance(recipe.frontier, dict)
    if of_tried and recipe.tune < 2:
        given = TRIED if recipe.frontier == TRIED else "a list of entries"
        message = f"'frontier: {given}' has no learning rates to show"
        yield Problem(message, where, "Set 'tune' to 2 or more.")
    if recipe.frontier and not of_tried and recipe.tune:
        hint = "Write 'frontier: tried', or a list of entries, or leave 'tune' out."
        yield Problem("with 'tune', the learning rates of 'frontier' are those that were tried", where, hint)


def misnamed(document: Document) -> Iterator[Problem]:
    """Yield a problem for each label in ``reference`` and ``frontier`` that names no entry."""
    labels = document.labels(ENTRIES)
    reference = document.text("reference")
    named: list[tuple[str, list[str | int]]]
    named = [(label, ["frontier", label]) for label in document.labels("frontier")]
    named += [(label, ["frontier", index]) for index, label in document.names("frontier")]
    named += [(reference, ["reference"])] if reference is not None else []
    for label, path in named:
        if label not in labels:
            message = f"{path[0]!r} names no entry of {ENTRIES!r}: {label!r}"
            yield Problem(message, document.where(*path), suggest(label, labels))


def indistinct(document: Document, entries: Sequence[PlannedEntry]) -> Iterator[Problem]:
    """Yield a problem for each label that another entry has, or seems to have; and for each title."""
    paths = [
        (entry.label, (ENTRIES, entry.label) if entry.frontier is None else ("frontier", entry.frontier))
        for entry in entries
    ]
    yield from collisions((label, document.where(*path)) for label, path in paths)
    own = [entry for entry in entries if entry.frontier is None]  # sentences are about these
    titled = [(entry.title, document.where(ENTRIES, entry.label, "title")) for entry in own if entry.title]
    untitled = [entry.label for entry in own if not entry.title]
    yield from collisions(titled, untitled, "title", "the verdict")


def _point(entry: PlannedEntry, rate: float, text: str) -> PlannedEntry:
    return replace(entry.at(rate), label=f"{entry.label} @ {text}", frontier=entry.label)


def _forgets(entry: PlannedEntry, scenario: str) -> bool:
    """Return whether an entry trains what tasks share, the body or a head of all tasks, and may forget by it."""
    card = METHODS.get(entry.method)
    shares = card.trains and (card.trains_body or SCENARIOS.get(scenario).shares_head)
    return shares and entry.strategy not in (*FORGET_NOTHING, GIVEN)


def _entry(
    document: Document, label: str, named: ParsedEntry, kinds: Sequence[str], scenario: Scenario | None
) -> PlannedEntry:
    strategy, method = named.names["strategy"], named.names["method"]
    own = named.settings["strategy"]
    objection = STRATEGIES.get(strategy).objection(own, method, kinds, scenario) if scenario else None
    if objection:
        raise InputError(f"{strategy}: {objection}", where=document.where(ENTRIES, label))
    default, about = METHODS.get(method).default_rate, named.about
    return PlannedEntry(
        label=label,
        strategy=strategy,
        method=method,
        strategy_settings=own,
        method_settings=named.settings["method"],
        default_rate=default,
        title=about.title,
        against=about.against,
    )


# How many of the backbone's positions a stream takes before its texts at most.


def virtual_tokens(document: Document, entries: Sequence[PlannedEntry], tasks: int) -> int:
    """Return how many virtual tokens stand before a text at the last stage, of the entry that has most.

    Args:
        document: the recipe.
        entries: its strategies, each with a method that it works with.
        tasks: how many are learned.

    Raises:
        SettingsError: the settings of strategy and method do not go together.
    """
    most, problems = 0, list[Problem]()
    for entry in entries:
        tokens = entry.method_settings.virtual_tokens
        strategy = STRATEGIES.get(entry.strategy)
        if isinstance(strategy, TakesPositions):
            with collect_problems(problems, document.where("strategies", entry.label)):
                tokens = strategy.virtual_tokens(entry.strategy_settings, entry.method_settings, tasks)
        most = max(most, tokens)
    if problems:
        raise SettingsError(problems)
    return most
