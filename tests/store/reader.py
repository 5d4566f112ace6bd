"""A reader that reads the newest version again and again until its input is closed, and says how often: reader.py ROOT."""

from __future__ import annotations

import sys
import threading

import smalti as sm

closed = threading.Event()


def watch() -> None:
    sys.stdin.read()
    closed.set()


def read(root: str) -> int:
    store = sm.Store(root)
    count = 0
    while not closed.is_set():
        found = store.read()
        assert len(found) == len(found.load())
        assert found.load().digest() == found.digest()
        count += 1
        if count == 1:
            sys.stdout.write("reading\n")
            sys.stdout.flush()
    return count


if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
    sys.stdout.write(f"{read(sys.argv[1])}\n")
