"""What a backbone's name stands for: a registered model, a repository on the hub, or a folder."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from adapter_workbench.workbench.backbone.config import LARGEST, config_object, named_architectures, read_json
from adapter_workbench.workbench.backbone.model_folder import (
    CONFIG,
    ITSELF,
    POOLING,
    check_folder,
    poolings,
    transformer_in,
)
from adapter_workbench.workbench.backbone.pretrained import Backbone, Pooling
from adapter_workbench.workbench.backbone.transformers_api import quietly
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnknownNameError
from adapter_workbench.workbench.files import atomic, checksummed, hub_files, wheel
from adapter_workbench.workbench.files.read_once import ReadOnce
from adapter_workbench.workbench.machine.availability import Availability
from adapter_workbench.workbench.settings.base import Quantization, Settings, read
from adapter_workbench.workbench.settings.registry import Documents

if TYPE_CHECKING:
    from transformers import PretrainedConfig

BACKBONES = Documents("backbone", [Path(__file__).parent / "backbones"], command="workbench backbones list")
POOLINGS: dict[str, Pooling] = {"mean": "mean", "cls": "first", "lasttoken": "last"}  # as sentence-transformers says
ANOTHER_POOLING = f"To pool as usual for its architecture, name a copy of the folder without {Path(POOLING).parent}."
_sound = ReadOnce()  # converted folders whose digests were compared in this process


class WheelSource(Settings):
    """A model inside a published wheel."""

    package: str
    member: str
    sha256: str


class BackboneCard(Settings):
    """One file in ``workbench/backbones``."""

    description: str
    license: str
    homepage: str
    hub_id: str
    pooling: Pooling
    wheel: WheelSource


def open_backbone(name: str, where: str | None = None) -> Backbone:
    """Return the backbone ``name``: a registered name, a local folder, or a hub id (``owner/model[@revision]``).

    ``:nf4`` or ``:int8`` after any of them keeps its linear layers in so many bits
    (:mod:`adapter_workbench.workbench.backbone.quantisation`).

    Raises:
        UnknownNameError: none of the three.
        InputError: a folder that holds no model, or states a pooling that is not known here.
        UnsafeConfigError: the model's config asks for foreign code.
        AssetError: the bytes cannot be fetched.
        IntegrityError: the copy of a registered backbone that was converted here has changed since.
    """
    plain, bits = _bits(name)
    if plain == ITSELF:
        also = f"{ITSELF!r} is the backbone of a model that has none but its own; a folder is ./{ITSELF}."
        raise UnknownNameError("backbone", name, BACKBONES.names(), where, also, "workbench backbones list")
    if bits:
        return open_backbone(plain, where).quantized(bits)
    if plain in BACKBONES.names():
        card = read(BACKBONES.path(plain)).parse(BackboneCard)
        member = wheel.wheel_member(card.wheel.package, card.wheel.member, card.wheel.sha256)
        folder = member if member.is_dir() else _convert(member)
        check_folder(folder)
        return Backbone(plain, folder, card.pooling, card.hub_id, license=card.license, pinned=True)
    hub_id, revision = _on_the_hub(plain, where)
    folder = hub_files.hub_folder(hub_id, revision) if hub_id else Path(plain).resolve()
    return model_in(folder, plain, hub_id=hub_id)


def model_in(
    folder: Path, name: str, pooling: Pooling | None = None, hub_id: str = "", licence: str | None = None
) -> Backbone:
    """Return the model in a folder of transformers or sentence-transformers.

    Args:
        folder: of either.
        name: what it is called.
        pooling: None: what the folder states, else what suits the architecture.
        hub_id: the same model on the hub.
        licence: of the weights; None: what the card in the folder states.

    Raises:
        InputError: it holds no model, or states a pooling that is not known here.
        UnsafeConfigError: the model's config asks for foreign code.
    """
    transformer = transformer_in(folder)
    check_folder(transformer)
    pooling = pooling or _pooling(folder, transformer)
    return Backbone(name, transformer, pooling, hub_id, license=licence or _license(folder))


def registered_here() -> list[str]:
    """Return the registered backbones that lie on this machine, ready to be opened; nothing is fetched or converted."""
    wheels = {name: read(BACKBONES.path(name)).parse(BackboneCard).wheel for name in BACKBONES.names()}
    copies = {name: wheel.copy_of(source.package, source.member) for name, source in wheels.items()}
    return [name for name, copy in copies.items() if copy.is_dir() or (copy.exists() and _converted(copy).exists())]


def backbone_available(name: str, where: str | None = None) -> Availability:
    """Say whether the backbone ``name`` is on this machine, or where it would come from; nothing is fetched.

    Raises:
        UnknownNameError: neither a registered name, nor a folder, nor a hub id.
    """
    plain, _ = _bits(name)
    if plain in BACKBONES.names():
        card = read(BACKBONES.path(plain)).parse(BackboneCard)
        return wheel.wheel_available(card.wheel.package, [card.wheel.member])
    hub_id, revision = _on_the_hub(plain, where)
    if hub_id:
        return hub_files.hub_available(hub_id, revision)
    folder = Path(plain).resolve()
    if (transformer_in(folder) / CONFIG).is_file():
        return Availability("here", str(folder))
    return Availability("missing", f"{folder} has no {CONFIG}")


def config_of(name: str, where: str | None = None) -> PretrainedConfig:
    """Return the config of the backbone ``name``, or a ``config.json``; of a hub repository nothing else is fetched.

    A registered backbone lies in one file with its config, so that it is opened.

    Raises:
        InputError: no config there, or one of an architecture that transformers does not know or that reads no texts.
        UnknownNameError: no such backbone.
        UnsafeConfigError: the config asks for foreign code.
        AssetError: the file cannot be fetched.
    """
    plain, _ = _bits(name)
    if plain in BACKBONES.names():
        return open_backbone(plain, where).config
    file = _config_file(plain, where)
    return config_object(read_json(file), str(file))


def says_bf16(name: str) -> bool:
    """Return whether the config of the backbone ``name`` says that its numbers are stored in bfloat16."""
    plain, _ = _bits(name)
    if plain in BACKBONES.names():
        return open_backbone(plain).stored_in_bf16
    content = read_json(_config_file(plain, None))
    return "bfloat16" in (content.get("dtype"), content.get("torch_dtype"))


def _config_file(name: str, where: str | None) -> Path:
    """Return the ``config.json`` that a path or a hub id stands for; of a hub repository nothing else is fetched."""
    file = Path(name)
    if file.is_file():
        return file
    hub_id, revision = _on_the_hub(name, where)
    return hub_files.hub_file(hub_id, CONFIG, revision) if hub_id else transformer_in(file.resolve()) / CONFIG


def bits_of(name: str) -> Quantization | None:
    """Return in how many bits the backbone ``name`` keeps its linear layers, by its name alone."""
    return _bits(name)[1]


def is_registered(name: str) -> bool:
    """Return whether ``name`` stands for a registered backbone, in however many bits: its files never change."""
    return _bits(name)[0] in BACKBONES.names()


def _bits(name: str) -> tuple[str, Quantization | None]:
    """Return a name without its ending for bits and without ``~``, and the bits; None where it has no such ending."""
    plain, _, bits = name.rpartition(":")
    quantization = next((option for option in get_args(Quantization) if bits == option), None)
    plain = plain if quantization else name
    return str(Path(plain).expanduser()) if plain.startswith("~") else plain, quantization


def _on_the_hub(name: str, where: str | None) -> tuple[str, str | None]:
    """Return hub id and revision that a name stands for; an empty id for a folder."""
    if Path(name).is_dir():
        return "", None
    if "/" not in name or name.startswith(("/", ".")):
        also = "" if "/" in name else "Hub ids are owner/name, as google-bert/bert-base-uncased."
        raise UnknownNameError("backbone", name, BACKBONES.names(), where, also, "workbench backbones list")
    hub_id, _, revision = name.partition("@")
    return hub_id, revision or None


def stated_pooling(path: Path, hint: str) -> Pooling:
    """Return the pooling that a module's config of sentence-transformers states.

    Raises:
        InputError: it cannot be read, or states none, several, or one that is not known here; ends with ``hint``.
    """
    stated = poolings(path)
    if len(stated) != 1 or stated[0] not in POOLINGS:
        named = " and ".join(stated) or "none"
        message = f"this pooling cannot be repeated: {named}"
        raise InputError(message, where=str(path), hint=f"Known: {', '.join(POOLINGS)}. {hint}")
    return POOLINGS[stated[0]]


def _pooling(folder: Path, transformer: Path) -> Pooling:
    """Return the pooling that a sentence-transformers folder states, else what suits the architecture."""
    if (folder / POOLING).is_file():
        return stated_pooling(folder / POOLING, ANOTHER_POOLING)
    config = read_json(transformer / CONFIG)
    causal = any(name.endswith("ForCausalLM") for name in named_architectures(config))
    return "last" if causal or config.get("is_encoder_decoder") else "mean"


def _license(folder: Path) -> str | None:
    """Return the licence that the model card beside the weights states."""
    stated = _card(folder)
    named = stated.get("license_name") or stated.get("license")
    return named if isinstance(named, str) else None


def base_in(folder: Path) -> str | None:
    """Return the hub id of the base model that the model card in a folder states."""
    named = _card(folder).get("base_model")
    [named] = named if isinstance(named, list) and len(named) == 1 else [named]
    return named if isinstance(named, str) else None


def _card(folder: Path) -> dict[str, Any]:
    """Return the front matter of the model card beside the weights; nothing where it cannot be read: it is optional."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    card = folder / "README.md"
    try:
        stated = metadata_load(card) if card.is_file() and card.stat().st_size <= LARGEST else None
        json.dumps(stated, ensure_ascii=False, default=str, skipkeys=True).encode()  # no half of a character
    except (OSError, ValueError, TypeError, RecursionError, yaml.YAMLError):
        return {}
    return stated if isinstance(stated, dict) else {}


def _convert(gguf: Path) -> Path:
    """Return a safetensors folder made from a GGUF file; converting takes long, so it is done once.

    Raises:
        IntegrityError: a file of the folder has changed since it was made. One that an earlier version made has no
            digests, and is taken as it is.
    """
    target = _converted(gguf)
    if not target.exists():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        with atomic.written_whole(target) as folder, quietly():
            AutoModelForCausalLM.from_pretrained(**source).save_pretrained(folder)
            AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
            checksummed.seal(folder, gguf.name)
    return _sound.value(target, checksummed.stamp(target), lambda: _compared(target, gguf))


def _compared(folder: Path, gguf: Path) -> Path:
    """Return a converted folder whose files have their digests; raises as :func:`_convert`."""
    try:
        checksummed.require_sound(folder, under=gguf.name)
    except IntegrityError as error:
        hint = f"Delete this folder, and it is made again from {gguf.name}: rm -r {shlex.quote(str(folder))}"
        raise IntegrityError(error.what, where=str(folder), hint=hint) from None
    return folder


def _converted(gguf: Path) -> Path:
    """Return where the folder lies, or would lie, that is made from a GGUF file."""
    return gguf.parent / f"{gguf.stem}.safetensors-folder"
