"""MOTS: multi-object tracking with masks, as rows of run lengths or as label images of instances.

Specification: https://www.vision.rwth-aachen.de/page/mots, https://github.com/VisualComputingInstitute/mots_tools,
https://motchallenge.net/data/MOTS, and for the layout of CVAT
https://docs.cvat.ai/docs/dataset_management/formats/format-mots

    train/MOTS20-02/gt/gt.txt          frame id class height width run-lengths; frames count from 1
    train/MOTS20-02/img1/000001.jpg
    instances_txt/0002.txt             KITTI MOTS: the same, frames count from 0
    instances/0002/000000.png          KITTI MOTS: pixels are 1000 * class + number, 10000 is ignored
    train/instances/a.png              CVAT and Datumaro: the same; images in train/images, classes in labels.txt
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.mots.options import PIXELS, ROWS, TRUTH, MotsOptions
from smalti.formats.mots.read import MotsReader
from smalti.formats.mots.write import MotsWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match

if TYPE_CHECKING:
    from smalti.formats.probe import Probe


def sniff(probe: Probe) -> Match | None:
    """Rows of six words in the place of a ground truth, or label images in a folder of instances."""
    for path in probe.files:
        if f"/{path}".endswith(f"/{TRUTH}") or (f"/{ROWS}" in f"/{path}" and path.endswith(".txt")):
            line = probe.head(path).split(b"\n")[0]
            if len(line.split()) == 6 and b"," not in line:
                return Match(Grade.CERTAIN, f"{path} has rows of a frame, an id, a class and a mask")
    for path in probe.files:
        if f"/{PIXELS}" in f"/{path}" and path.endswith(".png"):
            return Match(Grade.LIKELY, f"{path} has the place of MOTS's label images")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="mots",
        title="MOTS",
        spec="https://www.vision.rwth-aachen.de/page/mots",
        layout=(
            "<split>/<sequence>/gt/gt.txt",
            "<split>/<sequence>/img1/*.jpg",
            "<split>/<sequence>/seqinfo.ini",
            "instances_txt/<sequence>.txt",
            "<split>/instances/<sequence>/*.png",
        ),
        keeps=frozenset({"split", "video", "frame", "objects.category", "objects.mask", "objects.track_id"}),
    ),
    sniff=sniff,
    reader=MotsReader,
    writer=MotsWriter,
    options=MotsOptions,
)
