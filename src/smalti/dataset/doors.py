"""What a dataset leads to: files, and the datasets of trainers. Each is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smalti.schema.doors import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE_BYTES = 10 * 2**30


class Doors(Shown):
    """The methods of `smalti.Dataset` that lead to higher rooms."""

    __slots__ = ()

    def write(self, target: Any, format: str | None = None, **options: Any) -> Any:  # noqa: A002  # as in io
        """Write it somewhere; see `smalti.write`."""
        from smalti.io import write

        return write(self, target, format, **options)  # type: ignore[arg-type]  # it is a dataset

    def update_from(
        self,
        table: Any,
        *,
        base: Any = None,
        dry_run: bool = False,
        message: str = "",
        author: str | None = None,
    ) -> Any:
        """Take the edits of a table that was handed out, three-way; see `smalti.edits.update.update_from`."""
        from smalti.edits.update import update_from

        return update_from(self, table, base=base, dry_run=dry_run, message=message, author=author)  # type: ignore[arg-type]  # it is a dataset

    @property
    def plot(self) -> Any:
        """Plots of the dataset, each a method that gives a matplotlib figure; see `smalti.view.plots.plots.Plots`."""
        from smalti.view.plots.plots import Plots

        return Plots(self)  # type: ignore[arg-type]  # it is a dataset

    def show(
        self,
        n: int = 16,
        where: Any = None,
        field: str | Sequence[str] | None = None,
        *,
        labels: bool = True,
        boxes: bool | None = None,
        colours: Any = "class",
        media: Any = None,
    ) -> Any:
        """Pictures of the dataset on one sheet, evenly over it, with their labels, as a Pillow picture.

        Args:
            n: How many at the most.
            where: Only samples for which this holds: ``sm.col("split") == "val"``.
            field: The label fields that are drawn; null: all.
            labels: Whether names stand beside objects.
            boxes: Whether boxes are drawn; null: of objects that have nothing finer to show.
            colours: What colours tell apart: ``class`` or ``track``.
            media: Where paths are relative to; null: what the schema says.

        Raises:
            OptionError: It is not known where the images are.
            SchemaError: There is no such field.
            OSError: An image is not there.
        """
        from smalti.view.sheet import sheet

        options = {"labels": labels, "boxes": boxes, "colours": colours, "media": media}
        return sheet(self, n, where, field, **options)  # type: ignore[arg-type]  # it is a dataset

    def to_html(self, target: Any = None, **options: Any) -> str | None:
        """One page about the dataset, with everything in it and no script; see `smalti.view.page.page`.

        Args:
            target: Where it is written, as a path or fsspec URL; null: the page is given back.
            **options: ``title``, ``field``, ``class_count``, ``each``, ``fetch``.

        Raises:
            MissingExtraError: matplotlib is not installed.
            SchemaError: There is no such field.
        """
        from smalti.view.page import page, write_page

        if target is None:
            return page(self, **options)  # type: ignore[arg-type]  # it is a dataset
        write_page(self, target, **options)  # type: ignore[arg-type]  # it is a dataset
        return None

    def localize(self, folder: Any, *, progress: bool | None = None) -> Any:
        """The same dataset with its images brought to a folder of this machine; see `smalti.store.localize`."""
        from smalti.store.localize import localize

        return localize(self, folder, progress=progress)  # type: ignore[arg-type]  # it is a dataset

    def to_torch(
        self,
        *,
        fields: str | Sequence[str] | None = None,
        columns: Sequence[str] = (),
        transform: Any = None,
        decode: Any = "array",
        decoder: Any = "auto",
        min_size: int | tuple[int, int] | None = None,
        boxes: Any = "xyxy",
        masks: bool = False,
        target_categories: Sequence[str] | None = None,
        first_label: int = 0,
        missing: Any = "error",
        on_error: Any = "raise",
        tv_tensors: bool | None = None,
        cache: str | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Any:
        """A map-style dataset for PyTorch's DataLoader; see `smalti.training.torch.TorchDataset` for its items.

        Args:
            fields: Label fields: of objects, classes, captions, label images; null: ``objects``, or the only one.
            columns: Columns whose values stand in the target as they are.
            transform: A function of image and target that gives both.
            decode: ``"array"``: images are uint8 tensors ``(3, height, width)``; ``"pil"``: Pillow pictures; a
                function of their bytes; null: no images, and an item is its target.
            decoder: What decodes JPEGs: ``pillow``, ``simplejpeg``, ``torchvision``; ``auto``: simplejpeg where it is
                installed, else Pillow.
            min_size: Large JPEGs are decoded at 1/2, 1/4 or 1/8 as long as they keep this width and height in
                pixels, which is much faster; labels shrink along. Null: at full size.
            boxes: The layout of boxes: xyxy, xywh or cxcywh, in pixels.
            masks: Whether targets have the objects' masks.
            target_categories: The classes in the order of their labels; null: those of the class table.
            first_label: The label of the first class; torchvision's detectors keep 0 for background: pass 1.
            missing: ``error``: samples that nobody has annotated are refused; ``drop``: left out.
            on_error: ``skip`` leaves broken images out of batches, counted in `skipped`.
            tv_tensors: Whether boxes, masks and images are torchvision's tensors, so that its transforms keep them
                in step; null: where torchvision is installed.
            cache: A folder that keeps copies of pictures of remote file systems; null: none are kept.
            cache_bytes: How much it may hold; the ones unused for longest go first.

        Raises:
            MissingExtraError: PyTorch is not installed.
            OptionError: A field, a column or an option is unknown.
            SchemaError: There are samples that nobody has annotated, or objects without a label.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        from smalti.training.options import ItemOptions
        from smalti.training.torch import TorchDataset

        return TorchDataset(self, ItemOptions(**given))  # type: ignore[arg-type]  # it is a dataset

    def to_torch_stream(
        self,
        *,
        shuffle: bool = True,
        seed: int = 0,
        buffer: int = 8192,
        rank: int | None = None,
        world_size: int | None = None,
        **options: Any,
    ) -> Any:
        """An iterable dataset for PyTorch's DataLoader that reads as it goes; see `smalti.training.stream`.

        Its workers and ranks share an epoch: each sample comes once. It has ``set_epoch``, and ``state_dict`` and
        ``load_state_dict`` to go on in the middle of an epoch, which torchdata's StatefulDataLoader uses.

        Args:
            shuffle: Whether shards, and samples within the buffer, come in a random order.
            seed: What the order depends on, with the epoch.
            buffer: Samples, without their images, that are in memory and shuffled at once.
            rank: Which of `world_size` processes this is; null: what `torch.distributed` says, or the only one.
            world_size: How many there are.
            **options: Those of `to_torch`.

        Raises:
            MissingExtraError: PyTorch is not installed.
            OptionError: A field, a column or an option is unknown.
            SchemaError: There are samples that nobody has annotated, or objects without a label.
        """
        from smalti.training.options import ItemOptions
        from smalti.training.stream import TorchStream

        return TorchStream(
            self,  # type: ignore[arg-type]  # it is a dataset
            ItemOptions(**options),
            shuffle=shuffle,
            seed=seed,
            buffer=buffer,
            rank=rank,
            world_size=world_size,
        )

    def to_numpy(
        self,
        *,
        fields: str | None = None,
        boxes: Any = "xyxy",
        target_categories: Sequence[str] | None = None,
        first_label: int = 0,
    ) -> dict[str, Any]:
        """The labels of all samples as flat numpy arrays.

        Args:
            fields: The label field, of objects or of one class; null: ``objects``, or the only one.
            boxes: The layout of boxes: xyxy, xywh or cxcywh, in pixels.
            target_categories: The classes in the order of their labels; null: those of the class table.
            first_label: The label of the first class.

        Returns:
            ``ids`` (text), ``width`` and ``height`` (int64, 0 where unknown), one a sample. Of a class: ``label``
            (int64, -1 for none). Of objects: ``offsets`` (int64 ``(samples + 1,)``), ``annotated`` (bool, one a
            sample), and one a row: ``sample`` (int64), ``labels`` (int64), ``boxes`` (float32 ``(n, 4)``), ``area``
            (float32), ``iscrowd`` (int64), ``keypoints`` (float32 ``(n, points, 3)``).

        Raises:
            OptionError: The field is of another kind.
            SchemaError: Objects have no label.
        """
        from smalti.training.arrays import to_numpy
        from smalti.training.options import ItemOptions

        options = ItemOptions(
            fields=fields, boxes=boxes, target_categories=target_categories, first_label=first_label
        )
        return to_numpy(self, options)  # type: ignore[arg-type]  # it is a dataset

    def to_huggingface(self, *, splits: bool = False) -> Any:
        """A dataset of Hugging Face ``datasets`` over the same memory.

        Pictures are ``Image``, classes ``ClassLabel``, boxes x, y, width and height; other columns are as they are.
        Pictures of the local disk are opened by their whole paths when rows are read.

        Args:
            splits: Give a ``DatasetDict`` of the splits.

        Raises:
            MissingExtraError: ``datasets`` is not installed.
        """
        from smalti.training.huggingface import to_huggingface

        return to_huggingface(self, splits=splits)  # type: ignore[arg-type]  # it is a dataset

    def to_webdataset(self, target: Any, *, samples: int = 1000, overwrite: bool = False) -> list[str]:
        """Write tar shards that WebDataset reads: pictures as they are, the columns as JSON beside each.

        Args:
            target: A folder, as a path or fsspec URL; all of it is there at the end, or nothing.
            samples: Samples of a shard.
            overwrite: Whether an existing folder is replaced.

        Returns:
            The shards' addresses, ``000000.tar`` and on.

        Raises:
            DataError: A picture is missing.
            TargetExistsError: The target is there and `overwrite` is off.
        """
        from smalti.training.webdataset import to_webdataset

        return to_webdataset(self, target, samples=samples, overwrite=overwrite)  # type: ignore[arg-type]  # it is a dataset

    def to_tf(
        self,
        *,
        fields: str | None = None,
        boxes: Any = "xyxy",
        target_categories: Sequence[str] | None = None,
        first_label: int = 0,
        missing: Any = "error",
    ) -> Any:
        """A ``tf.data.Dataset`` of ``(image, target)``; the items are those of `to_torch`, the arguments too.

        Raises:
            MissingExtraError: TensorFlow is not installed.
            SchemaError: There are samples that nobody has annotated, or objects without a label.
        """
        given = {name: value for name, value in locals().items() if name != "self"}
        from smalti.training.options import ItemOptions
        from smalti.training.tensorflow import to_tf

        return to_tf(self, ItemOptions(**given))  # type: ignore[arg-type]  # it is a dataset

    def to_detectron2(self, field: str = "objects") -> list[dict[str, Any]]:
        """Detectron2's list of dicts, for ``DatasetCatalog.register(name, ds.to_detectron2)``.

        Categories are positions in the class table, boxes ``XYWH_ABS``; samples that nobody has annotated have no
        annotations.
        """
        from smalti.training.detectron import to_detectron2

        return to_detectron2(self, field)  # type: ignore[arg-type]  # it is a dataset
