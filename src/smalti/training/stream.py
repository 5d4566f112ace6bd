"""A dataset for PyTorch's DataLoader that is read as it goes: for more samples than memory holds.

    stream = sm.Dataset.scan("s3://bucket/birds").to_torch_stream(seed=0)
    for epoch in range(10):
        stream.set_epoch(epoch)
        for images, targets in DataLoader(stream, batch_size=16, num_workers=2, collate_fn=sm.torch.collate): ...

`smalti.training.order` says which samples come when, and to whom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smalti._extras import require
from smalti.dataset.dataset import Dataset
from smalti.errors import DataError, OptionError
from smalti.training import order
from smalti.training.options import label_fields
from smalti.training.shared import Shared, packed, unpacked
from smalti.training.torch import TorchDataset

torch = require("torch", "torch")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smalti.training.options import ItemOptions
    from smalti.training.order import Window

SHARD = 1024  # samples of a shard of a dataset in memory


class TorchStream(Shared, torch.utils.data.IterableDataset):  # type: ignore[misc,name-defined]  # torch is looked up when used
    """Items as those of `TorchDataset`, read shard by shard; see `smalti.Dataset.to_torch_stream` for the options.

    Every sample is given once an epoch, whatever the number of ranks and workers; those of two ranks differ by one
    sample at most. ``image_id`` is the position in the dataset.

    Attributes:
        samples: Samples of an epoch, over all ranks.
        skipped: int64 tensor ``(1,)``: how many broken images were left out so far, over all workers.
    """

    def __init__(
        self,
        dataset: Dataset,
        options: ItemOptions,
        *,
        shuffle: bool,
        seed: int,
        buffer: int,
        rank: int | None,
        world_size: int | None,
    ) -> None:
        if buffer < 1 or (rank is None) != (world_size is None):
            raise OptionError("buffer is at least 1, and rank and world_size go together")
        wanted = ["id", "image", *label_fields(dataset, options.fields), *options.columns]
        rows = dataset.select([name for name in dict.fromkeys(wanted) if name in dataset.columns])
        if options.missing == "drop":
            for name in label_fields(dataset, options.fields):
                rows = rows.filter(pc.field(name).is_valid())
        self.options = options
        self.shuffle, self.seed, self.buffer = shuffle, seed, buffer
        self.ranks = None if rank is None or world_size is None else (rank, world_size)
        # Workers that live longer than an epoch read the next one's number here.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.skipped = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.schema = rows.schema
        self._scan = rows if rows.lazy else None
        self._rows = None if rows.lazy else packed(rows.to_arrow())
        self._opened: list[Dataset] | None = None
        self._last: tuple[int, pa.Table] | None = None
        self.counts = np.array([len(shard) for shard in self._shards()], np.int64)
        self.samples = int(self.counts.sum())
        self._start = 0
        self._given = 0
        self._items(
            [self._table(0)[:1]] if len(self.counts) else []
        )  # faulty options are said now, not by a worker

    @property
    def epoch(self) -> int:
        """The number of the epoch that the next iteration is of."""
        return int(self._epoch[0])

    def set_epoch(self, epoch: int) -> None:
        """Give the next iteration the order of an epoch; workers that are there learn of it."""
        self._epoch[0] = epoch

    def __iter__(self) -> Iterator[Any]:
        consumer, consumers = self._consumer()
        self._given, self._start = self._start, 0
        shards = order.shard_order(len(self.counts), self.seed, self.epoch, shuffle=self.shuffle)
        seed = (self.seed, self.epoch, consumer) if self.shuffle else None
        bounds = order.stretch(self.samples, consumer, consumers)
        for window in order.windows(self.counts, shards, bounds, self.buffer, self._given, seed):
            yield from self._window(window)

    def _window(self, window: Window) -> Iterator[Any]:
        first = np.concatenate([[0], np.cumsum(self.counts)])
        positions = np.concatenate([np.arange(a, b) + first[shard] for shard, a, b in window.pieces])
        items = self._items([self._table(shard)[start:stop] for shard, start, stop in window.pieces])
        for row in window.order[window.done :].tolist():
            self._given += 1
            try:
                yield items.item(row, int(positions[row]))
            except DataError:
                if self.options.on_error == "raise":
                    raise
                self.skipped += 1

    def _items(self, tables: list[pa.Table]) -> TorchDataset:
        table = pa.concat_tables(tables) if tables else self.schema.arrow.empty_table()
        return TorchDataset(Dataset.from_arrow(table, self.schema), self.options)

    def _table(self, shard: int) -> pa.Table:
        """The samples of a shard. The last one stays: windows often go on in it."""
        if self._last is None or self._last[0] != shard:
            self._last = (shard, self._shards()[shard].to_arrow())
        return self._last[1]

    def _shards(self) -> list[Dataset]:
        if self._opened is None:  # once in each process
            rows = self._scan or Dataset.from_arrow(unpacked(self._rows), self.schema)
            self._opened = rows.shards(SHARD)
        return self._opened

    def _consumer(self) -> tuple[int, int]:
        """Which of how many: each worker of each rank is one."""
        rank, ranks = self.ranks or _process_group() or (0, 1)
        worker = torch.utils.data.get_worker_info()
        if worker is None:
            return rank, ranks
        return rank * worker.num_workers + worker.id, ranks * worker.num_workers

    def state_dict(self) -> dict[str, Any]:
        """Where the iteration is: of this process, or of the worker that asks."""
        consumer, consumers = self._consumer()
        return {
            "epoch": self.epoch,
            "given": self._given,
            "consumer": consumer,
            "consumers": consumers,
            "seed": self.seed,
            "buffer": self.buffer,
            "shuffle": self.shuffle,
            "samples": self.samples,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next iteration go on from there.

        Raises:
            OptionError: The state is of other data, another seed, or another number of ranks and workers.
        """
        now = self.state_dict()
        for key in ("consumer", "consumers", "seed", "buffer", "shuffle", "samples"):
            if state.get(key) != now[key]:
                raise OptionError(
                    f"cannot go on: the state has {key} {state.get(key)!r}, now it is {now[key]!r}"
                )
        self.set_epoch(state["epoch"])
        self._start = self._given = state["given"]

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is spawned knows nothing of the process group.
        return {
            **super().__getstate__(),
            "_opened": None,
            "_last": None,
            "ranks": self.ranks or _process_group(),
        }


def _process_group() -> tuple[int, int] | None:
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return None
    return distributed.get_rank(), distributed.get_world_size()
