"""Where MLflow finds what opens an adapter. The name of this module stands in every model logged, so it stays here."""

from adapter_workbench.workbench.mlflow.logged_model import open_logged as _load_pyfunc

__all__ = ["_load_pyfunc"]
