"""last: the last word."""

from adapter_workbench.tasks.problems.skill import Skill

SKILL = Skill(tag="dax", apply=lambda words: words[-1:])
