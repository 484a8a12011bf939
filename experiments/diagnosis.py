"""What works on this machine, found out by trying it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from workbench.assets import cache_folder
from workbench.errors import InputError, TrackingError
from workbench.quantisation import keep_as_packed
from workbench.tracking import Tracker, tracking_uri
from workbench.training import require_optimizer

if TYPE_CHECKING:
    from experiments.workspace import Workspace
    from workbench.settings import Quantization

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
    return [*_packages(), *_device(), *_quantisation(), _cache(), _room(workspace), _tracking(workspace)]


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


def _quantisation() -> Iterator[Finding]:
    yield _attempt("nf4 backbones", lambda: _gradient("nf4"), needed=False)
    yield _attempt("int8 backbones", lambda: _gradient("int8"), needed=False)
    yield _attempt("8-bit AdamW", _eight_bit_step, needed=False)
    yield _attempt("paged AdamW", _paged, needed=False)


def _gradient(quantization: Quantization) -> str:
    """Multiply by a packed matrix there and back."""
    import torch
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    whole = torch.nn.Linear(64, 64)
    layer = (
        Linear4bit(64, 64, quant_type="nf4") if quantization == "nf4" else Linear8bitLt(64, 64, has_fp16_weights=False)
    )
    layer.load_state_dict(whole.state_dict())
    keep_as_packed(layer.to("cuda" if torch.cuda.is_available() else "cpu"))
    given = torch.ones(2, 64, device=layer.weight.device, requires_grad=True)
    layer(given).sum().backward()
    wanted = whole.weight.detach().sum(dim=0)
    error = (given.grad[0].cpu() - wanted).detach().norm() / wanted.norm() if given.grad is not None else torch.inf
    return f"budget.quantization={quantization} works; a gradient through a packed matrix is off by {float(error):.1%}"


def _eight_bit_step() -> str:
    import torch
    from bitsandbytes.optim import AdamW8bit

    weight = torch.nn.Parameter(torch.zeros(64, 64, device="cuda" if torch.cuda.is_available() else "cpu"))
    weight.grad = torch.ones_like(weight)
    AdamW8bit([weight], lr=0.5).step()
    if not torch.allclose(
        weight, torch.full_like(weight, -0.5), rtol=0.01
    ):  # a first step of Adam is the learning rate
        raise InputError("a step went astray")
    return "optimizer=adamw-8bit works"


def _paged() -> str:
    require_optimizer("paged-adamw-8bit")
    return "optimizer=paged-adamw-8bit works"


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
        told = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Finding(name, False, needed, told)
