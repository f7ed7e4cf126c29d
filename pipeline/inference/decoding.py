"""What decodes the images of a run, the CPU (Pillow) or a GPU: which one a run takes, and how far the two may differ.

Nothing here loads torch before a GPU is asked for.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.inference.parts import DECODING, settings_of_parts
from pipeline.inference.precision import Agreement

if TYPE_CHECKING:
    import torch

AskedDecoding = Literal["auto", "cpu", "gpu"]
#: The least share of images with the same first class, and of the topmost classes in common, with Pillow's pixels. On
#: photographs a GPU's were 99.0% and 97.4% (EfficientNet-Lite0): what lies below this is more than rounding.
_SAME_FIRST, _IN_COMMON = 0.98, 0.95
#: As many images of a sample may always differ in their first class: in a small one, a single image is a large share.
_MAY_DIFFER = 2


def decoding_as_asked(text: str) -> AskedDecoding:
    """Return what a person named; raise `ProjectError` if there is nothing by this name."""
    if text not in get_args(AskedDecoding):
        raise ProjectError(f"--decode {text}: there are {', '.join(get_args(AskedDecoding))}")
    return text  # type: ignore[return-value]  # just compared


def decoding_device(devices: str) -> torch.device:
    """Return the GPU that decodes.

    Parameters
    ----------
    devices
        As for :class:`pipeline.inference.filling.RunOptions`.

    Raises
    ------
    ProjectError
        If there is none that can.
    """
    import torch

    from pipeline.inference.hardware import choose_devices

    found = [device for device in choose_devices(devices) if device.type == "cuda" and torch.version.cuda]
    if not found:
        raise ProjectError(
            f"--decode gpu: needs an Nvidia GPU, and --device {devices} is none here; give --decode cpu (with "
            "--restart where a run was begun)"
        )
    try:
        from pipeline.inference.gpu_decoding import decode_something

        decode_something(found[0])
    except (ImportError, RuntimeError, TypeError) as error:  # too old, built without it, or taken out since
        said = " ".join(str(error).split())[:200]
        raise ProjectError(
            f"--decode gpu: this torchvision decodes nothing on a GPU ({said}); give --decode cpu"
        ) from error
    return found[0]


def settings_of_decoding(asked: AskedDecoding, exif: str, *tables: Path, restart: bool = False) -> dict[str, Any]:
    """Return what the record of a run says of its decoding: nothing of Pillow, as before there was another.

    ``auto`` takes Pillow, but goes on as one of the run's tables was begun.

    Parameters
    ----------
    asked
        What the person wants.
    exif
        The project's rule for turning images.
    tables
        The tables that the run fills.
    restart
        Whether what is there is thrown away.
    """
    begun = () if restart else map(_settings_of, tables)
    is_gpu = asked == "gpu" or (asked == "auto" and any(DECODING in settings for settings in begun))
    return {DECODING: {"decoder": "nvjpeg", "resize": "torch, antialiased", "exif": exif}} if is_gpu else {}


def refuse_other_rankings(model: str, found: Agreement) -> None:
    """Raise `ProjectError` if a GPU's pixels change a model's rankings more than rounding would."""
    may_differ = max(_MAY_DIFFER, int(found.n_images * (1 - _SAME_FIRST)))
    is_same = found.n_images - found.n_same_first <= may_differ
    if not is_same or found.n_in_common < _IN_COMMON * found.n_ranked:
        raise ProjectError(
            f"--decode gpu: {model} ranks too differently from what it makes of Pillow's pixels: {found}, "
            f"where {_SAME_FIRST:.0%} and {_IN_COMMON:.0%} are asked for; give --decode cpu"
        )


def _settings_of(table: Path) -> dict[str, Any]:
    if not table.exists():
        return settings_of_parts(table.with_suffix(".partial")) or {}
    content: dict[str, Any] = json.loads((pq.read_metadata(table).metadata or {}).get(b"settings", b"{}"))
    return content
