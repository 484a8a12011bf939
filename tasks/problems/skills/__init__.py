"""Skills of small problems, one file each: what is done to a list of words."""

from adapter_workbench.tasks.problems.problem import Skill
from adapter_workbench.workbench.settings.registry import Modules

SKILLS: Modules[Skill] = Modules("skill", __name__, "SKILL", Skill)
