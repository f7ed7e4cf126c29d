"""The small trained models that ship with the toybox, each with a JSON that describes it."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import DatasetError

_WEIGHTS = Path(__file__).parent / "weights"
#: The shipped checkpoints, best first; a JSON with the same stem beside each one says how it was made.
SHIPPED = ("toybox_resnet", "toybox_byobnet", "toybox_briefly_trained")


def toybox_checkpoint(name: str = SHIPPED[0]) -> Path:
    """Return the path of a shipped checkpoint, which `timm` can load.

    Raise `DatasetError` if no checkpoint of that name ships.
    """
    path = _WEIGHTS / f"{name}.pth"
    if name not in SHIPPED or not path.is_file():
        raise DatasetError(f"no toybox checkpoint {name!r}; there are {', '.join(SHIPPED)}")
    return path
