"""reverse: all words, the last one first."""

from adapter_workbench.tasks.problems.skill import Skill

SKILL = Skill(tag="kor", apply=lambda words: words[::-1])
