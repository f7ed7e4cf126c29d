"""Stage 1 on a CPU or a GPU: images a second against timm's own loop, and what the whole command adds to it.

Each line is of one run on one machine: timm's loop as its validation script has it (its dataset, float32, inference
mode; its loader with two workers on a CPU, and on a GPU with the four that it takes by itself), ours in float32 and in
bfloat16, the model alone on ready tensors, and decoding alone on the same cores. Weights are random but for the models
of the extra `offline`: speed does not depend on them.

    python benchmarks/proposals.py ../shared/data/imagenet_samples [--device cuda] [--only resnet50,convnext_base]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import timm
import torch
from timm.data import ImageDataset, create_loader, resolve_model_data_config

from pipeline.inference.classifier import Classifier
from pipeline.inference.loading import ListedImages, batches_in_turn, image_batches
from pipeline.inference.networks import ReadyNetwork, default_batch_size
from pipeline.inference.offline import OFFLINE_MODELS, load_offline, offline_weights
from pipeline.inference.precision import Precision
from pipeline.inference.ranking import classifier_network, look_at_images, whole_image_ranking

#: Model to the number of images on a CPU and on a GPU, which gets the same ones again and again.
MODELS = {
    "tf_efficientnet_lite0": (1000, 12000),
    "resnet50": (400, 12000),
    "vit_base_patch16_224": (96, 12000),
    "convnext_base": (96, 8000),
    "eva02_large_patch14_448": (4, 1000),
}
#: As many of them go through timm's own loop at most.
MOST_OF_TIMM = 2000
TOP_K = 20


@dataclass
class Times:
    """Images a second of one model by each way to compute it, and which classes each ranks topmost."""

    timm: float
    ours: dict[str, float]
    alone: dict[str, float]
    decoding: float
    tops: dict[str, np.ndarray]


def main() -> None:
    """Measure every model, then the whole command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default="", help="models, separated by commas")
    parser.add_argument("--images", type=int, default=0, help="as many images for each model")
    parser.add_argument("--command", type=int, default=1000, help="images of the whole command; 0: leave it out")
    given = parser.parse_args()
    files = sorted(map(str, given.photographs.glob("*.jpg")))
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{name}, torch {torch.__version__}, timm {timm.__version__}; images a second")
    for model in given.only.split(",") if given.only else MODELS:
        n = given.images or MODELS.get(model, (96, 8000))[device.type != "cpu"]
        found = measured(model, [files[i % len(files)] for i in range(n)], device)
        tell(model, n, found)
    if given.command and not given.only:
        for model in ("tf_efficientnet_lite0", "resnet50"):
            whole_command(model, given.photographs, given.command)


def tell(model: str, n: int, found: Times) -> None:
    """Print the figures of one model, with their ratios."""
    print(f"{model}, {n} images: timm's own loop {found.timm:.1f}, decoding alone {found.decoding:.1f}", flush=True)
    exact = found.tops["timm"]
    compared = {way: top[: len(exact)] for way, top in found.tops.items()}
    for way, speed in found.ours.items():
        bound = min(found.alone[way], found.decoding)
        top = compared[way]
        same_sets = np.mean([set(one) == set(other) for one, other in zip(exact, top, strict=True)])
        common = (exact[:, :, None] == top[:, None, :]).sum() / exact.size
        print(
            f"  {way}: {speed:.1f}, {speed / found.timm:.2f}x timm; model alone {found.alone[way]:.1f}; "
            f"{speed / bound:.2f} of the lesser of model and decoding alone; against timm's float32: Top-1 same on "
            f"{(exact[:, 0] == top[:, 0]).mean():.1%}, top {TOP_K} in common {common:.2%}, same sets {same_sets:.1%}",
            flush=True,
        )


def measured(model: str, files: list[str], device: torch.device) -> Times:
    """Measure one model every way."""
    classifier = made(model)
    tops: dict[str, np.ndarray] = {}
    ours: dict[str, float] = {}
    alone: dict[str, float] = {}
    ways: dict[str, tuple[Precision, bool]] = {"float32": ("float32", False), "bfloat16": ("bfloat16", False)}
    if device.type == "cuda":
        ways["bfloat16, compiled"] = "bfloat16", True
    config = classifier.data_config
    batch_size = min(len(files), default_batch_size(config, device))
    tops["timm"], of_timm = timms_loop(classifier.module, config, files[:MOST_OF_TIMM], device, batch_size)
    images = ListedImages(files, [config])
    batches = _batches(images, len(files), device, batch_size)
    decoding = speed(lambda: sum(len(batch.image_index) for batch in batches))
    for way, (precision, is_compiled) in ways.items():
        network = ReadyNetwork(classifier_network(classifier, precision, is_compiled=is_compiled), device)
        first = next(_batches(images, len(files), device, batch_size))
        pixels = network.pixels(first.pixels[0])
        network.answers(pixels)
        alone[way] = alone_speed(network, pixels, max(2, len(files) // len(pixels)))
        tops[way], ours[way] = our_loop(network, images, len(files), batch_size)
    return Times(of_timm, ours, alone, decoding, tops)


def made(model: str) -> Classifier:
    """Return a model with its offline weights, or random ones."""
    torch.manual_seed(0)
    weights = offline_weights(model)
    module = load_offline(model, weights) if weights else timm.create_model(model, pretrained=False, num_classes=1000)
    module.eval().requires_grad_(requires_grad=False)
    every = torch.arange(1000)
    return Classifier(model, module, resolve_model_data_config(module), every, every, 0, "keys")


def timms_loop(
    module: torch.nn.Module, config: dict[str, Any], files: list[str], device: torch.device, batch_size: int
) -> tuple[np.ndarray, float]:
    """Rank as timm's validation script does; return the topmost classes and the images a second."""
    dataset = ImageDataset(str(Path(files[0]).parent), reader=_Listed(files))
    loader = create_loader(
        dataset,
        config["input_size"],
        batch_size,
        is_training=False,
        use_prefetcher=True,
        interpolation=config["interpolation"],
        mean=config["mean"],
        std=config["std"],
        num_workers=4 if device.type == "cuda" else 2,
        crop_pct=config["crop_pct"],
        crop_mode=config["crop_mode"],
        pin_memory=device.type == "cuda",
        device=device,
    )
    module = module.to(device)
    found = []
    with torch.inference_mode():
        module(torch.zeros(batch_size, *config["input_size"], device=device))
        begin = time.perf_counter()
        for pixels, _ in loader:
            found.append(module(pixels.to(device)).topk(TOP_K).indices.cpu().numpy())
        seconds = time.perf_counter() - begin
    module.to("cpu")
    return np.concatenate(found), len(files) / seconds


class _Listed:
    """Files in an order that is given, as timm reads a data set."""

    def __init__(self, files: list[str]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return Path(self._files[index]).open("rb"), 0


def our_loop(network: ReadyNetwork, images: ListedImages, n: int, batch_size: int) -> tuple[np.ndarray, float]:
    """Rank as stage 1 does; return the topmost classes and the images a second."""
    classes = np.arange(1000)
    begin = time.perf_counter()
    looked = look_at_images([network], lambda _: images, range(n), n_views=1, batch_size=batch_size, n_workers=None)
    found = [whole_image_ranking(batch.outputs[0], classes, TOP_K)[0] for batch in looked]
    return np.concatenate(found), n / (time.perf_counter() - begin)


def alone_speed(network: ReadyNetwork, pixels: torch.Tensor, n_batches: int) -> float:
    """Return the images a second of a network on pixels that are ready."""
    begin = time.perf_counter()
    for _ in range(n_batches):
        answers = network.answers(pixels)
    answers.cpu()
    return n_batches * len(pixels) / (time.perf_counter() - begin)


def speed(work: Callable[[], int]) -> float:
    """Return how many of what it counts some work does a second."""
    begin = time.perf_counter()
    return work() / (time.perf_counter() - begin)


def _batches(images: ListedImages, n: int, device: torch.device, batch_size: int) -> Iterator[Any]:
    if device.type == "cpu":
        return batches_in_turn(images, range(n), batch_size=batch_size, n_threads=torch.get_num_threads())
    return iter(image_batches(images, range(n), batch_size=batch_size, n_workers=16, pin_memory=True))


def whole_command(model: str, photographs: Path, n: int) -> None:
    """Time `mlf propose` on a fresh project, beside the loop alone on the same images."""
    mlf = Path(sys.executable).parent / "mlf"
    classifier = made(model)
    with TemporaryDirectory() as folder:
        manifest, project = Path(folder) / "images.csv", Path(folder) / "project"
        files = list(islice(sorted(photographs.glob("*.jpg")), n))
        manifest.write_text("image,label\n" + "".join(f"{file.name},{file.stem}\n" for file in files))
        source = ["--model", model]
        if model not in OFFLINE_MODELS:
            torch.save(classifier.module.state_dict(), Path(folder) / f"{model}.pth")
            source += ["--checkpoint", str(Path(folder) / f"{model}.pth")]
        made_by = [mlf, "init", project, "--images", manifest, "--images-root", photographs, "--classes", "imagenet-1k"]
        subprocess.run(made_by, check=True, capture_output=True)
        for precision in ("float32", "bfloat16"):
            network = ReadyNetwork(classifier_network(classifier, precision), torch.device("cpu"))
            images = ListedImages([str(file) for file in files], [classifier.data_config])
            batch_size = default_batch_size(classifier.data_config, torch.device("cpu"))
            seconds_alone = n / our_loop(network, images, n, batch_size)[1]
            begin = time.perf_counter()
            command = [mlf, "propose", project, *source, "--precision", precision, "--device", "cpu", "--restart"]
            subprocess.run(command, check=True, capture_output=True)
            seconds = time.perf_counter() - begin
            print(
                f"mlf propose, {model}, {n} images, {precision}: {seconds:.1f} s, {seconds / seconds_alone:.2f} of the "
                f"{seconds_alone:.1f} s that inference takes",
                flush=True,
            )


if __name__ == "__main__":
    main()
