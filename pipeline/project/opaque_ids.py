"""What annotators and refiners see instead of an image's name and index: a number that tells nothing about the image.

A data set's ids and file names often hold the class, and a manifest is often sorted by class: an index gives the
original label away as well as a name does.
"""

from __future__ import annotations

import hashlib
from typing import Final

from pipeline.project.secret import ProjectSecret

#: Images are divided into this many groups, at most ten. An example that is itself an image of the project comes with
#: no image of its own group. So none ever comes with itself, and what is left out is the same for every class.
N_EXAMPLE_GROUPS: Final = 4
#: Numbers run from 0 to one less than this, however few images there are: how large one is tells nothing.
N_NUMBERS: Final = 2**32

_HALF_BITS, _N_ROUNDS = 16, 4
_HALF = (1 << _HALF_BITS) - 1


def example_group(image_index: int) -> str:
    """Return the group of an image, a digit: it looks random, but follows from the image's index."""
    return str(hashlib.sha256(f"group of examples\0{image_index}".encode()).digest()[0] % N_EXAMPLE_GROUPS)


class ImageNumbers:
    """Shuffles image indices by a key: who lacks the key learns from a number neither the index nor its neighbours.

    A Feistel network of four rounds (Luby & Rackoff 1988), so that a number leads back to its index without a table.

    Parameters
    ----------
    key
        At most 64 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key

    @classmethod
    def of(cls, secret: ProjectSecret) -> ImageNumbers:
        """Return the numbers of a project's images."""
        return cls(secret.digest("image numbers"))

    def number(self, image_index: int) -> int:
        """Return the number, from 0 to `N_NUMBERS` - 1, of an image's index, which lies in the same range."""
        left, right = image_index >> _HALF_BITS, image_index & _HALF
        for turn in range(_N_ROUNDS):
            left, right = right, left ^ self._mixed(turn, right)
        return left << _HALF_BITS | right

    def index(self, number: int) -> int:
        """Return the index that has this number; of a number that was never given out, one that no image has."""
        left, right = number >> _HALF_BITS, number & _HALF
        for turn in reversed(range(_N_ROUNDS)):
            left, right = right ^ self._mixed(turn, left), left
        return left << _HALF_BITS | right

    def image_id(self, image_index: int) -> str:
        """Return the number as text, for screens."""
        return f"{self.number(image_index):08x}"

    def _mixed(self, turn: int, half: int) -> int:
        text = turn.to_bytes(1, "big") + half.to_bytes(2, "big")
        return int.from_bytes(hashlib.blake2b(text, digest_size=2, key=self.key).digest(), "big")
