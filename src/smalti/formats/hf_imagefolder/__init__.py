"""Hugging Face ImageFolder: images in folders of splits, and a table of metadata beside them.

Specification: https://huggingface.co/docs/datasets/image_dataset#imagefolder

    train/metadata.jsonl     {"file_name": "a.jpg", "objects": {"bbox": [[x, y, w, h]], "categories": ["cat"]}}
    train/a.jpg              or metadata.csv, metadata.parquet; without splits all lies in one folder
    labels.txt               ours: the classes in their order; `datasets` passes over it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.formats.hf_imagefolder.options import NAMES, HfImageFolderOptions
from smalti.formats.hf_imagefolder.read import HfImageFolderReader
from smalti.formats.hf_imagefolder.write import HfImageFolderWriter
from smalti.formats.protocol import Format, FormatInfo, Grade, Match
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from smalti.formats.probe import Probe


def sniff(probe: Probe) -> Match | None:
    """A file of metadata that names files; the names in a Parquet file stand at its end."""
    for path in probe.matching("metadata.*", "*/metadata.*"):
        folder, _, name = path.rpartition("/")
        if name not in NAMES or probe.is_file:
            continue
        head = probe.head(path)
        beside = any(p.startswith(folder) and p.lower().endswith(IMAGE_SUFFIXES) for p in probe.files)
        if b"file_name" in head.partition(b"\n")[0] or (head[:4] == b"PAR1" and beside):
            return Match(Grade.CERTAIN, f"{path} is a table of metadata")
    return None


FORMAT = Format(
    info=FormatInfo(
        name="hf_imagefolder",
        title="Hugging Face ImageFolder",
        spec="https://huggingface.co/docs/datasets/image_dataset#imagefolder",
        layout=("<split>/metadata.*", "<split>/**/*.jpg", "labels.txt"),
        keeps=frozenset({"image", "split", "label", "captions"})
        | {f"objects.{name}" for name in ("category", "bbox", "id", "area", "iscrowd", "score", "track_id")},
    ),
    sniff=sniff,
    reader=HfImageFolderReader,
    writer=HfImageFolderWriter,
    options=HfImageFolderOptions,
)
