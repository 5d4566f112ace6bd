"""CVAT's own decoding and encoding of masks: a list of masks on standard input, as JSON, gives their pixels and encodings.

A mask is its run lengths, left, top, width and height, and the width and height of its image.
"""

from __future__ import annotations

import json
import sys

from cvat_sdk.masks import decode_mask, encode_mask

found = []
for runs, left, top, width, height, *size in json.load(sys.stdin):
    pixels = decode_mask(
        [*runs, left, top, left + width - 1, top + height - 1], image_width=size[0], image_height=size[1]
    )
    found.append({"pixels": pixels.astype(int).tolist(), "encoded": [int(n) for n in encode_mask(pixels)]})
print(json.dumps(found))  # noqa: T201  # the verdict
