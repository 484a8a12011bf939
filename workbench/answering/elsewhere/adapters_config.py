"""A config of the package ``adapters`` as its sender wrote it: what the method is called here, and its settings."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from adapter_workbench.workbench.errors import InputError
from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.methods.methods import METHODS

if TYPE_CHECKING:
    from pathlib import Path

    from adapter_workbench.workbench.answering.elsewhere.adapters_head import HeadConfig
    from adapter_workbench.workbench.settings.base import MethodSettings

BOTTLENECK, PREFIX, LORA, REFT, UNION = None, "prefix_tuning", "lora", "reft", "union"
INVERTIBLE = ("inv_adapter", "inv_adapter_reduction_factor")
FIELDS = {  # a setting's name → the config's, where they differ
    "rank": "r",
}
OF_PACKAGE = (
    *("pfeiffer", "houlsby", "parallel", "pfeiffer-inv", "houlsby-inv", "compacter", "compacter-plus-plus"),
    *("prefix", "mam", "unipelt", "loreft"),
)
OF_PEFT = ("lora", "ia3")  # methods of the package that become peft's here
BESIDE = (  # keys of an adapter_config.json beside the adapter's own config; versions of 2020 wrote config_id and type
    *("config", "config_id", "hidden_size", "label2id", "model_class", "model_name", "model_type", "name", "type"),
    "version",
)
UNREPEATED = ("use_gating", "use_dora", "vera_d", "vera_b")  # of a LoRA: peft has none that computes the same


@dataclass(frozen=True)
class SavedAdapter:
    """What ``save_adapter`` left in a folder."""

    folder: Path  # where it lies
    document: Mapping[str, Any]  # the whole of its ``adapter_config.json``
    config: Mapping[str, Any]  # the adapter's config in it
    method: str  # what its method is called here
    settings: Mapping[str, Any]  # that the config tells
    head: HeadConfig | None  # what is said of its head; None without one

    @property
    def base(self) -> str | None:
        """What its sender calls the base model."""
        name = self.document.get("model_name")
        return name if isinstance(name, str) and name else None


def fields(document: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Return the config that stands in a folder's ``adapter_config.json`` as a mapping of its fields.

    Old folders have a name in its place (``pfeiffer``).

    Raises:
        InputError: there is neither fields nor the name of one of the package's configs. The package would look any
            other text up as a file.
    """
    config = document.get("config")
    if isinstance(config, dict):
        return config
    if isinstance(config, str):
        require_installed("adapters")
        from adapters import ADAPTER_CONFIG_MAP

        if config in ADAPTER_CONFIG_MAP:
            named: Mapping[str, Any] = ADAPTER_CONFIG_MAP[config].to_dict()
            return named
    raise InputError(f"config: {config!r} is not the config of an adapter", where=where, hint="Save the adapter again.")


def require_known_keys(document: Mapping[str, Any], config: Mapping[str, Any], where: str) -> None:
    """Make sure that the installed package knows every key, whatever its value: it would ignore any other.

    Args:
        document: the whole of a folder's ``adapter_config.json``.
        config: the adapter's in it.
        where: the file.

    Raises:
        InputError: it does not know one; the first is named.
    """
    strange = document.keys() - {*BESIDE}
    for part in (config, *_members(config)):
        strange |= part.keys() - _known_keys(part.get("architecture"))
    if strange:
        hint = f"{_writer(document)} wrote it; importing it would silently ignore the key. If you know that it changes "
        hint += "nothing, delete it from the file."
        raise InputError(f"{min(strange)}: the installed adapters does not know this key", where=where, hint=hint)


def _known_keys(architecture: Any) -> Collection[str]:
    """Return the fields of the package's config of an architecture that has a method here."""
    if architecture == UNION:  # no dataclass
        return {"architecture", "configs"}
    import adapters

    classes = {
        BOTTLENECK: adapters.BnConfig,
        PREFIX: adapters.PrefixTuningConfig,
        LORA: adapters.LoRAConfig,
        REFT: adapters.ReftConfig,
    }
    return {"architecture", *classes[architecture].__dataclass_fields__}


def _writer(document: Mapping[str, Any]) -> str:
    version = document.get("version")
    if isinstance(version, str) and version:
        return f"adapters {version.removeprefix('adapters.')}"
    return "Another version of adapters"


def without_unused(
    config: Mapping[str, Any], document: Mapping[str, Any], tensor_names: Collection[str]
) -> Mapping[str, Any]:
    """Return a config without the invertible part that old versions wrote down for adapters that have none.

    Args:
        config: the adapter's.
        document: the file that it stands in.
        tensor_names: of the stored tensors.
    """
    if document.get("type") != "text_task" or any("invertible" in name for name in tensor_names):
        return config
    return {**config, **{name: None for name in INVERTIBLE if name in config}}


def method_of(config: Mapping[str, Any], where: str) -> str:
    """Return the workbench's name for the method of a config; raises InputError where it has none."""
    architecture = config.get("architecture")
    if architecture is BOTTLENECK:
        return _bottleneck(config)
    if architecture == PREFIX:
        return "prefix"
    if architecture == LORA and (method := _lora(config)):
        return method
    if architecture == REFT and config.get("orthogonality") is True:
        return "loreft"
    if architecture == UNION and (method := _union(config, where)):
        return method
    message = f"architecture: {_architecture_in_words(config)} belongs to no method of the workbench"
    raise InputError(message, where=where, hint=f"These are: {', '.join([*OF_PACKAGE, *OF_PEFT])}.")


def settings(config: Mapping[str, Any], method: str, where: str) -> dict[str, Any]:
    """Return those settings of the method that are in the config; the others are not known.

    A value that is no number (a reduction factor for each layer) stays in the config alone.

    Raises:
        InputError: a number is out of the setting's bounds.
    """
    model = METHODS.get(method).settings
    method_settings: dict[str, Any] = {}
    for member in _members(config):
        for name in model.model_fields:
            field = FIELDS.get(name, name)
            if isinstance(value := member.get(field), int | float):
                method_settings[name] = _within_bounds(model, name, value, f"{where}: {field}")
        if "flat" in member and "reparametrize" in model.model_fields:
            method_settings["reparametrize"] = not member["flat"]
    return method_settings


def _bottleneck(config: Mapping[str, Any]) -> str:
    """Return the method whose places and projections a bottleneck has."""
    is_double = bool(config.get("mh_adapter"))
    if config.get("phm_layer"):
        return "compacter" if is_double else "compacter-plus-plus"
    if config.get("is_parallel"):
        return "parallel"
    name = "houlsby" if is_double else "pfeiffer"
    return f"{name}-inv" if config.get("inv_adapter") else name


def _lora(config: Mapping[str, Any]) -> str | None:
    """Return the method of peft that a LoRA of the package is; None where peft has none that computes the same."""
    if any(config.get(name) for name in UNREPEATED):
        return None
    return "ia3" if config.get("composition_mode") == "scale" else "lora"


def _union(config: Mapping[str, Any], where: str) -> str | None:
    """Return the method that consists of these parts; None where there is none."""
    of_parts = [member.get("architecture") for member in _members(config)]
    if sorted(map(str, of_parts)) == ["None", PREFIX]:
        bottleneck = next(member for member in _members(config) if member.get("architecture") is BOTTLENECK)
        return "mam" if method_of(bottleneck, where) == "parallel" else None
    if sorted(map(str, of_parts)) == ["None", LORA, PREFIX]:
        return "unipelt" if all(member.get("use_gating") for member in _members(config)) else None
    return None


def _members(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the configs of a union, or the config itself."""
    several = config.get("configs") if config.get("architecture") == UNION else [config]
    yield from (member for member in several if isinstance(member, dict)) if isinstance(several, list) else ()


def _architecture_in_words(config: Mapping[str, Any]) -> str:
    """Return an architecture in words, with what tells it apart."""
    architecture = config.get("architecture")
    if architecture == UNION:
        return (
            f"a union of {' and '.join(str(member.get('architecture') or 'bottleneck') for member in _members(config))}"
        )
    telling = " and ".join(name for name in UNREPEATED if config.get(name))
    return f"{architecture!r} with {telling}" if telling else repr(architecture)


def _within_bounds(model: type[MethodSettings], name: str, value: float, where: str) -> float:
    """Return a setting's value; raises InputError where it is out of bounds."""
    from pydantic import ValidationError

    try:
        model.model_validate({name: value})
    except ValidationError as error:
        raise InputError(f"{value!r}: {error.errors()[0]['msg']}", where=where) from None
    return value
