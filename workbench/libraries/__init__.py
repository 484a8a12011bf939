"""How each package puts weights on a backbone, saves them, loads them and takes them off again."""

from workbench.library import Library
from workbench.registry import Modules

LIBRARIES: Modules[Library] = Modules("library", __name__, "LIBRARY")
