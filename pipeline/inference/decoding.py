"""What decodes the images of a run, the CPU (Pillow) or a GPU: which one a run takes, and how far the two may differ.

Nothing here loads torch before a GPU is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pipeline.errors import ProjectError
from pipeline.images.plain_jpeg import read_plain_jpeg
from pipeline.inference.parts import DECODING, settings_begun
from pipeline.inference.precision import Agreement, sample_of

if TYPE_CHECKING:
    import torch

    from pipeline.inference.loading import ImageFiles

AskedDecoding = Literal["auto", "cpu", "gpu"]
#: The least share of images with the same first class, and of the topmost classes in common, with Pillow's pixels. On
#: photographs a GPU's were 99.0% and 97.4% (EfficientNet-Lite0): what lies below this is more than rounding.
_SAME_FIRST, _IN_COMMON = 0.98, 0.95
#: As many images of a sample may differ in their first class whatever their share, where each stands for as many
#: others: in a small sample a single image is a large share, and in a tiny one it is all there is to go by.
_MAY_DIFFER, _FOR_EACH = 2, 16
#: How many times the images of a sample are looked at in search of JPEGs.
_LOOKED_AT = 10
#: What helps where a GPU or this machine is not the right one; `mlf evaluate` has --restart alone.
OR_ANEW = "give --decode cpu; where a run was begun, --restart without --decode begins it anew on the CPU"


class DecodingError(ProjectError):
    """A GPU cannot decode a run's images; `why` leaves out what to do, which is another thing in another command."""

    def __init__(self, why: str, advice: str = "give --decode cpu") -> None:
        super().__init__(f"{why}; {advice}")
        self.why = why


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
    DecodingError
        If there is none that can.
    """
    import torch

    from pipeline.inference.hardware import choose_devices

    found = [device for device in choose_devices(devices) if device.type == "cuda" and torch.version.cuda]
    if not found:
        raise DecodingError(f"--decode gpu: needs an Nvidia GPU, and --device {devices} is none here", OR_ANEW)
    try:
        from pipeline.inference.gpu_decoding import decode_something

        decode_something(found[0])
    except (ImportError, RuntimeError, TypeError) as error:  # too old, built without it, or taken out since
        said = " ".join(str(error).split())[:200]
        raise DecodingError(f"--decode gpu: this torchvision decodes nothing on a GPU ({said})") from error
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
    begun = () if restart else map(settings_begun, tables)
    is_gpu = asked == "gpu" or (asked == "auto" and any(DECODING in settings for settings in begun))
    return {DECODING: {"decoder": "nvjpeg", "resize": "torch, antialiased", "exif": exif}} if is_gpu else {}


def refuse_other_rankings(model: str, found: Agreement) -> None:
    """Raise `DecodingError` if a GPU's pixels change a model's rankings more than rounding would, or none were seen."""
    if not found.n_images:
        raise DecodingError(f"--decode gpu: no JPEG was found that shows how {model} ranks a GPU's pixels")
    may_differ = max(min(_MAY_DIFFER, found.n_images // _FOR_EACH), int(found.n_images * (1 - _SAME_FIRST)))
    is_same = found.n_images - found.n_same_first <= may_differ
    if not is_same or found.n_in_common < _IN_COMMON * found.n_ranked:
        raise DecodingError(
            f"--decode gpu: {model} ranks too differently from what it makes of Pillow's pixels: {found}, "
            f"where {_SAME_FIRST:.0%} and {_IN_COMMON:.0%} are asked for"
        )


def has_plain_jpegs(images: ImageFiles, n_images: int) -> bool:
    """Return whether there is anything for a GPU to decode, as far as a large sample tells."""
    return next(_plain_jpegs(images, n_images), None) is not None


def sample_of_jpegs(images: ImageFiles, n_images: int) -> list[int]:
    """Return the images on which a GPU's pixels are compared with Pillow's: as many as :func:`sample_of` has, if found.

    Where few images are plain JPEGs, a sample several times as large is searched for them.
    """
    return sorted(islice(_plain_jpegs(images, n_images), len(sample_of(n_images))))


def _plain_jpegs(images: ImageFiles, n_images: int) -> Iterator[int]:
    """Yield plain JPEGs of a large sample; it is searched in rounds, each of which is spread over all images."""
    n = min(n_images, _LOOKED_AT * len(sample_of(n_images)))
    for first in range(_LOOKED_AT):
        for index in (place * n_images // n for place in range(first, n, _LOOKED_AT)):
            location = images.location(index)
            if location and read_plain_jpeg(location, as_timm=images.as_timm):
                yield index
