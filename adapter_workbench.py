"""The command ``workbench``, under a name that no file of a person is likely to have.

A ``tasks.py``, ``experiments/`` or ``workbench.py`` of theirs, in ``$PYTHONPATH`` or beside a notebook, comes before an
installed package of that name. Whoever imports this module first gets the packages that lie beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from experiments.watching.callback import ForgettingCallback as ForgettingCallback

PACKAGES = ("workbench", "tasks", "fusion", "experiments")
REFUSED = 2
ON_WINDOWS = os.name == "nt"
POSIX = "Adapter Workbench runs on Linux and macOS. On Windows, install it in WSL."  # whose locks of files it needs
INTERRUPTED = 130  # 128 + the number of SIGINT
HERE = Path(__file__).resolve().parent


class Beside:
    """Finds the four packages beside this file, before Python looks anywhere else."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where one of the packages is; None for every other module."""
        if name not in PACKAGES:
            return None
        if ON_WINDOWS:
            raise ImportError(POSIX)
        folder = HERE / name
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


def __getattr__(name: str) -> Any:
    """Return what other programs import from here; transformers comes with it, and only then."""
    if name != "ForgettingCallback":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.watching.callback import ForgettingCallback

    return ForgettingCallback


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported is one word too."""
    if ON_WINDOWS:
        _leave(REFUSED, f"Error: {POSIX}")
    try:
        from experiments.cli import main as run

        run()
    except KeyboardInterrupt:
        _leave(INTERRUPTED, "Stopped.")


def _leave(code: int, message: str) -> NoReturn:
    if sys.stderr:
        sys.stderr.write(f"{message}\n")
    sys.exit(code)


for _name in PACKAGES:
    _file = getattr(sys.modules.get(_name), "__file__", None)
    if _name in sys.modules and (_file is None or Path(_file).resolve().parent != HERE / _name):
        raise ImportError(
            f"{_name} was imported from {_file} already: import adapter_workbench before it, or rename it"
        )
sys.meta_path.insert(0, Beside)
if __name__ == "__main__":
    main()
