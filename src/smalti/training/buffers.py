"""Memory for batches that is used again once nobody holds the batch in it any more.

Fresh memory is zeroed by the kernel, page by page, when it is touched: for the pictures of a batch that takes half as
long as decoding them. So a batch gets the memory of an earlier one. That is free when the last tensor, array or view of
it is gone, in whatever process; what somebody holds is never given out.

A worker's memory is a file without a name (https://man7.org/linux/man-pages/man2/memfd_create.2.html) that the main
process maps, too. A byte behind the batch says who has it. Where there are no such files, PyTorch's memory serves.
"""

from __future__ import annotations

import mmap
import os
import weakref
from contextlib import suppress
from math import prod
from multiprocessing import reduction
from typing import TYPE_CHECKING, Any

import numpy as np

from smalti._extras import require

if TYPE_CHECKING:
    from collections.abc import Sequence

torch = require("torch", "torch")

SPARE = 256 * 2**20  # bytes at most that a process keeps for later batches
MOST = 16  # batches of a worker that the main process has at once: each keeps a file open
HUGE = 2 * 2**20  # bytes of a huge page: buffers have whole ones, and smaller batches have none

FREE, SENT, GONE = range(3)  # who has a batch: nobody, the main process, perhaps also one that it forked


class Buffer:
    """Memory for one batch: private, or shared with the process that a worker sends it to."""

    def __init__(self, size: int, *, shared: bool) -> None:
        self.size = -(-size // HUGE) * HUGE
        self.sent = False
        if shared:
            self.file = os.memfd_create("smalti")
            weakref.finalize(self, os.close, self.file)
            os.ftruncate(self.file, self.size + 1)
            self.memory = mmap.mmap(self.file, self.size + 1)
        else:
            self.memory = mmap.mmap(-1, self.size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            with suppress(OSError):  # a kernel without them
                self.memory.madvise(mmap.MADV_HUGEPAGE)
        self.address = np.frombuffer(self.memory, np.uint8).ctypes.data


class Pool:
    """The buffers of a process. Whatever thread drops a batch last gives its buffer back: lists alone, no locks."""

    def __init__(self) -> None:
        self.free: list[Buffer] = []
        self.sent: list[Buffer] = []
        self.lent: dict[int, Buffer] = {}  # by address
        self.forks = 0
        self.sends = False  # whether this worker's batches leave by `leaving`

    def lend(self, size: int, *, shared: bool) -> Any:
        """So many bytes as a tensor; null where there are none."""
        self._collect()
        buffer = self._fitting(size)
        if buffer is None:
            if len(self.sent) >= MOST:
                return None
            try:
                buffer = Buffer(size, shared=shared)
            except OSError:  # no more files, or memory: perhaps PyTorch has some
                return None
        array = np.frombuffer(buffer.memory, np.uint8, size)
        self.lent[buffer.address] = buffer
        weakref.finalize(array, self._back, buffer, self.forks).atexit = False
        return torch.from_numpy(array)

    def _collect(self) -> None:
        """Take back what the main process has released."""
        for buffer in tuple(self.sent):
            if (holder := buffer.memory[buffer.size]) != SENT:
                self.sent.remove(buffer)
                buffer.sent = False
                if holder == FREE:
                    self._keep(buffer)

    def _fitting(self, size: int) -> Buffer | None:
        """The smallest buffer that is large enough, of several the last used: caches may know it."""
        fitting = [buffer for buffer in reversed(self.free) if buffer.size >= size]
        buffer = min(fitting, key=lambda buffer: buffer.size, default=None)
        if buffer is not None:
            try:
                self.free.remove(buffer)
            except ValueError:  # another thread has taken it
                return None
        return buffer

    def _back(self, buffer: Buffer, forks: int) -> None:
        """This process holds nothing of a batch any more."""
        self.lent.pop(buffer.address, None)
        if forks != self.forks:
            return
        if buffer.sent:
            self.sent.append(buffer)
        else:
            self._keep(buffer)

    def _keep(self, buffer: Buffer) -> None:
        self.free.append(buffer)
        while sum(kept.size for kept in self.free) > SPARE:
            self.free.pop(0)

    def forked(self) -> None:
        """Forget all buffers: a process that is forked may read in them what was there."""
        self.forks += 1
        for known in (self.free, self.sent, self.lent):
            known.clear()


POOL = Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=POOL.forked)


class Batch(torch.Tensor):  # type: ignore[misc,name-defined]  # torch is looked up when used
    """A tensor in a worker's buffer on its way to the main process; what is computed from it is a plain one."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # noqa: SLF001  # as PyTorch's guide has it

    buffer: Buffer


def empty(shape: Sequence[int], dtype: Any) -> Any:
    """As ``torch.empty``, in memory that is used again; in a worker, in memory that the main process can map."""
    size = prod(shape) * dtype.itemsize
    worker = torch.utils.data.get_worker_info() is not None
    # Where a batch goes that a function of somebody else collates is not known: it could not be used again.
    if size >= HUGE and hasattr(os, "memfd_create") and (POOL.sends or not worker):
        tensor = POOL.lend(size, shared=worker)
        if tensor is not None:
            return tensor.view(dtype).view(shape)
    if not size or not worker:
        return torch.empty(shape, dtype=dtype)
    storage = torch.UntypedStorage._new_shared(size)  # noqa: SLF001  # as torch's own default_collate does it
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)


def leaving(tensor: Any) -> Any:
    """A whole tensor of `empty`, permuted or not, so that a worker sends it without a copy. Others stay as they are."""
    if torch.utils.data.get_worker_info() is None:
        return tensor
    POOL.sends = True
    buffer = POOL.lent.get(tensor.data_ptr())
    if buffer is None:
        return tensor
    batch = tensor.as_subclass(Batch)
    batch.buffer = buffer
    return batch


def _reduced(batch: Batch) -> Any:
    buffer = batch.buffer
    if buffer.sent or POOL.lent.get(batch.data_ptr()) is not buffer:  # for two receivers, or moved by PyTorch
        return torch.multiprocessing.reductions.reduce_tensor(batch.as_subclass(torch.Tensor))
    buffer.sent = True
    buffer.memory[buffer.size] = SENT
    form = (batch.dtype, tuple(batch.shape), batch.stride())
    return _received, (reduction.DupFd(buffer.file), buffer.size, *form)


reduction.ForkingPickler.register(Batch, _reduced)


def _received(handle: Any, size: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    file = handle.detach()
    try:
        memory = mmap.mmap(file, size + 1)
    finally:
        os.close(file)
    array = np.frombuffer(memory, np.uint8, prod(shape) * dtype.itemsize)
    weakref.finalize(array, _released, memory, size, POOL.forks).atexit = False
    return torch.from_numpy(array).view(dtype).as_strided(shape, strides)


def _released(memory: mmap.mmap, size: int, forks: int) -> None:
    memory[size] = FREE if forks == POOL.forks else GONE
