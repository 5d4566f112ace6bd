"""Memory of batches is used again, and never while somebody holds it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
from multiprocessing.reduction import ForkingPickler
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset

import smalti as sm
from smalti.training import buffers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNT, SIZE = 24, (1000, 720)  # more than a huge page each
PAGE = buffers.HUGE


@pytest.fixture
def pictures(tmp_path: Path) -> sm.Dataset:
    """Pictures of one size; the colour of each is its number."""
    samples = []
    for number in range(COUNT):
        Image.new("RGB", SIZE, (number,) * 3).save(tmp_path / f"{number}.bmp")
        image = {"path": f"{number}.bmp", "width": SIZE[0], "height": SIZE[1]}
        objects = [{"category": "cat", "bbox": [1, 2, 3, 4]}] * (number % 3)
        samples.append({"id": f"{number}.bmp", "image": image, "objects": objects})
    return sm.Dataset.from_samples(samples, media_root=str(tmp_path))


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> buffers.Pool:
    """A pool of its own."""
    made = buffers.Pool()
    monkeypatch.setattr(buffers, "POOL", made)
    return made


@pytest.fixture
def worker(pool: buffers.Pool, monkeypatch: pytest.MonkeyPatch) -> buffers.Pool:
    """This process as a worker, and as the one that gets its batches."""
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: SimpleNamespace(id=0, num_workers=1))
    pool.sends = True
    return pool


def across(batch: Any) -> Any:
    """What the main process gets."""
    return pickle.loads(ForkingPickler.dumps(batch))  # noqa: S301  # our own


def numbers(images: torch.Tensor) -> list[int]:
    """Which pictures they are."""
    assert all((image == image[0, 0, 0]).all() for image in images)
    return images[:, 0, 0, 0].tolist()


def with_address(batch: list[Any]) -> Any:
    """A collate function that tells in which memory of the worker a batch is."""
    images, _ = sm.torch.collate(batch)
    return images, images.data_ptr()


def twice(batch: list[Any]) -> Any:
    images, _ = sm.torch.collate(batch)
    return images[2:], images, images.float() + 0.5, images


def tuples(batch: list[Any]) -> Any:
    assert not buffers.POOL.sends
    return tuple(zip(*batch, strict=True))


class Dies(Dataset[Any]):
    """Its worker ends in the middle."""

    def __init__(self, items: Any) -> None:
        self.items = items

    def __len__(self) -> int:
        return COUNT

    def __getitems__(self, rows: list[int]) -> list[Any]:
        if 12 in rows:
            os._exit(3)
        found: list[Any] = self.items.__getitems__(rows)
        return found


class Ones(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        for number in range(COUNT):
            image = torch.full((3, 400, 500), number, dtype=torch.float32)
            yield image, {"label": torch.tensor(number)}


def test_process__uses_memory_again_when_nobody_has_it(pool: buffers.Pool) -> None:
    first = buffers.empty((4, PAGE), torch.float32)
    first[:] = 7
    address, view = first.data_ptr(), first[2:].numpy()
    del first
    second = buffers.empty((4, PAGE), torch.float32)
    assert second.data_ptr() != address
    assert (view == 7).all()
    del view
    third = buffers.empty((2, PAGE), torch.int64)
    assert third.data_ptr() == address
    assert not pool.free
    for shape in ((0, 3), (2, 3)):
        assert buffers.empty(shape, torch.int64).shape == shape
    assert len(pool.lent) == 2


def test_process__gives_the_smallest_that_fits_and_keeps_no_more_than_it_may(
    pool: buffers.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [buffers.empty((size,), torch.uint8) for size in (PAGE, 9 * PAGE, 5 * PAGE)]
    addresses = [tensor.data_ptr() for tensor in held]
    held.clear()
    assert sorted(buffer.size for buffer in pool.free) == [PAGE, 5 * PAGE, 9 * PAGE]
    assert buffers.empty((3 * PAGE + 1,), torch.uint8).data_ptr() == addresses[2]
    assert buffers.empty((6 * PAGE,), torch.uint8).data_ptr() == addresses[1]
    monkeypatch.setattr(buffers, "SPARE", 9 * PAGE)
    del held
    last = buffers.empty((8 * PAGE,), torch.uint8)
    del last
    assert sum(buffer.size for buffer in pool.free) <= 9 * PAGE


def test_process__loops_take_turns_in_two_buffers(pictures: sm.Dataset) -> None:
    addresses = set()
    for images, _ in DataLoader(pictures.to_torch(), batch_size=8, collate_fn=sm.torch.collate):
        addresses.add(images.data_ptr())
    assert len(addresses) == 2
    kept = [
        images for images, _ in DataLoader(pictures.to_torch(), batch_size=8, collate_fn=sm.torch.collate)
    ]
    assert [number for images in kept for number in numbers(images)] == list(range(COUNT))


@pytest.mark.usefixtures("pool")
def test_process__copies_are_plain_tensors() -> None:
    tensor = buffers.empty((PAGE,), torch.uint8).fill_(4)
    twin, other = copy.deepcopy(tensor), pickle.loads(pickle.dumps(tensor))  # noqa: S301  # our own
    tensor.fill_(5)
    assert (twin == 4).all()
    assert (other == 4).all()


def test_worker__gets_a_buffer_back_when_the_last_view_is_gone(worker: buffers.Pool) -> None:
    batch = buffers.leaving(buffers.empty((2, PAGE), torch.float32).fill_(1))
    address = batch.data_ptr()
    there = across(batch)
    assert type(there) is torch.Tensor
    del batch
    view = there[1].numpy()
    del there
    gc.collect()
    assert buffers.empty((2, PAGE), torch.float32).data_ptr() != address
    assert len(worker.sent) == 1
    assert (view == 1).all()
    del view
    held = [buffers.empty((2, PAGE), torch.float32) for _ in range(2)]
    assert address in [tensor.data_ptr() for tensor in held]
    assert not worker.sent


def test_worker__keeps_a_buffer_while_it_holds_it_itself(worker: buffers.Pool) -> None:
    batch = buffers.leaving(buffers.empty((2, PAGE), torch.float32).fill_(1))
    address = batch.data_ptr()
    across(batch)  # and gone again
    assert buffers.empty((2, PAGE), torch.float32).data_ptr() != address
    again = across(batch)  # to a second receiver: a copy
    del batch
    third = buffers.empty((2, PAGE), torch.float32).zero_()
    assert (again == 1).all()
    assert (third == 0).all()
    assert not worker.sent


def test_worker__a_fork_may_go_on_reading(worker: buffers.Pool) -> None:
    batch = buffers.leaving(buffers.empty((PAGE,), torch.uint8))
    held, buffer = across(batch), batch.buffer
    del batch
    worker.forked()
    del held
    assert buffer.memory[PAGE] == buffers.GONE
    tensor = buffers.empty((PAGE,), torch.uint8)
    assert tensor.data_ptr() != buffer.address
    worker.forked()
    del tensor
    assert not worker.free


def test_worker__a_batch_that_is_dropped_is_free(worker: buffers.Pool) -> None:
    address = buffers.empty((PAGE,), torch.uint8).data_ptr()
    assert [buffer.address for buffer in worker.free] == [address]


def test_worker__has_limits(worker: buffers.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    for number in range(buffers.MOST + 3):
        tensor = buffers.empty((PAGE,), torch.uint8).fill_(number)
        held.append(across(buffers.leaving(tensor)))
        del tensor
    assert len(worker.sent) == buffers.MOST
    assert [tensor[0].item() for tensor in held] == list(range(buffers.MOST + 3))
    held.clear()

    def full(name: str) -> int:
        raise OSError(f"no room for {name}")

    monkeypatch.setattr(os, "memfd_create", full)
    worker._collect()
    worker.free.clear()
    tensor = buffers.leaving(buffers.empty((PAGE,), torch.uint8).fill_(9))
    assert (across(tensor) == 9).all()
    assert not worker.lent


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_loader__uses_memory_again_and_leaves_alone_what_is_held(pictures: sm.Dataset, context: str) -> None:
    # A process that is spawned cannot import the functions of tests.
    collate = with_address if context == "fork" else sm.torch.collate
    loader = DataLoader(
        pictures.to_torch(tv_tensors=False), batch_size=2, num_workers=2, persistent_workers=True,
        multiprocessing_context=context, collate_fn=collate,
    )  # fmt: skip
    seen = [(numbers(images), address) for images, address in loader]
    assert [number for found, _ in seen for number in found] == list(range(COUNT))
    if context == "fork":
        assert len({address for _, address in seen}) <= 8  # of 12
    held = [images for _, (images, _) in zip(range(5), loader, strict=False)]  # and out of the loop
    for _ in range(2):
        assert [number for images, _ in loader for number in numbers(images)] == list(range(COUNT))
    assert [number for images in held for number in numbers(images)] == list(range(10))
    kept = [images for images, _ in loader]
    del loader
    assert [number for images in kept for number in numbers(images)] == list(range(COUNT))
    kept[0][:] = 99  # it is the trainer's own
    assert numbers(kept[1]) == [2, 3]


def test_loader__takes_other_collate_functions(pictures: sm.Dataset) -> None:
    items = pictures.to_torch(tv_tensors=False)
    kept = list(DataLoader(items, batch_size=4, num_workers=1, collate_fn=twice))
    for number, (part, images, shifted, same) in enumerate(kept):
        rows = list(range(4 * number, 4 * number + 4))
        assert numbers(images) == numbers(same) == rows
        assert numbers(part) == rows[2:]
        assert numbers(shifted) == [row + 0.5 for row in rows]
    kept = list(DataLoader(items, batch_size=4, num_workers=1, collate_fn=tuples))
    assert [number for images, _ in kept for number in numbers(torch.stack(images))] == list(range(COUNT))


def test_loader__transforms_and_streams_are_stacked(pictures: sm.Dataset) -> None:
    def halved(image: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return image / 2, target

    items = pictures.to_torch(tv_tensors=False, transform=halved)
    kept = [
        images for images, _ in DataLoader(items, batch_size=5, num_workers=1, collate_fn=sm.torch.collate)
    ]
    assert [number for images in kept for number in numbers(images)] == [n / 2 for n in range(COUNT)]
    loader = DataLoader(Ones(), batch_size=5, num_workers=1, collate_fn=sm.torch.collate)
    for images, targets in loader:
        assert numbers(images) == [target["label"].item() for target in targets]


def test_loader__a_worker_that_dies_takes_no_batch_along(pictures: sm.Dataset) -> None:
    items = Dies(pictures.to_torch(tv_tensors=False))
    kept: list[torch.Tensor] = []
    loader = DataLoader(items, batch_size=4, num_workers=1, collate_fn=sm.torch.collate)
    # PyTorch says that a worker has gone; the handle of a batch that is on its way then, that nobody answers.
    with pytest.raises((RuntimeError, OSError, EOFError)):
        kept.extend(images for images, _ in loader)
    assert [number for images in kept for number in numbers(images)] == list(range(4 * len(kept)))


def test_loader__workers_are_forks(pictures: sm.Dataset) -> None:
    before = buffers.POOL.forks
    loader = DataLoader(
        pictures.to_torch(decode=None), num_workers=1, multiprocessing_context="fork", collate_fn=len
    )
    assert list(loader) == [1] * COUNT
    assert buffers.POOL.forks > before


def test_targets__come_as_they_were() -> None:
    rows: list[dict[str, Any]] = [
        {"a": torch.arange(n), "b": torch.tensor(n), "c": f"{n}", "d": torch.ones(n, 2, dtype=torch.bfloat16)}
        for n in range(3)
    ]
    large = [{"m": torch.full((n, 99, 999), n, dtype=torch.uint8)} for n in range(3)]
    odd = [{"a": torch.arange(2)}, {"b": torch.arange(2)}, {}]
    for targets in (rows, large, odd, []):
        there = across(sm.training.collate.Targets(targets))
        assert isinstance(there, list)
        assert [list(target) for target in there] == [list(target) for target in targets]
        for target, expected in zip(there, targets, strict=True):
            for key, value in expected.items():
                same = (
                    torch.equal(target[key], value)
                    if isinstance(value, torch.Tensor)
                    else target[key] == value
                )
                assert same
                assert getattr(target[key], "dtype", None) == getattr(value, "dtype", None)
    assert np.asarray(there).size == 0
