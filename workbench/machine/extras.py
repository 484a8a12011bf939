"""Packages that an installation may do without: which are there, and what to install."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

from adapter_workbench.workbench.errors import InputError

EXTRAS = {  # package → the extra that installs it
    "adapters": "adapters",
    "ray": "cluster",
    "greenlet": "cluster",
    "lm-eval": "lm-eval",
    "openpyxl": "excel",
    "cma": "search",
}


@cache
def installed_version(package: str) -> str | None:
    """Return the version of a package; None where it is not installed.

    The installation is asked and not the import system, which takes any folder of that name for a package.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def install_command(package: str) -> str:
    """Return the command that installs a package of an extra."""
    return f"pip install 'adapter-workbench[{EXTRAS[package]}]'"


def absence(package: str) -> str | None:
    """Return the message for a missing optional package; None where it is installed."""
    if installed_version(package):
        return None
    return f"the package {package} is not installed; {install_command(package)} brings it"


def require_installed(package: str, what: str = "this adapter") -> None:
    """Make sure that a package of an extra is there, which ``what`` needs.

    Raises:
        InputError: it is not.
    """
    if not installed_version(package):
        hint = f"Install it: {install_command(package)}"
        raise InputError(f"the package {package} is not installed, and {what} needs it", hint=hint)


def require_extra(extra: str, what: str) -> None:
    """Make sure that all packages of an extra are there, which ``what`` needs; raises as :func:`require_installed`."""
    for package, brought_by in EXTRAS.items():
        if brought_by == extra:
            require_installed(package, what)
