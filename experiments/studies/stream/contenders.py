"""The entries of a stream's recipe as contenders: names looked up, settings typed, labels told apart."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from experiments.engine.entries import collisions
from experiments.scenarios import SCENARIOS
from experiments.strategies import STRATEGIES
from experiments.studies.stream.recipe import Recipe
from experiments.studies.stream.record import Contender
from workbench.errors import InputError, Problem, SettingsError, collected, suggest
from workbench.methods import METHODS, trained_method

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from experiments.scenarios import Scenario
    from workbench.known_keys import Place
    from workbench.settings import Document

ENTRIES = "strategies"
DEFAULT_SCENARIO = Recipe.model_fields["scenario"].default


def named_contenders(document: Document, kinds: Sequence[str], problems: list[Problem]) -> Iterator[Contender]:
    """Yield each entry of ``strategies`` that fits; what is wrong with the others is added to ``problems``.

    Args:
        document: of the recipe.
        kinds: of the stream's tasks.
        problems: so far.
    """
    scenario = None
    with collected(problems):
        name = document.text("scenario") if "scenario" in document.data else DEFAULT_SCENARIO
        scenario = SCENARIOS.get(name, document.where("scenario")) if name is not None else None
    for label, entry in document.entries(ENTRIES).items():
        with collected(problems):
            yield _contender(document, label, entry, kinds, scenario)


def at_other_rates(recipe: Recipe, entries: Sequence[Contender]) -> Iterator[Contender]:
    """Yield the entries of ``frontier`` again, each at each of its further learning rates."""
    known = {entry.label: entry for entry in entries}
    for label, rates in recipe.frontier.items():
        entry = known[label]
        for rate in dict.fromkeys(rates):
            if rate != entry.settings["learning_rate"]:
                changed = {**entry.settings, "learning_rate": rate}
                yield replace(entry, label=f"{label} @ {rate:g}", settings=changed, frontier=label)


def misnamed(document: Document) -> Iterator[Problem]:
    """Yield a problem for each label in ``reference`` and ``frontier`` that names no entry."""
    labels = document.labels(ENTRIES)
    reference = document.text("reference")
    named = [(label, ["frontier", label]) for label in document.labels("frontier")]
    named += [(reference, ["reference"])] if reference is not None else []
    for label, place in named:
        if label not in labels:
            what = f"{place[0]!r} names no entry of {ENTRIES!r}: {label!r}"
            yield Problem(what, document.where(*place), suggest(label, labels))


def indistinct(document: Document, contenders: Sequence[Contender]) -> Iterator[Problem]:
    """Yield a problem for each label that another contender has, or seems to have."""
    places = [
        (one.label, (ENTRIES, one.label) if one.frontier is None else ("frontier", one.frontier)) for one in contenders
    ]
    return collisions((label, document.where(*place)) for label, place in places)


def known_settings(document: Document) -> Iterator[Place]:
    """Yield where in a recipe which settings stand, as far as the names of its strategies and methods are known."""
    for label, entry in document.entries(ENTRIES).items():
        with suppress(InputError):
            yield (ENTRIES, label), STRATEGIES.get(entry.get("strategy", "")).settings
        with suppress(InputError):
            yield (ENTRIES, label), METHODS.get(entry.get("method", "")).settings


def _contender(
    document: Document, label: str, entry: dict[str, Any], kinds: Sequence[str], scenario: Scenario | None
) -> Contender:
    place = (ENTRIES, label)
    missing = [name for name in ("strategy", "method") if name not in entry]
    if missing:
        raise InputError(f"{'.'.join(place)!r} needs {' and '.join(missing)}", where=document.where(*place))
    problems: list[Problem] = []
    with collected(problems):
        strategy = STRATEGIES.get(entry["strategy"], document.where(*place, "strategy"))
    with collected(problems):
        method = trained_method(entry["method"], document.where(*place, "method"))
    if problems:
        raise SettingsError(problems)
    rest = {name: value for name, value in entry.items() if name not in {"strategy", "method"}}
    own = {name: rest.pop(name) for name in strategy.settings.model_fields if name in rest}
    parts = document.parse_parts((place, own, strategy.settings), (place, rest, method.settings))
    objection = strategy.objection(parts[0], entry["method"], kinds, scenario) if scenario else None
    if objection:
        raise InputError(f"{entry['strategy']}: {objection}", where=document.where(*place))
    settings = {name: value for part in parts for name, value in part.model_dump(mode="json").items()}
    return Contender(label, entry["strategy"], entry["method"], settings)
