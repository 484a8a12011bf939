"""What strategies are built of: bodies to extend, the stage that they see, and tensors by name."""

from adapter_workbench.experiments.strategies import Context, State, Strategy
from adapter_workbench.experiments.strategies._branches import Branches
from adapter_workbench.experiments.strategies._heads import head_file, head_for, head_name, save_heads, stored_head
from adapter_workbench.experiments.strategies._remedied import Remedied
from adapter_workbench.experiments.strategies._shared import RemedySettings, SharedWeights, Strength
from adapter_workbench.experiments.strategies._stage import Stage
from adapter_workbench.experiments.strategies._weights import body_weights, distance
from adapter_workbench.workbench.methods.model import Correction, Penalty
from adapter_workbench.workbench.training.remedy import Learner, Remedy, RemedyState, Row, Rows

__all__ = ["Branches", "Context", "Correction", "Learner", "Penalty", "Remedied", "Remedy", "RemedySettings"]
__all__ += ["RemedyState", "Row", "Rows", "SharedWeights", "Stage", "State", "Strategy"]
__all__ += ["Strength", "body_weights", "distance", "head_file", "head_for", "head_name", "save_heads"]
__all__ += ["stored_head"]
