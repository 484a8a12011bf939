"""prompting: nothing is trained; solved examples stand before every question, and they are all that is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from torch import nn

from adapter_workbench.workbench.files import checksummed

DEMONSTRATIONS = TypeAdapter(tuple[tuple[str, str], ...])
FILE = "demonstrations.json"


class Prompting:
    """Keeps ``demonstrations``, pairs of text and answer, on the body; a causal-lm task's kind puts them into words."""

    calls_layers = True

    def attach(self, body: nn.Module, config: Any) -> nn.Module:
        """Return the frozen body, without any demonstrations yet."""
        return _with_demonstrations(body, ())

    def save(self, body: Any, folder: Path) -> None:
        """Write the demonstrations as a JSON list of pairs."""
        (folder / FILE).write_text(json.dumps(body.demonstrations, ensure_ascii=False, indent=2), encoding="utf-8")

    def load(self, body: nn.Module, folder: Path, config: Any) -> nn.Module:
        """Return the frozen body with the stored demonstrations; raises IntegrityError where they cannot be read."""
        return _with_demonstrations(body, checksummed.require(DEMONSTRATIONS, folder / FILE))

    def detach(self, body: Any) -> nn.Module:
        del body.demonstrations
        bare: nn.Module = body
        return bare


def _with_demonstrations(body: Any, demonstrations: tuple[tuple[str, str], ...]) -> nn.Module:
    body.demonstrations = demonstrations
    frozen: nn.Module = body.requires_grad_(False)
    return frozen


LIBRARY = Prompting()
