"""The numbers of docs/how-to/mlflow.md."""

STATED = [
    # a program that counted requests and seconds of logging, kept in no file
    "logging a small stream took 40 s instead of 3",
    "then it took 4 s",
]


def pieces() -> list[str]:
    """Return none: what is stated was measured once."""
    return []
