"""A writer that appends one sample a commit and says so: writer.py ROOT NAME COMMITS."""

from __future__ import annotations

import sys
from typing import TextIO

import smalti as sm


def commit(root: str, name: str, commits: int, told: TextIO) -> None:
    store = sm.Store(root)
    for number in range(commits):
        sample = {"id": f"{name}-{number}", "objects": [{"category": "car", "bbox": [0, 0, number, 1]}]}
        made = store.append(sm.Dataset.from_samples([sample], categories=["car", "bus", "never seen"]))
        told.write(f"{made.version} {sample['id']}\n")
        told.flush()


if __name__ == "__main__":
    commit(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.stdout)
