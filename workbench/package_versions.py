"""The versions of the packages that a fit's numbers depend on."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version

PACKAGES = ("torch", "transformers", "adapters", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Return the versions of the packages that a fit's numbers depend on."""
    return {name: _version(name) for name in PACKAGES}


@cache
def _version(package: str) -> str:
    return version(package)  # the same while this process runs, and asked for by every fit of a plan
