"""The numbers of docs/mlflow.md."""

STATED = [
    # a program that counted requests and seconds of logging, kept in no file
    "before | 315 to 346 | 4 s | 85 s | 5 s |",
    "now | 202 to 204 | 3 s | 40 s | 4 s |",
    "Of those that are left, 75 send a file each",
]


def pieces() -> list[str]:
    """Return none: what is stated was measured once."""
    return []
