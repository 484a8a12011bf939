"""What the probes of a recipe need: a stream on which they can be measured, general text, and settings of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter_workbench.workbench.errors import InputError, Problem, SettingsError, collect_problems
from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.methods.sampling import stratified_sample
from adapter_workbench.workbench.probes import NEEDS, PROBES, Adjustable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from adapter_workbench.experiments.studies.stream.plan.recipe import Recipe
    from adapter_workbench.workbench.backbone.pretrained import Backbone
    from adapter_workbench.workbench.methods.task import Task
    from adapter_workbench.workbench.probes import ProbeRequest
    from adapter_workbench.workbench.settings.base import Document, Settings

TEXT_PROBE = "general-loss"  # the one that reads general text
SETTINGS = "probe_settings"
DRAW = 0  # the examples of probes are the same for every seed


def named_probes(document: Document, problems: list[Problem]) -> dict[str, Settings]:
    """Return the settings of each probe that has some, by its name; what is wrong with probes goes to ``problems``."""
    settings: dict[str, Settings] = {}
    entries = document.entries(SETTINGS)
    for index, name in document.names("probes"):
        where = document.where("probes", index)
        with collect_problems(problems, where):
            card = PROBES.get(name, where)
            if name in NEEDS:
                require_installed(NEEDS[name], f"the probe {name}")
            if isinstance(card, Adjustable):
                settings[name] = document.parse_part((SETTINGS, name), entries.get(name, {}), card.settings)
    probes = [name for _, name in document.names("probes")]
    for name in document.labels(SETTINGS):
        if name not in probes:
            hint = f"Name {name} under 'probes', or leave its settings out."
            problems.append(Problem(f"no probe of this recipe reads {name!r}", document.where(SETTINGS, name), hint))
        elif name in PROBES.names() and not isinstance(PROBES.get(name), Adjustable):
            problems.append(Problem(f"the probe {name} has no settings", document.where(SETTINGS, name)))
    return settings


def asked_of_probes(document: Document, settings: Mapping[str, Settings]) -> dict[str, ProbeRequest]:
    """Return what is asked of probes with ``settings``, by their names; raises SettingsError where that cannot be."""
    problems: list[Problem] = []
    asked: dict[str, ProbeRequest] = {}
    for name, probe_settings in settings.items():
        card = PROBES.get(name)
        with collect_problems(problems, document.where(SETTINGS, name)):
            assert isinstance(card, Adjustable)
            asked[name] = card.ask(probe_settings)
    if problems:
        raise SettingsError(problems)
    return asked


def require_measurable(document: Document, recipe: Recipe, backbone: Backbone, kinds: Sequence[str]) -> None:
    """Raise SettingsError where a probe cannot be measured on this stream, or no probe reads what is set for probes."""
    problems: list[Problem] = []
    for index, name in enumerate(recipe.probes):
        where = document.where("probes", index)
        with collect_problems(problems, where):
            for kind in kinds:
                if objection := PROBES.get(name, where).objection(backbone, kind):
                    raise InputError(f"probe {name} cannot be measured here: {objection}", where=where)
            if name == TEXT_PROBE and recipe.probe_text is None:
                raise InputError(f"probe {TEXT_PROBE} needs text: name a task under 'probe_text'", where=where)
    unread = {"probe_examples": not recipe.probes, "probe_text": TEXT_PROBE not in recipe.probes}
    for name, idle in unread.items():
        if idle and name in recipe.model_fields_set:
            readers = TEXT_PROBE if name == "probe_text" else "a probe"
            hint = f"Name {readers} under 'probes', or leave {name!r} out."
            problems.append(Problem(f"no probe of this recipe reads {name!r}", document.where(name), hint))
    if problems:
        raise SettingsError(problems)


def general_text(task: Task, size: int) -> tuple[str, ...]:
    """Return texts of a task's test split, ``size`` of them."""
    return tuple(stratified_sample(task.splits["test"], size, DRAW)["text"][:])
