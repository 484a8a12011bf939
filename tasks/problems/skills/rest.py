"""rest: all words but the first."""

from adapter_workbench.tasks.problems.problem import Skill

SKILL = Skill(tag="gax", apply=lambda words: words[1:])
