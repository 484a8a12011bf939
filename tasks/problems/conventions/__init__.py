"""Answer conventions of small problems, one file each: how the words of an answer are written."""

from tasks.problems.convention import Convention
from workbench.settings.registry import Modules

CONVENTIONS: Modules[Convention] = Modules("answer convention", __name__, "CONVENTION", Convention)
