"""Fingerprints of pretrained weights: from the files' tensors, and remembered while the files stay as they are.

That a loaded backbone did not change is proven without reading its weights: they are still unmodified pages of their
file. What answers depend on besides: the config, and the files that the tokenizer is read from.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from weakref import WeakKeyDictionary

from pydantic import Field, TypeAdapter

from adapter_workbench.workbench.backbone.architecture import skeleton
from adapter_workbench.workbench.backbone.checkpoint import require_whole
from adapter_workbench.workbench.backbone.config import config_object, read_json
from adapter_workbench.workbench.backbone.finite_weights import require_finite
from adapter_workbench.workbench.backbone.model_folder import CONFIG, INDEX, weight_files
from adapter_workbench.workbench.backbone.stored_tensors import assign_tensors
from adapter_workbench.workbench.backbone.tokenizer_files import tokenizer_files
from adapter_workbench.workbench.errors import InputError, IntegrityError, UnwritableError
from adapter_workbench.workbench.files import checksummed
from adapter_workbench.workbench.files.cache import cache_folder
from adapter_workbench.workbench.files.checksummed import SETTLED
from adapter_workbench.workbench.files.digest import digest, key
from adapter_workbench.workbench.machine.extras import installed_version
from adapter_workbench.workbench.machine.page_table import are_unwritten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    import torch
    from torch import Tensor, nn
    from transformers import PretrainedConfig

FOLDER = "fingerprints"  # in the cache
REVISION = 2  # of what is computed and checked here
LARGEST = 1 << 12  # bytes of an entry
SHA256 = r"^[0-9a-f]{64}$"
_known: dict[str, str] = {}  # state of files → fingerprint, in this process
_finite: set[str] = set()  # states of files whose numbers were looked at, in this process
ASIDE = {"_name_or_path", "name_or_path", "architectures", "transformers_version"}  # where it lies, and who wrote it


@dataclass(frozen=True)
class Entry:
    """What the cache holds for a folder."""

    state: Annotated[str, Field(pattern=SHA256)]  # key of the files' state that the fingerprint was computed from
    fingerprint: Annotated[str, Field(pattern=SHA256)]  # of the weights


ENTRY = TypeAdapter(Entry)


def fingerprint(parameters: Iterable[tuple[str, Tensor]]) -> str:
    """Return the SHA-256 over (name, shape, bytes) of ``parameters``, in the order given; bfloat16 is widened."""
    import torch

    total = hashlib.sha256()
    for name, given in parameters:
        tensor = given.float() if given.dtype is torch.bfloat16 else given
        total.update(_title(name, tuple(tensor.shape), tensor.dtype))
        total.update(tensor.detach().cpu().contiguous().numpy().data)
    return total.hexdigest()


def of_files(folder: Path, config: PretrainedConfig) -> str | None:
    """Return the fingerprint that the transformer in ``folder`` has once it is loaded in float32, without loading it.

    It is computed once for each state of the files (path, size, times of change), and the cache remembers it for other
    processes; an entry that is damaged, or of another state, is computed anew.

    Returns:
        None where only loading can tell: a part is drawn anew, or tensors are not simply copied.

    Raises:
        InputError: the weights cannot be read, hold NaN or infinity, or are not those that the config describes.
    """
    require_numbers(folder)
    state = state_of(folder)
    if state is None:
        return _stream(folder, config)
    sha256 = stored_fingerprint(folder, state)
    if sha256 is None and (sha256 := _stream(folder, config)) is not None:
        _write(Entry(state, sha256), _entry(folder))
        _known[state] = sha256
    return sha256


def require_numbers(folder: Path) -> None:
    """Make sure that no weight in a model's folder is NaN or infinite; for each state of the files this is done once.

    Files whose fingerprint is remembered were looked at before that was computed, by whatever process.

    Raises:
        InputError: one is, or the weights cannot be read.
    """
    state = state_of(folder)
    if state is not None and (state in _finite or stored_fingerprint(folder, state)):
        return
    for path in weight_files(folder):
        require_finite(path)
    if state is not None:
        _finite.add(state)


def state_of(folder: Path) -> str | None:
    """Return the key of what determines the fingerprint: path, size and times of change of each file.

    None where a file cannot be looked at or has just changed: it may change once more within the grain of the times.
    """
    try:
        files = [folder / CONFIG, *([folder / INDEX] if (folder / INDEX).is_file() else []), *weight_files(folder)]
        stats = [path.stat() for path in files]
    except (OSError, InputError):
        return None
    if any(max(stat.st_mtime, stat.st_ctime) > time.time() - SETTLED for stat in stats):
        return None
    times = [(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in stats]
    return key([[str(path.resolve()) for path in files], times, installed_version("transformers"), REVISION])


def stored_fingerprint(folder: Path, state: str) -> str | None:
    """Return the fingerprint that any process stored for the files of ``folder`` in this state."""
    if state not in _known and (sha256 := _read_entry(_entry(folder), state)):
        _known[state] = sha256
    return _known.get(state)


@dataclass(frozen=True)
class LoadedBody:
    """A body as it was loaded."""

    state: str  # of the files that it was loaded from
    # its parameters by name, in the memory where they were; it is held, so that nothing else comes there
    weights: Mapping[str, Tensor]


_loaded: WeakKeyDictionary[nn.Module, LoadedBody] = WeakKeyDictionary()


def remember(body: nn.Module, state: str | None) -> None:
    """Remember where the weights of a freshly loaded ``body`` are, if they are pages of a file.

    Args:
        body: nobody has changed it yet.
        state: of the files, as :func:`state_of` told before they were read.
    """
    weights = {name: parameter.detach() for name, parameter in body.named_parameters()}
    if state is not None and _are_pages_of_files(weights.values()):
        _loaded[body] = LoadedBody(state, weights)


def is_untouched(body: nn.Module, folder: Path, fingerprint: str) -> bool:
    """Return whether it is proven that ``body`` has the weights of ``fingerprint``, which are those in ``folder``.

    Every parameter is where it was when the body was loaded, no page of it was written to since, and the files are
    those that the fingerprint was computed from. False means only that the weights have to be read.
    """
    loaded = _loaded.get(body)
    if loaded is None or stored_fingerprint(folder, loaded.state) != fingerprint:
        return False
    now = {name: parameter.detach() for name, parameter in body.named_parameters()}
    if list(now) != list(loaded.weights) or not all(_are_one(now[name], old) for name, old in loaded.weights.items()):
        return False
    return _are_pages_of_files(now.values()) and state_of(folder) == loaded.state


def config_facts(folder: Path) -> dict[str, Any]:
    """Return what a config says of the computation; it is read anew: whoever loads a model may write into its own."""
    path = folder / CONFIG
    stated = config_object(read_json(path), str(path)).to_dict()
    return {name: value for name, value in stated.items() if name not in ASIDE}


def tokenizer_digests(folder: Path) -> dict[str, str]:
    """Return the digests of the files that the tokenizer in a transformer's folder is read from, by their names."""
    return {path.name: digest(path) for path in tokenizer_files(folder)}


def _stream(folder: Path, config: PretrainedConfig) -> str | None:
    """Return the fingerprint from one tensor after another, a part of it in memory at a time."""
    import torch

    parts = assign_tensors(skeleton(config), folder)
    if parts is None:
        return None
    require_whole(folder, config, {"missing_keys": [], "unexpected_keys": parts.unexpected})
    total = hashlib.sha256()
    for name, tensor in parts.parameters.items():
        total.update(_title(name, tensor.shape, torch.float32))
        for chunk in tensor.chunks():
            total.update(chunk.numpy().data)
    return total.hexdigest()


def _title(name: str, shape: Sequence[int], dtype: torch.dtype) -> bytes:
    return f"{name} {tuple(shape)} {dtype}\n".encode()


def _entry(folder: Path) -> Path:
    return cache_folder() / FOLDER / f"{key(str(folder.resolve()))}.json"


def _read_entry(path: Path, state: str) -> str | None:
    """Return the fingerprint in an entry; None where it cannot be read or is of another state."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        entry = checksummed.read(ENTRY, path)
    except (OSError, IntegrityError):
        return None
    return entry.fingerprint if entry and entry.state == state else None


def _write(entry: Entry, path: Path) -> None:
    """Keep an entry; where the cache cannot be written, the fingerprint is computed again next time."""
    with suppress(OSError, UnwritableError):
        checksummed.write(ENTRY, entry, path)


def _are_pages_of_files(weights: Collection[Tensor]) -> bool:
    on_accelerator = any(weight.device.type != "cpu" for weight in weights)
    return not on_accelerator and are_unwritten((weight.data_ptr(), weight.nbytes) for weight in weights)


def _are_one(left: Tensor, right: Tensor) -> bool:
    """Return whether two tensors are the same numbers in the same memory."""
    traits = [
        (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device) for tensor in (left, right)
    ]
    return traits[0] == traits[1] and left.is_contiguous()
