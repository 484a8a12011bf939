"""The versions of the packages that a fit's numbers depend on."""

from __future__ import annotations

from adapter_workbench.workbench.machine.extras import installed_version

DISTRIBUTION = "adapter-workbench"  # what pip calls this package
PACKAGES = ("torch", "transformers", "adapters", "peft", "accelerate")


def versions() -> dict[str, str]:
    """Return the versions of the packages that a fit's numbers depend on, as far as they are installed."""
    return {name: version for name in PACKAGES if (version := installed_version(name))}
