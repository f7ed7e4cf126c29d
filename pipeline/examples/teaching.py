"""Examples that teach: together they show what a class looks like, and no two of them show the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Side of the grid of colours by which images are compared when no model is asked.
_GRID = 8
#: Two images whose grids differ by less than this, as the root of the mean square of a colour in [0, 1], show the same.
ALIKE = 0.03
#: So do two images whose features have a greater cosine than this. As EfficientNet-Lite sees photographs, one and its
#: mirror image have 0.93 or more, one and its inner nine tenths, too; of 635 others, no two have over 0.83.
ALIKE_COSINE = 0.9


def plain_features(image: Image.Image) -> NDArray[np.float32]:
    """Return an image's colours on a coarse grid, in [0, 1]: (192,)."""
    grid = np.asarray(image.convert("RGB").resize((_GRID, _GRID), Image.Resampling.BOX), dtype=np.float32)
    found: NDArray[np.float32] = (grid / np.float32(255)).ravel()
    return found


def are_alike(grids: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which images show the same, by their colours: (n, n), from (n, width)."""
    found: NDArray[np.bool_] = _distances(grids) < ALIKE
    return found


def are_alike_to_a_model(features: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which images a backbone can hardly tell apart: (n, n), from features of length 1 (n, width)."""
    found: NDArray[np.bool_] = features @ features.T > ALIKE_COSINE
    return found


def teaching_order(
    features: NDArray[np.floating],
    n_wanted: int,
    groups: Sequence[object] = (),
    n_of_group: int | None = None,
    alike: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Return which images to show, the most typical first, then those that add most to what was shown before.

    Greedy facility location: each step takes the image that most reduces the mean distance of all images to the nearest
    one shown. So the first is the most typical one, each next one stands for images unlike those shown, and a stray
    image, which stands for none but itself, comes late. An image that shows the same as one before is taken only when
    no other is left.

    Parameters
    ----------
    features
        (n_images, width).
    n_wanted
        How many to choose at most.
    groups, n_of_group
        The group of each image, and how many may be taken of one group; None is no group and has no limit.
    alike
        (n_images, n_images): which images show the same; None goes by the features, as if they were colours.

    References
    ----------
    Nemhauser, G. L., Wolsey, L. A., Fisher, M. L. (1978). An analysis of approximations for maximizing submodular set
    functions. Mathematical Programming 14, 265-294: the choice reduces the distance by at least 1 - 1/e of the best.
    """
    n_images, distance = len(features), _distances(features)
    same = are_alike(features) if alike is None else alike
    nearest = np.full(n_images, distance.max(initial=0.0) + 1)
    is_open, is_new, chosen = np.ones(n_images, dtype=bool), np.ones(n_images, dtype=bool), list[int]()
    of_group = np.array([-1] * n_images if not groups else _numbered(groups))
    while len(chosen) < n_wanted and is_open.any():
        left = np.flatnonzero(is_open & is_new if (is_open & is_new).any() else is_open)
        gain = np.maximum(nearest[:, None] - distance[:, left], 0).sum(axis=0)
        best = int(left[int(gain.argmax())])
        chosen.append(best)
        nearest = np.minimum(nearest, distance[best])
        is_new &= ~same[best]
        is_open[best] = False
        if n_of_group is not None and of_group[best] >= 0:
            here = of_group == of_group[best]
            is_open &= ~here if here[chosen].sum() >= n_of_group else True
    return chosen


def _distances(features: NDArray[np.floating]) -> NDArray[np.floating]:
    squares = (features**2).sum(axis=1)
    squared = squares[:, None] + squares[None, :] - 2 * features @ features.T
    found: NDArray[np.floating] = np.sqrt(np.maximum(squared, 0) / max(1, features.shape[1]))
    return found


def _numbered(groups: Sequence[object]) -> list[int]:
    number = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    return [-1 if group is None else number[group] for group in groups]
