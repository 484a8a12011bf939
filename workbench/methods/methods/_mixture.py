"""``a+b``: several methods on one backbone at the same time, under one learning rate.

Their packages do the work side by side (:mod:`.mixture`); two methods of ``adapters``
become one configuration of it, two of ``plain`` one choice of parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field, create_model, model_validator

from adapter_workbench.workbench.methods.libraries.mixture import ORDER, MixtureConfig
from adapter_workbench.workbench.methods.method import Method
from adapter_workbench.workbench.settings.base import MethodSettings, Settings

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Part = tuple[str, Method]
ALONE = {"full": "full trains every weight already", "head": "head trains nothing of the backbone"}


class _MixtureSettings(MethodSettings):
    """Settings of each part, under its name; what every method takes, once for all of them."""

    model_config = ConfigDict(populate_by_name=True)


@cache
def mixture(parts: tuple[Part, ...]) -> Method:
    """Return the card of the methods ``parts`` together."""
    libraries = {card.library for _, card in parts}
    return Method(
        title=" + ".join(card.title for _, card in parts),
        paper="; ".join(dict.fromkeys(card.paper for _, card in parts)),
        library=libraries.pop() if len(libraries) == 1 else "mixture",
        settings=_settings(parts),
        configure=partial(_configure, parts),
        objection=partial(_objection, parts),
        trains_backbone=any(card.trains_backbone for _, card in parts),
        reads_weights=any(card.reads_weights for _, card in parts),
        recomputes=all(card.recomputes for _, card in parts),
        fails_on=tuple(dict.fromkeys(bits for _, card in parts for bits in card.fails_on)),
    )


def _settings(parts: Sequence[Part]) -> type[MethodSettings]:
    rates = [card.settings.model_fields["learning_rate"].default for _, card in parts]
    fields: dict[str, Any] = {"learning_rate": (float, min(rates))}  # what the most delicate part bears
    for name, card in parts:
        fields[_field(name)] = (_own_settings(name, card), Field(default_factory=_own_settings(name, card), alias=name))
    return create_model("Settings", __base__=_MixtureSettings, **fields)


@cache
def _own_settings(name: str, card: Method) -> type[Settings]:
    """Return the settings that are a method's alone, without what every method takes; they are as strict as its own."""
    fields: dict[str, Any] = {
        field: (info.annotation, info)
        for field, info in card.settings.model_fields.items()
        if field not in MethodSettings.model_fields
    }
    checks: dict[str, Any] = {"checked": model_validator(mode="after")(_checked_by(card))}
    return create_model(f"{name} in a mixture", __base__=Settings, __validators__=checks, **fields)


def _checked_by(card: Method) -> Callable[[Settings], Settings]:
    """Return a validator: the fields are copied without those that the method's own settings have."""

    def validate(own: Settings) -> Settings:
        card.settings.model_validate(own.model_dump())
        return own

    return validate


def _full_settings(name: str, card: Method, settings: MethodSettings) -> MethodSettings:
    shared = {field: getattr(settings, field) for field in MethodSettings.model_fields}
    return card.settings.model_validate({**getattr(settings, _field(name)).model_dump(), **shared})


def _field(name: str) -> str:
    return name.replace("-", "_")


def _configurations(parts: Sequence[Part], settings: MethodSettings, config: PretrainedConfig) -> dict[str, list[Any]]:
    """Return the configurations of each package that takes part."""
    configurations: dict[str, list[Any]] = {}
    for name, card in parts:
        configurations.setdefault(card.library, []).append(card.configure(_full_settings(name, card, settings), config))
    return configurations


def _configure(parts: Sequence[Part], settings: MethodSettings, config: PretrainedConfig) -> Any:
    by_library = _configurations(parts, settings, config)
    joined = {library: _as_one(library, configurations) for library, configurations in by_library.items()}
    return MixtureConfig(joined) if len(joined) > 1 else joined.popitem()[1]


def _as_one(library: str, configurations: Sequence[Any]) -> Any:
    if len(configurations) == 1:
        return configurations[0]
    if library == "plain":
        return lambda name: any(chosen(name) for chosen in configurations)
    from adapters import ConfigUnion

    return ConfigUnion(*configurations)


def _objection(parts: Sequence[Part], settings: MethodSettings, config: PretrainedConfig, kind: str) -> str | None:
    names = [name for name, _ in parts]
    if len(set(names)) < len(names):
        return "it names a method twice"
    for name, card in parts:
        if name in ALONE or card.library not in ORDER:
            return ALONE.get(name, f"{name} cannot be mixed")
        own = _full_settings(name, card, settings)
        unfreeze = getattr(own, "unfreeze", None)  # partial's: all that its hooks are for
        if card.prepare or (card.hooks is not Method.hooks and unfreeze is None):
            return f"{name} does more than gradient steps on fixed weights"
        if unfreeze == "gradual":
            return f"{name} unfreezes gradually only alone"
        if objection := card.objection(own, config, kind):
            return f"{name}: {objection}"
    return _clash(_configurations(parts, settings, config))


def _clash(by_library: dict[str, list[Any]]) -> str | None:
    """Return why configurations of the same package, or of two, cannot live together."""
    if len(by_library.get("peft", [])) > 1:
        return "peft puts one of its methods on a backbone at a time"
    packaged = by_library.get("adapters", [])
    if not packaged:
        return None
    from adapters import ConfigUnion, LoRAConfig

    flat = [
        config_part
        for config in packaged
        for config_part in (config.configs if isinstance(config, ConfigUnion) else [config])
    ]
    if len(packaged) > 1 and len(flat) > len(packaged):
        return "one of its parts is a mixture itself"
    if "peft" in by_library and any(isinstance(config_part, LoRAConfig) for config_part in flat):
        return "both would change the same matrices"
    try:
        ConfigUnion.validate(flat)
    except ValueError:
        return "two of its parts stand at the same places"
    return None
