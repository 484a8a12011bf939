"""``import adapter_workbench.models_of_0_2`` lets MLflow load models that were logged by 0.2.0 or before.

Their ``MLmodel`` names a module of a package ``workbench`` that was installed with those releases. That name is used
here only after this import, and only where no package of a person's own has it.
"""

from __future__ import annotations

import sys
from types import ModuleType

from adapter_workbench.workbench.mlflow import loader

PACKAGES = ("workbench", "workbench.mlflow")
LOADERS = ("workbench.logged_model", "workbench.mlflow.loader")

for _name in PACKAGES:
    if _name not in sys.modules:
        sys.modules[_name] = ModuleType(_name)
        sys.modules[_name].__path__ = []
for _name in LOADERS:
    sys.modules.setdefault(_name, loader)
