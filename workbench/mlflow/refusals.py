"""What a server refuses because of who asks, and what to do about it."""

from __future__ import annotations

UNKNOWN_USER, NOT_ALLOWED = 401, 403
MESSAGES = {
    UNKNOWN_USER: "MLflow's server does not accept this user and password. Set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN), which `mlflow` reads too",
    NOT_ALLOWED: "MLflow's server does not allow this user to do that. Whoever runs it can grant EDIT on "
    "the experiment, or MANAGE on the registered model",
}


def refusal(error: Exception) -> str | None:
    """Return what to say of an error of MLflow's client that is a refusal of who asks; None for any other error."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
    else:  # artifacts are sent through requests, whose errors have the answer
        status = getattr(getattr(error, "response", None), "status_code", None)
    return MESSAGES.get(status)
