"""Which samples a training sees, and how often: computed from columns, without touching an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from smalti.errors import SchemaError
from smalti.schema import features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from smalti.dataset.dataset import Dataset


def class_weights(dataset: Dataset, field: str = "objects") -> NDArray[np.float64]:
    """Weights for ``WeightedRandomSampler`` that make all classes equally likely.

    A sample's weight is the mean, over its objects, of one over the number of objects of their class;
    a sample without objects gets the smallest weight of the others.

    Args:
        dataset: The dataset; samples that nobody has annotated count as without objects.
        field: A field of objects, or of a class.

    Returns:
        float64 ``(samples,)``.
    """
    sample, code, count = _occurrences(dataset, field)
    rarity = 1 / np.maximum(np.bincount(code, minlength=1), 1)
    total = np.bincount(sample, rarity[code], minlength=count)
    objects = np.bincount(sample, minlength=count)
    weights = np.divide(total, objects, out=np.zeros(count), where=objects > 0)
    weights[objects == 0] = weights[objects > 0].min(initial=1.0)
    return weights


def repeat_factors(dataset: Dataset, threshold: float = 0.001, field: str = "objects") -> NDArray[np.float64]:
    """How often each sample is repeated in an epoch, so that rare classes are seen: LVIS' repeat factors.

    A class in a fraction f of the samples has the factor ``max(1, sqrt(threshold / f))``, a sample the largest of
    its classes' (https://arxiv.org/abs/1908.03195, section 5).

    Args:
        dataset: The dataset.
        threshold: The fraction below which a class is rare.
        field: A field of objects, or of a class.

    Returns:
        float64 ``(samples,)``, at least 1.
    """
    sample, code, count = _occurrences(dataset, field)
    pairs = np.unique(np.stack([sample, code], axis=1), axis=0)
    fraction = np.bincount(pairs[:, 1], minlength=1) / max(count, 1)
    factor = np.sqrt(np.divide(threshold, fraction, out=np.zeros_like(fraction), where=fraction > 0))
    found = np.ones(count)
    np.maximum.at(found, pairs[:, 0], factor[pairs[:, 1]])
    return found


def repeated(factors: NDArray[np.float64], seed: int, epoch: int) -> NDArray[np.int64]:
    """The samples of an epoch in random order, each as often as its factor says; fractions by chance.

    The same for the same seed and epoch, in every process.
    """
    chance = np.random.Generator(np.random.PCG64([seed, epoch]))
    whole = np.floor(factors).astype(np.int64)
    whole += chance.random(len(factors)) < factors - whole
    return chance.permutation(np.repeat(np.arange(len(factors)), whole))


class AspectRatioBatches:
    """Batches of samples that are all wider, or all higher, than they are high or wide: little padding.

    A sampler for ``DataLoader(batch_sampler=…)``. Every sample is in one batch of an epoch.

    Args:
        dataset: The dataset; samples whose size is not known count as wide.
        batch_size: Samples of a batch; the last of each group may be smaller.
        seed: Of the order.
    """

    def __init__(self, dataset: Dataset, batch_size: int, seed: int = 0) -> None:
        image = dataset.to_arrow().column("image").combine_chunks()
        width, height = (
            np.asarray(pc.struct_field(image, side).fill_null(0)) for side in ("width", "height")
        )
        self.high = height > width
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Give the next iteration the order of an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(-(-int(n) // self.batch_size) for n in (self.high.sum(), (~self.high).sum()))

    def __iter__(self) -> Iterator[list[int]]:
        chance = np.random.Generator(np.random.PCG64([self.seed, self.epoch]))
        batches: list[list[int]] = []
        for group in (np.flatnonzero(self.high), np.flatnonzero(~self.high)):
            order = chance.permutation(group)
            batches += [
                order[start : start + self.batch_size].tolist()
                for start in range(0, len(order), self.batch_size)
            ]
        for place in chance.permutation(len(batches)):
            yield batches[place]


def _occurrences(dataset: Dataset, field: str) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The sample and the class of every object that has one, and the number of samples."""
    feature = dataset.schema.columns.get(field)
    column: Any = dataset.to_arrow().column(field).combine_chunks() if feature is not None else None
    if isinstance(feature, features.Classification) and not feature.multi:
        codes, sample = column.indices, np.arange(len(column))
    elif isinstance(feature, features.Objects) and "category" in feature.members:
        codes = column.flatten().field("category").indices
        sample = pc.list_parent_indices(column).to_numpy()
    else:
        raise SchemaError(f"{field!r} is no field of classes")
    known = np.asarray(codes.is_valid())
    code = codes.fill_null(0).to_numpy(zero_copy_only=False)
    return sample[known], code[known], len(dataset)
