"""What this machine has to run models on."""

from __future__ import annotations

import torch

from pipeline.errors import DatasetError


def gpus() -> list[str]:
    """Return each GPU that PyTorch can use, by name and memory; empty where there is none."""
    if not torch.cuda.is_available():
        return []
    found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return [f"{gpu.name}, {gpu.total_memory / 2**30:.0f} GiB" for gpu in found]


def is_built_for_gpus() -> bool:
    """Return whether this PyTorch could use a GPU if there were one."""
    return torch.version.cuda is not None or torch.version.hip is not None


def torch_version() -> str:
    """Return the version of PyTorch."""
    return str(torch.__version__)


def choose_devices(names: str = "auto") -> list[torch.device]:
    """Return the devices that networks are spread over: those that are named, or all GPUs, else the CPU.

    Parameters
    ----------
    names
        ``auto``, or devices separated by commas: ``cuda:0,cuda:1``.

    Raises
    ------
    DatasetError
        If torch has no such device.
    """
    if names == "auto" and torch.cuda.is_available():
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [choose_device(name.strip()) for name in names.split(",")]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: the one that is named, else the GPU if there is one.

    Raise `DatasetError` if torch has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DatasetError(
            f"device {name!r}: not usable here: {str(error).splitlines()[0]}; --device cpu always is"
        ) from error
    return device
