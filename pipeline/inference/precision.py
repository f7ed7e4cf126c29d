"""The precision in which networks are computed: which one a run takes, what it changes, and where that is recorded.

Nothing here loads torch before a precision has to be chosen for a device.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.inference.parts import COMPILED, PRECISION, settings_begun
from pipeline.project.settings import AskedPrecision

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bfloat16", "float16"]
#: Keys of the measured agreements in the record of a table: with float32, and of a GPU's pixels with Pillow's.
AGREEMENT, DECODING_AGREEMENT = b"agreement", b"decoding_agreement"
#: What tables of accuracies say of models that were run elsewhere.
NOT_STATED = "not stated"
_CPU_INFO = Path("/proc/cpuinfo")
#: What processors call it: of Intel and AMD the first two, of Arm the third.
_CPU_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
#: Nvidia's Ampere and later.
_CUDA_BFLOAT16 = (8, 0)
_SAMPLE_LEAST, _SAMPLE_MOST, _SAMPLE_SHARE = 32, 256, 100


class PrecisionError(ProjectError):
    """The hardware cannot compute in a precision; `why` leaves out what to do, as in a `DecodingError`."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{why}; take bfloat16 or float32 (with --restart where a run was begun), or a GPU with --device cuda"
        )
        self.why = why


class Hardware(NamedTuple):
    """A device: its kind, as PyTorch calls it, and the fastest precision in which it computes natively."""

    kind: str
    fastest: Precision


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far a run agrees with float32, or with Pillow's pixels in float32, on a sample of its images.

    Parameters
    ----------
    n_images
        Images of the sample that could be decoded.
    n_same_first
        Those on which the first class is the same.
    n_in_common, n_ranked
        Of the topmost classes compared with (`k` an image, `n_ranked` in all), those that are topmost in the run, too.
    k
        How many classes are compared an image, at most 20.
    """

    n_images: int
    n_same_first: int
    n_in_common: int
    n_ranked: int
    k: int

    def __str__(self) -> str:
        """Say it in words."""
        return (
            f"on a sample of {self.n_images:,} images: the same first class on {self.n_same_first:,}, "
            f"{self.n_in_common / max(1, self.n_ranked):.1%} of the first {self.k} in common"
        )


@dataclass(frozen=True, slots=True)
class RunPrecision:
    """In which precision a table was computed, and how far it agrees with float32; None where that is not measured.

    `decoding` says how far the pixels of a GPU gave the rankings of Pillow's; None where Pillow decoded.
    """

    precision: Precision
    agreement: Agreement | None = None
    decoding: Agreement | None = None

    def __str__(self) -> str:
        """Say it in words."""
        found = self.precision + (f" (against float32, {self.agreement})" if self.agreement else "")
        return found + (f"; decoded on a GPU (against Pillow, {self.decoding})" if self.decoding else "")


def as_asked(text: str) -> AskedPrecision:
    """Return a precision that a person named; raise `ProjectError` if there is no such precision."""
    if text not in get_args(AskedPrecision):
        raise ProjectError(f"--precision {text}: there are {', '.join(get_args(AskedPrecision))}")
    return text  # type: ignore[return-value]  # just compared


def hardware_here(device: str) -> set[Hardware]:
    """Return what this machine computes on.

    Parameters
    ----------
    device
        As for :class:`pipeline.inference.filling.RunOptions`; raise `DatasetError` if there is none such.
    """
    from pipeline.inference.hardware import choose_devices

    return {Hardware(each.type, _fastest(each)) for each in choose_devices(device)}


def precision_for(
    asked: AskedPrecision, hardware: Collection[Hardware], *tables: Path, restart: bool = False
) -> Precision:
    """Return the precision in which a run computes.

    ``auto`` goes on in the precision in which one of the run's tables was begun: a table holds one precision alone.

    Parameters
    ----------
    asked
        What the person wants.
    hardware
        What it computes on.
    tables
        The tables that the run fills.
    restart
        Whether what is there is thrown away.

    Raises
    ------
    PrecisionError
        If the hardware cannot compute in this precision.
    """
    settings = () if restart else filter(None, map(settings_begun, tables))
    begun = next((found for found in map(precision_in, settings) if found), None)
    fastest = {each.fastest for each in hardware}
    precision = asked if asked != "auto" else begun or (fastest.pop() if len(fastest) == 1 else "float32")
    if precision == "float16" and any(each.kind == "cpu" for each in hardware):
        why = "" if asked == "float16" else f": {tables[0].stem} was begun in it"
        raise PrecisionError(f"a CPU does not compute in float16{why}")
    return precision


def recorded(precision: Precision, *, is_compiled: bool = False) -> dict[str, Any]:
    """Return what the record of a run says of how it computes: nothing of float32, as before there were others."""
    return ({} if precision == "float32" else {PRECISION: precision}) | ({COMPILED: True} if is_compiled else {})


def precision_in(settings: Mapping[str, Any]) -> Precision | None:
    """Return the precision of a run from its record; None where it was not run here."""
    if settings.get("source") == "predictions":
        return None
    found: Precision = settings.get(PRECISION, "float32")
    return found


def read_precision(path: Path) -> RunPrecision | None:
    """Return the precision of a finished table; None where its rankings were made elsewhere, or it cannot be read."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    precision = precision_in(json.loads(metadata.get(b"settings", b"{}")))
    measured = (json.loads(metadata.get(key, b"null")) for key in (AGREEMENT, DECODING_AGREEMENT))
    agreements = (Agreement(**found) if found else None for found in measured)
    return None if precision is None else RunPrecision(precision, *agreements)


def stated_precision(path: Path) -> str:
    """Return what a table of accuracies says of the precision of a model's rankings."""
    found = read_precision(path)
    return NOT_STATED if found is None else found.precision


def agreement_record(agreement: Agreement, key: bytes = AGREEMENT) -> dict[str, str]:
    """Return what the record of a table keeps of an agreement."""
    return {key.decode(): json.dumps(asdict(agreement))}


def sample_of(n_images: int) -> list[int]:
    """Return the images on which a run is compared with float32, spread evenly: 32 to 256, else one in a hundred."""
    n = min(n_images, max(_SAMPLE_LEAST, min(_SAMPLE_MOST, n_images // _SAMPLE_SHARE)))
    return [index * n_images // n for index in range(n)]


def _fastest(device: torch.device) -> Precision:
    import torch

    if device.type == "cuda":
        is_native = torch.version.hip is not None or torch.cuda.get_device_capability(device) >= _CUDA_BFLOAT16
    else:
        is_native = device.type == "cpu" and _cpu_has_bfloat16()
    return "bfloat16" if is_native else "float32"


def _cpu_has_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 natively; only Linux says so."""
    try:
        said = _CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = (line.partition(":") for line in said.splitlines())
    return any(name.strip() in ("flags", "Features") and _CPU_BFLOAT16 & {*flags.split()} for name, _, flags in lines)
