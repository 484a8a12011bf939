"""The pretrained transformer and its tokenizer, opened by name, hub id or folder; its config is checked first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from workbench import assets, quantisation
from workbench.errors import InputError, UnknownNameError, UnsafeConfigError
from workbench.registry import Documents
from workbench.settings import Quantization, Settings, read

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

BACKBONES = Documents("backbone", [Path(__file__).parent / "backbones"])
ATTENTION = (None, "eager", "sdpa", "flash_attention_2", "flex_attention")
CONFIG = "config.json"
Pooling = Literal["mean", "first", "last"]
POOLING_MODES: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "first", "lasttoken": "last"}


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


@dataclass(frozen=True)
class Backbone:
    """A pretrained transformer on this machine.

    Attributes:
        name: as it was asked for: a registered name, a hub id or a path; ``:nf4`` or ``:int8`` after it is the
            quantisation.
        folder: ``config.json``, safetensors weights and tokenizer files.
        pooling: how token states become a text's feature vector: ``mean`` over tokens, ``first`` or ``last`` token.
        hub_id: the same model on the hub, for model cards; empty when unknown.
        quantization: in how many bits its linear layers are kept; None where they are as they were trained.
        license: of the weights, where known.
    """

    name: str
    folder: Path
    pooling: Pooling
    hub_id: str = ""
    quantization: Quantization | None = None
    license: str | None = None

    def quantized(self, quantization: Quantization | None, where: str | None = None) -> Backbone:
        """Return the same backbone in so many bits; None leaves it as it is.

        Raises:
            InputError: its name says something else.
        """
        if quantization in (None, self.quantization):
            return self
        if self.quantization:
            hint = "Say it once: in the backbone's name, or as budget.quantization."
            raise InputError(f"{self.name!r} is not {quantization}", where=where, hint=hint)
        return replace(self, name=f"{self.name}:{quantization}", quantization=quantization)

    @cached_property
    def config(self) -> PretrainedConfig:
        """The model's config, read after :func:`check_config` has passed."""
        from transformers import AutoConfig

        return AutoConfig.from_pretrained(self.folder)

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer; a model without a padding token pads with its end token."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the pretrained weights: names, shapes and bytes of every tensor, as it is kept."""
        return fingerprint(quantisation.parameters(self.load()))

    def load(self) -> nn.Module:
        """Return a fresh copy of the transformer without any head, in evaluation mode.

        It is in float32; of a quantised one, what is not packed.
        Its output holds ``last_hidden_state`` (batch, tokens, hidden_size). Weights that the checkpoint lacks (often
        a pooler) are drawn from a fixed seed, so that every copy is the same; the caller's generator is left alone.
        """
        import torch
        from transformers import AutoModel

        options: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}
        if self.quantization:
            options |= {"quantization_config": quantisation.packing(self.quantization), "device_map": {"": "cpu"}}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            body: nn.Module = AutoModel.from_pretrained(self.folder, **options)
        return quantisation.keep_as_packed(body.eval()) if self.quantization else body.eval()

    def require_length(self, tokens: int, where: str | None = None, virtual: int = 0) -> None:
        """Make sure that texts of ``tokens`` tokens fit the model, with ``virtual`` tokens of a method before each.

        Raises:
            InputError: its positions end before that.
        """
        positions = getattr(self.config, "max_position_embeddings", None)
        longest = min(self.tokenizer.model_max_length, positions - virtual if positions else tokens)
        if tokens > longest:
            before = f" after {virtual} virtual tokens" if virtual else ""
            raise InputError(
                f"max_length {tokens} is more than {self.name!r} can read{before}",
                where=where,
                hint=f"It has room for {longest} tokens of a text{before}.",
            )


def fingerprint(parameters: Iterable[tuple[str, Any]]) -> str:
    """Return the SHA-256 over (name, shape, bytes) of ``parameters``, in the order given."""
    total = hashlib.sha256()
    for name, tensor in parameters:
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().data)
    return total.hexdigest()


def open_backbone(name: str, where: str | None = None) -> Backbone:
    """Return the backbone ``name``: a registered name, a local folder, or a hub id (``owner/model[@revision]``).

    ``:nf4`` or ``:int8`` after any of them keeps its linear layers in so many bits (:mod:`workbench.quantisation`).

    Raises:
        UnknownNameError: none of the three.
        InputError: a folder that holds no model.
        UnsafeConfigError: the model's config asks for foreign code.
        AssetError: the bytes cannot be fetched.
    """
    plain, bits = _bits(name)
    if bits:
        return open_backbone(plain, where).quantized(bits)
    if name in BACKBONES.names():
        card = read(BACKBONES.path(name)).parse(BackboneCard)
        member = assets.wheel_member(card.wheel.package, card.wheel.member, card.wheel.sha256)
        folder = member if member.is_dir() else _converted(member)
        check_config(folder)
        return Backbone(name, folder, card.pooling, card.hub_id, license=card.license)
    hub_id, revision = _on_the_hub(name, where)
    folder = assets.hub_folder(hub_id, revision) if hub_id else Path(name).resolve()
    check_config(folder)
    return Backbone(name, folder, _pooling(folder), hub_id, license=_license(folder))


def config_of(name: str, where: str | None = None) -> PretrainedConfig:
    """Return the config of the backbone ``name``, or a ``config.json``; of a hub repository nothing else is fetched.

    A registered backbone lies in one file with its config, so that it is opened.

    Raises:
        InputError: no config there, or one of an architecture that transformers does not know or that reads no texts.
        UnknownNameError: no such backbone.
        UnsafeConfigError: the config asks for foreign code.
        AssetError: the file cannot be fetched.
    """
    from transformers import AutoConfig

    plain, _ = _bits(name)
    if plain in BACKBONES.names():
        return open_backbone(plain, where).config
    file = Path(plain)
    if not file.is_file():
        hub_id, revision = _on_the_hub(plain, where)
        file = assets.hub_file(hub_id, CONFIG, revision) if hub_id else file.resolve() / CONFIG
    check_keys(file)
    content = _read_json(file)
    try:
        config = AutoConfig.for_model(**content)
    except (TypeError, ValueError):
        what = f"transformers knows no model of the type {content.get('model_type')!r}"
        raise InputError(what, where=str(file)) from None
    if not hasattr(config, "hidden_size"):
        what = f"a {config.model_type} does not tell a hidden_size, so it is no transformer that reads texts"
        raise InputError(what, where=str(file))
    return config


def bits_of(name: str) -> Quantization | None:
    """Return in how many bits the backbone ``name`` keeps its linear layers, by its name alone."""
    return _bits(name)[1]


def _bits(name: str) -> tuple[str, Quantization | None]:
    """Return a name without the bits that it may end with, and those."""
    plain, _, bits = name.rpartition(":")
    return next(((plain, each) for each in get_args(Quantization) if bits == each), (name, None))


def _on_the_hub(name: str, where: str | None) -> tuple[str, str | None]:
    """Return hub id and revision that a name stands for; an empty id for a folder."""
    if Path(name).is_dir():
        return "", None
    if "/" not in name or name.startswith(("/", ".")):
        hint = "" if "/" in name else " Hub ids are owner/name, as google-bert/bert-base-uncased."
        raise UnknownNameError("backbone", name, BACKBONES.names(), where, hint)
    hub_id, _, revision = name.partition("@")
    return hub_id, revision or None


def check_config(folder: Path) -> None:
    """Refuse a folder that would make transformers fetch, unpickle or run what is not its own.

    transformers 4.57.6 follows ``_attn_implementation_internal`` (CVE-2026-4372) and a nested ``trust_remote_code``
    (CVE-2026-5241) even where the caller passed ``trust_remote_code=False``; so the file is read before it does.

    Raises:
        InputError: no readable ``config.json`` with a ``model_type``, no safetensors, or an adapter beside the model.
        UnsafeConfigError: a key that names foreign code, or an attention implementation that is not built in.
    """
    check_keys(folder / CONFIG)
    if (folder / "adapter_config.json").exists():
        hint = "Give the backbone's own folder; an adapter's config may lead transformers to another model."
        raise InputError("an adapter lies beside this model", where=str(folder), hint=hint)
    if not any(folder.glob("*.safetensors")):
        hint = "Pickled weights are not read; save the model with save_pretrained, which writes safetensors."
        raise InputError("there are no safetensors weights here", where=str(folder), hint=hint)


def check_keys(config: Path) -> None:
    """Refuse a config, or that of a tokenizer beside it, that names foreign code: :func:`check_config` says how."""
    if "model_type" not in _read_json(config):
        hint = "Is this an adapter, not a backbone?"
        raise InputError("the config names no model_type", where=str(config), hint=hint)
    tokenizer = config.parent / "tokenizer_config.json"
    for path in [config, *([tokenizer] if tokenizer.exists() else [])]:
        for key, value in _walk(_read_json(path)):
            attention = key in {"attn_implementation", "_attn_implementation"} and value not in ATTENTION
            if attention or key in {"_attn_implementation_internal", "auto_map", "trust_remote_code"}:
                raise UnsafeConfigError(
                    f"{key}: {value!r} would load code from elsewhere",
                    where=str(path),
                    hint="Remove the key if you trust the weights alone; the workbench runs no remote code.",
                )


def _read_json(path: Path) -> dict[str, Any]:
    hint = "A backbone is a folder with config.json, safetensors weights and tokenizer files."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"no readable model config: {error}", where=str(path.parent), hint=hint) from None
    if not isinstance(content, dict):
        raise InputError("no readable model config: expected a mapping", where=str(path), hint=hint)
    return content


def _walk(config: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield key, value
            yield from _walk(value)
    elif isinstance(config, list):
        for value in config:
            yield from _walk(value)


def _pooling(folder: Path) -> Pooling:
    """Return the pooling that a sentence-transformers folder states, else what suits the architecture."""
    stated = folder / "1_Pooling" / "config.json"
    if stated.is_file():
        modes = json.loads(stated.read_text(encoding="utf-8"))
        named = [pooling for mode, pooling in POOLING_MODES.items() if modes.get(f"pooling_mode_{mode}")]
        if named:
            return named[0]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    causal = any(name.endswith("ForCausalLM") for name in config.get("architectures") or [])
    return "last" if causal or config.get("is_encoder_decoder") else "mean"


def _license(folder: Path) -> str | None:
    """Return the licence that the model card beside the weights states."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    card = folder / "README.md"
    try:
        stated = (metadata_load(card) if card.is_file() else None) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return None  # a card that cannot be read is in nobody's way
    named = stated.get("license_name") or stated.get("license")
    return named if isinstance(named, str) else None


def _converted(gguf: Path) -> Path:
    """Return a safetensors folder made from a GGUF file; converting takes long, so it is done once."""
    target = gguf.parent / f"{gguf.stem}.safetensors-folder"
    if not target.exists():
        from transformers import AutoModelForCausalLM, AutoTokenizer

        place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        with assets.written_whole(target) as folder:
            AutoModelForCausalLM.from_pretrained(**place).save_pretrained(folder)
            AutoTokenizer.from_pretrained(**place).save_pretrained(folder)
    return target
