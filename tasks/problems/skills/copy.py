"""copy: all words, in their order: what a convention is learned on."""

from adapter_workbench.tasks.problems.problem import Skill

SKILL = Skill(tag="mip", apply=lambda words: words, trivial=True)
