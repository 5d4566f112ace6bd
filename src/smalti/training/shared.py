"""Flat arrays that processes share.

A forked worker shares them as they are. For a spawned one they are pickled as handles of shared memory,
where they are put once (https://docs.pytorch.org/docs/stable/multiprocessing.html).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Shared:
    """An object whose numpy arrays are not copied when it is sent to a worker."""

    _tensors: dict[str, Any]

    def __getstate__(self) -> dict[str, Any]:
        import torch

        tensors = self.__dict__.setdefault("_tensors", {})
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and name not in tensors:
                tensors[name] = torch.from_numpy(np.require(value, requirements=["C", "W"])).share_memory_()
        for name, tensor in tensors.items():  # this process uses the shared ones from now on, too
            setattr(self, name, tensor.numpy())
        return {name: tensors.get(name, value) for name, value in vars(self).items() if name != "_tensors"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        import torch

        for name, value in state.items():
            setattr(self, name, value.numpy() if isinstance(value, torch.Tensor) else value)


def packed(table: pa.Table) -> NDArray[np.uint8]:
    """A table as bytes, which processes can share: an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), np.uint8).copy()


def unpacked(data: Any) -> pa.Table:
    """The table of such bytes, without a copy."""
    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()
