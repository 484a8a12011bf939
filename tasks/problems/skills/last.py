"""last: the last word."""

from adapter_workbench.tasks.problems.problem import Skill

SKILL = Skill(tag="dax", apply=lambda words: words[-1:])
