"""The numbers of docs/how-to/serving.md."""

STATED = [
    "`workbench serve --router mahalanobis --max-false-rejections 0.05`",
]


def pieces() -> list[str]:
    """Return none: nothing of it was measured."""
    return []
