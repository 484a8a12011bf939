"""reverse: all words, the last one first."""

from adapter_workbench.tasks.problems.problem import Skill

SKILL = Skill(tag="kor", apply=lambda words: words[::-1])
