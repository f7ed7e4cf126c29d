"""The picture in which a class's examples travel: joining tiles, and taking from it those that may come with a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from pipeline.annotation.session import Sprite

MAX_COLUMNS = 5
#: Stands for the group of a tile whose image is none of the project's.
OUTSIDE = "-"
#: Higher than that of the whole sprite: these tiles are compressed for the second time.
_CUT_QUALITY = 90


def tiles_for(groups: str, n_tiles: int, group: str) -> list[int]:
    """Return which tiles may come with the tasks of a group, in order.

    None of them shows an image of the group. There are as many for every group, so that the number tells nothing
    either.

    Parameters
    ----------
    groups
        One character a tile, as in the table of examples; empty where no tile shows an image of the project.
    n_tiles
        How many tiles there are.
    group
        The tasks' :func:`pipeline.project.opaque_ids.example_group`; if empty, only images from outside may come.
    """
    if not groups:
        return list(range(n_tiles))
    if not group:
        return [tile for tile in range(n_tiles) if groups[tile] == OUTSIDE]
    n_left_out = max(Counter(groups.replace(OUTSIDE, "")).values(), default=0)
    return [tile for tile in range(n_tiles) if groups[tile] != group][: n_tiles - n_left_out]


def joined_tiles(tiles: Sequence[Image.Image], n_columns: int, quality: int) -> bytes:
    """Return square tiles of one size as one JPEG, row by row; empty if there are none."""
    if not tiles:
        return b""
    tile_px = tiles[0].width
    n_rows = -(-len(tiles) // n_columns)
    sprite = Image.new("RGB", (n_columns * tile_px, n_rows * tile_px), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, n_columns)
        sprite.paste(tile, (column * tile_px, row * tile_px))
    return _as_jpeg(sprite, quality)


def cut_sprite(whole: Sprite, tiles: Sequence[int]) -> Sprite:
    """Return a sprite of some of the tiles alone; nothing of the others is in its bytes."""
    if len(tiles) == whole.n_examples:
        return whole
    n_columns = max(1, min(MAX_COLUMNS, len(tiles)))
    data = joined_tiles(_cut(whole, tiles), n_columns, _CUT_QUALITY) if tiles else b""
    return Sprite(data, "image/jpeg", len(tiles), n_columns, whole.tile_px)


def tile_alone(whole: Sprite, tile: int) -> bytes:
    """Return one tile as a JPEG."""
    return _as_jpeg(_cut(whole, [tile])[0], _CUT_QUALITY)


def _cut(whole: Sprite, tiles: Sequence[int]) -> list[Image.Image]:
    with Image.open(BytesIO(whole.data)) as picture:
        corners = [tuple(whole.tile_px * part for part in divmod(tile, whole.n_columns)) for tile in tiles]
        return [picture.crop((left, top, left + whole.tile_px, top + whole.tile_px)) for top, left in corners]


def _as_jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
