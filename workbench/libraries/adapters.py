"""adapters: bottleneck modules and their kin (https://docs.adapterhub.ml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

NAME = "workbench"


class Adapters:
    """Adds one adapter, always under the same name, so that a stored folder does not depend on where it was made."""

    def attach(self, body: Any, config: Any) -> nn.Module:
        """Return the body with a fresh active adapter."""
        _prepare(body)
        body.add_adapter(NAME, config=config)
        body.train_adapter(NAME)
        return _as_module(body)

    def save(self, body: Any, folder: Path) -> None:
        """Write ``adapter_config.json`` and ``adapter.safetensors``."""
        body.save_adapter(str(folder), NAME, with_head=False, use_safetensors=True)

    def load(self, body: Any, folder: Path, config: Any) -> nn.Module:
        """Return the body with the stored adapter active and trainable."""
        _prepare(body)
        body.load_adapter(str(folder), load_as=NAME, with_head=False, use_safetensors=True)
        body.train_adapter(NAME)
        return _as_module(body)

    def detach(self, body: Any) -> nn.Module:
        """Return the body without the adapter."""
        body.delete_adapter(NAME)
        return _as_module(body)


def _prepare(body: Any) -> None:
    import adapters

    if not hasattr(body, "adapters_config"):
        adapters.init(body)


def _as_module(body: nn.Module) -> nn.Module:
    return body


LIBRARY = Adapters()
