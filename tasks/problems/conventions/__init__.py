"""Answer conventions of small problems, one file each: how the words of an answer are written."""

from adapter_workbench.tasks.problems.problem import Convention
from adapter_workbench.workbench.settings.registry import Modules

CONVENTIONS: Modules[Convention] = Modules("answer convention", __name__, "CONVENTION", Convention)
