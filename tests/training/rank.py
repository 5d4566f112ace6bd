"""One rank of a process group: what it sees of an epoch. python rank.py RANK SOURCE FOLDER RANKS WORKERS CONTEXT."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import smalti as sm


def main() -> None:
    rank, source, folder, ranks, workers, context = sys.argv[1:]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=int(rank), world_size=int(ranks)
    )
    stream = sm.Dataset.scan(source).to_torch_stream(decode=None, buffer=200)
    loader = DataLoader(
        stream,
        batch_size=16,
        num_workers=int(workers),
        collate_fn=sm.torch.collate,
        multiprocessing_context=context if int(workers) else None,
    )
    seen = [target["image_id"].item() for _, targets in loader for target in targets]
    Path(folder, f"{rank}.txt").write_text("\n".join(map(str, seen)), "utf-8")
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
