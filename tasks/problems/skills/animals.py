"""animals: the words that name an animal, in their order."""

from adapter_workbench.tasks.problems.problem import ANIMALS, Skill

SKILL = Skill(tag="zeb", apply=lambda words: [word for word in words if word in ANIMALS])
