"""The Parquet tables of a project: their columns, and how many rows a row group holds.

A session reads one row group to show one image, so the groups are small. Rows are in order of `image_index` (or
`class_index`), without gaps, so that a row's position tells its group.
"""

from __future__ import annotations

import pyarrow as pa

#: One row per image, in order of `image_index` = 0, 1, 2, …
IMAGES = pa.schema(
    [
        pa.field("image_index", pa.int32(), nullable=False),
        #: Unique name of the image, as the data set calls it.
        pa.field("image_id", pa.string(), nullable=False),
        #: Relative to the project's `images_root`; null where there is no file (predictions made elsewhere).
        pa.field("path", pa.string()),
        #: Class index of the original label; null where the data set has none.
        pa.field("original_label", pa.int32()),
    ]
)
IMAGES_ROW_GROUP = 8192

#: What could not be used, by name: images and rows skipped while making the project or its proposals.
SKIPPED = pa.schema([pa.field("image_id", pa.string()), pa.field("path", pa.string()), pa.field("reason", pa.string())])

#: One row per image, in order of `image_index`, the best proposal first. Lists are shorter where fewer are known.
PROPOSALS = pa.schema(
    [
        pa.field("image_index", pa.int32(), nullable=False),
        pa.field("class_index", pa.list_(pa.int32()), nullable=False),
        #: Softmax probability of a single model, or the fused rank score of several.
        pa.field("score", pa.list_(pa.float32()), nullable=False),
        #: Position in the file's `models` metadata (a JSON list) of the model that ranked the class highest.
        pa.field("model", pa.list_(pa.int16()), nullable=False),
    ]
)
#: The same where models looked more than once: `view` is the part of the image that gave the class the highest score,
#: by its number among the views of the run; 0 is the whole image.
PROPOSALS_WITH_VIEWS = PROPOSALS.append(pa.field("view", pa.list_(pa.int8()), nullable=False))
PROPOSALS_ROW_GROUP = 2048

#: One row per class, in order of `class_index`: its example images packed into one picture.
EXAMPLES = pa.schema(
    [
        pa.field("class_index", pa.int32(), nullable=False),
        pa.field("n_examples", pa.int16(), nullable=False),
        pa.field("n_columns", pa.int16(), nullable=False),
        pa.field("tile_px", pa.int16(), nullable=False),
        #: JPEG of the tiles, row by row; empty where the class has no examples.
        pa.field("sprite", pa.binary(), nullable=False),
        #: Paths of the examples relative to `examples_root`, in tile order.
        pa.field("sources", pa.list_(pa.string()), nullable=False),
        #: One digit per tile: the group of the image it shows (:mod:`pipeline.project.opaque_ids`), or `-` for an
        #: image from outside the project; empty or absent where no tile shows an image of the project.
        pa.field("groups", pa.string()),
    ]
)
EXAMPLES_ROW_GROUP = 8

#: One model's ranking of the classes on every image, the best first: what evaluation reads.
PREDICTIONS = pa.schema(
    [
        pa.field("image_index", pa.int32(), nullable=False),
        pa.field("class_index", pa.list_(pa.int32()), nullable=False),
        pa.field("score", pa.list_(pa.float32()), nullable=False),
    ]
)

#: One method's likeliest classes of every image over all its views, the best first: what proposals are merged from.
CANDIDATES = PREDICTIONS.append(pa.field("view", pa.list_(pa.int8()), nullable=False))

#: One backbone's frozen features of every image: view after view, each as long as the backbone is wide.
FEATURES = pa.schema(
    [
        pa.field("image_index", pa.int32(), nullable=False),
        pa.field("feature", pa.list_(pa.float16()), nullable=False),
    ]
)
FEATURES_ROW_GROUP = 512

#: One row per (image, class) in the refined labels, and one with `class_index` null for an image with no label.
REFINED_LABELS = pa.schema(
    [
        pa.field("image_index", pa.int32(), nullable=False),
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("class_index", pa.int32()),
        #: `agreed`, `refined` or `consensus`; `unlabelled` where nobody has decided about the image yet.
        pa.field("source", pa.string(), nullable=False),
        pa.field("n_yes", pa.int16()),
        pa.field("n_no", pa.int16()),
        pa.field("n_unsure", pa.int16()),
        #: Probability that the label applies, from the consensus model; null where it was not estimated.
        pa.field("posterior", pa.float32()),
    ]
)
