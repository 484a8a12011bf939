"""How each package puts weights on a backbone, saves them, loads them and takes them off again."""

from adapter_workbench.workbench.machine.extras import require_installed
from adapter_workbench.workbench.methods.library import Library
from adapter_workbench.workbench.settings.registry import Modules

NEEDS = {"adapters": "adapters", "adapterfusion": "adapters"}  # library → the package of an extra that it works with


class Libraries(Modules[Library]):
    """The libraries of this folder, as far as their packages are installed."""

    def get(self, name: str, where: str | None = None) -> Library:
        """Return the library called ``name``.

        Raises:
            UnknownNameError: no such library.
            InputError: its package is not installed.
        """
        library = super().get(name, where)
        if name in NEEDS:
            require_installed(NEEDS[name])
        return library


LIBRARIES = Libraries("library", __name__, "LIBRARY", Library)
