"""What works on this machine, found out by trying it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from workbench.assets import cache_folder
from workbench.errors import TrackingError
from workbench.tracking import Tracker, tracking_uri

if TYPE_CHECKING:
    from experiments.workspace import Workspace

PACKAGES = (
    "torch",
    "transformers",
    "adapters",
    "peft",
    "accelerate",
    "datasets",
    "mlflow",
    "bitsandbytes",
    "scikit-learn",
)
ROOM_GB = 2.0


@dataclass(frozen=True)
class Finding:
    """One thing that was tried: whether it works, whether all commands need it, what was seen or is to be done."""

    name: str
    works: bool
    needed: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def diagnose(workspace: Workspace) -> list[Finding]:
    """Try everything; a failure is a finding, never an exception."""
    return [*_packages(), *_device(), _quantisation(), _cache(), _room(workspace), _tracking(workspace)]


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, True, True, version(name))
        except PackageNotFoundError:
            yield Finding(name, False, True, "not installed: pip install adapter-workbench brings it")


def _device() -> Iterator[Finding]:
    import torch

    from workbench.model import resolve_precision

    gpu = torch.cuda.is_available()
    detail = torch.cuda.get_device_name() if gpu else f"none; training runs on {os.cpu_count()} processor cores"
    yield Finding("GPU", gpu, False, detail)
    fast = resolve_precision("auto") == "bf16"
    yield Finding("bfloat16", fast, False, f"precision auto means {resolve_precision('auto')} here")


def _quantisation() -> Finding:
    def quantise() -> str:
        import torch
        from bitsandbytes import functional

        packed, state = functional.quantize_4bit(torch.ones(64, 64), quant_type="nf4", compress_statistics=True)
        error = (functional.dequantize_4bit(packed, state) - 1).abs().max().item()
        return f"bitsandbytes packs and unpacks a matrix (largest error {error:.2g})"

    return _attempt("4-bit quantisation", quantise, needed=False)


def _cache() -> Finding:
    def write() -> str:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        return f"{folder} can be written"

    return _attempt("cache", write, needed=True)


def _room(workspace: Workspace) -> Finding:
    existing = next(path for path in (workspace.root, *workspace.root.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    return Finding("disk", free > ROOM_GB, True, f"{free:.1f} GB free at {existing}")


def _tracking(workspace: Workspace) -> Finding:
    uri = tracking_uri(workspace.root)
    if uri.startswith("sqlite:///"):
        return Finding("tracking", True, False, f"{uri} (made when something is logged)")
    try:
        Tracker(uri).ping()
    except TrackingError as error:
        return Finding("tracking", False, False, f"{error.what}; runs go on without it")
    return Finding("tracking", True, False, f"{uri} answers")


def _attempt(name: str, work: Callable[[], str], needed: bool) -> Finding:
    try:
        return Finding(name, True, needed, work())
    except Exception as error:  # whatever a library raises here is the finding
        return Finding(name, False, needed, f"{type(error).__name__}: {error}")
