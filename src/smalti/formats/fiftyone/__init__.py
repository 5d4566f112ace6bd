"""FiftyOne's own format on disk: samples with any number of fields of labels.

Specification: https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset

    metadata.json    what is known of the dataset: classes, info
    samples.json     {"samples": [{"filepath", "tags", "metadata", "ground_truth": {"_cls": "Detections", …}, …}]}
    data/<split>/*   the images
    fields/*         masks that are files
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smalti.formats.fiftyone.read import FiftyOneOptions, FiftyOneReader
from smalti.formats.fiftyone.write import FiftyOneWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.schema import features

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

MARK = re.compile(rb'"filepath"\s*:')


def sniff(probe: Probe) -> Match | None:
    """A JSON of samples with the paths of their files."""
    for path in probe.matching("*.json")[:8]:
        head = probe.head(path)
        if re.search(rb'"samples"\s*:\s*\[', head) and (MARK.search(head) or path.endswith("samples.json")):
            return Match(Grade.CERTAIN, f"{path} has samples with the paths of their files")
        if "samples/" in f"/{path}" and MARK.search(head) and b'"_media_type"' in head:
            return Match(Grade.CERTAIN, f"{path} is a sample")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="fiftyone",
        title="FiftyOne",
        spec="https://docs.voxel51.com/user_guide/export_datasets.html#fiftyonedataset",
        layout=("metadata.json", "samples.json", "data/<split>/*"),
        keeps=frozenset({"image", "split", *(f"objects.{name}" for name in features.OBJECT_MEMBERS)}),
    ),
    sniff=sniff,
    reader=FiftyOneReader,
    writer=FiftyOneWriter,
    options=FiftyOneOptions,
)
