"""ImageFolder: the folder that an image lies in is its class, as torchvision and ImageNet have it.

Specification: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html

    train/cat/1.jpg    or, without splits, cat/1.jpg
    train/dog/2.jpg
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from smalti.formats import class_folders
from smalti.formats.protocol import (
    Format,
    FormatInfo,
    Grade,
    Match,
    Options,
    Part,
    PartRead,
    Plan,
    Reader,
    Writer,
)
from smalti.storage.media import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from smalti.formats.probe import Probe
    from smalti.formats.protocol import Cursor, PartResult
    from smalti.formats.report import Loss
    from smalti.schema.schema import Schema
    from smalti.storage.folder import Target

# Folders of images that are no classes: other layouts have them.
NO_CLASSES = frozenset({
    "images", "image", "img", "imgs", "labels", "label", "masks", "mask", "annotations", "annotation", "gtFine",
    "gtCoarse", "leftImg8bit", "JPEGImages", "SegmentationClass", "SegmentationObject", "image_2", "img1", "data",
})  # fmt: skip


class ImageFolderOptions(Options):
    """Options of ImageFolder."""

    field: str | None = Field(
        None,
        description="The column of classes to write; null: the only one.",
        json_schema_extra={"side": "write"},
    )


class ImageFolderReader(Reader[ImageFolderOptions]):
    """Reads folders of images: their headers, for the sizes."""

    def plan(self) -> Plan:
        return class_folders.plan(self.media or self.root, self.on_error, loose=True)

    def read(self, part: Part, schema: Schema) -> PartRead:
        return class_folders.read(part, schema, self.media or self.root, self.on_error)


class ImageFolderWriter(Writer[ImageFolderOptions]):
    """Puts images into the folders of their classes."""

    def __init__(self, schema: Schema, options: ImageFolderOptions, single_file: str | None = None) -> None:
        super().__init__(schema, options, single_file)
        self.field = class_folders.label_field(schema, options.field)
        self.needs_images = True
        self.taken: set[str] = set()

    def wants(self) -> Schema:
        return class_folders.wants(self.schema, self.field)

    def losses(self) -> list[Loss]:
        return class_folders.losses(self.schema, self.field)

    def write(self, batch: pa.RecordBatch, target: Target, cursor: Cursor) -> PartResult:
        del target, cursor  # the images are the labels
        return class_folders.write(batch, self.schema, self.field, self.taken, loose=True)

    def finish(self, target: Target, results: Sequence[PartResult]) -> int:
        class_folders.finish(target, class_folders.table(self.schema, self.field), results)
        return 0

    def details(self) -> dict[str, Any]:
        return class_folders.details(class_folders.table(self.schema, self.field), self.field)


def sniff(probe: Probe) -> Match | None:
    """Nothing but images, in folders that no other layout has."""
    files = [path for path in probe.files if not path.rpartition("/")[2].startswith(".")]
    if probe.is_file or not files or not all(path.lower().endswith(IMAGE_SUFFIXES) for path in files):
        return None
    tops = {path.partition("/")[0] for path in files if "/" in path}
    depth = 2 if tops & set(class_folders.SPLITS) else 1
    classes = {path.split("/")[depth - 1] for path in files if path.count("/") >= depth}
    if (classes | tops) & NO_CLASSES:
        return None
    if not classes and tops and tops <= set(class_folders.SPLITS) and all("/" in path for path in files):
        return Match(Grade.POSSIBLE, f"images alone, in folders of splits such as {min(tops)}/")
    if not classes:
        return None
    return Match(Grade.POSSIBLE, f"images alone, in {len(classes)} folders such as {min(classes)}/")


FORMAT = Format(
    info=FormatInfo(
        name="imagefolder",
        title="ImageFolder",
        spec="https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html",
        layout=("<split>/<class>/*.jpg", "<class>/*.jpg"),
        keeps=frozenset({"image", "split", "label"}),
    ),
    sniff=sniff,
    reader=ImageFolderReader,
    writer=ImageFolderWriter,
    options=ImageFolderOptions,
)
