"""Skills of small problems, one file each: what is done to a list of words."""

from tasks.problems.skill import Skill
from workbench.settings.registry import Modules

SKILLS: Modules[Skill] = Modules("skill", __name__, "SKILL", Skill)
