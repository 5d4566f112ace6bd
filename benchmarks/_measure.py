"""Run commands side by side and measure each: user and system CPU, wall time, peak memory."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY = os.path.join(os.sep, "dev", "shm")  # a file system in memory, where the system has one
MAKE_COCO = ROOT / "benchmarks" / "make_coco.py"


@dataclass
class Run:
    """One measured command: seconds of CPU and of wall time, and peak resident memory in MB."""

    name: str
    user: float
    system: float
    wall: float
    peak_mb: float


def scratch() -> Path:
    """A folder in memory where there is one: creating files on a disk costs everybody the same seconds."""
    return Path(tempfile.mkdtemp(prefix="smalti-bench-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


def measure(name: str, command: list[str], env: dict[str, str] | None = None) -> Run:
    """Run a command in a process of its own; its failure is ours.

    Threads and children of the command count with it.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    said = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed:\n{said.decode(errors='replace')[-2000:]}")
    return Run(name, usage.ru_utime, usage.ru_stime, wall, usage.ru_maxrss / 1024)


def best(name: str, command: list[str], repeat: int, clean: list[Path]) -> Run:
    """The run with the least user CPU of several; what it writes is removed before each."""
    runs = []
    for _ in range(repeat):
        for path in clean:
            shutil.rmtree(path, ignore_errors=True)
        runs.append(measure(name, command))
    return min(runs, key=lambda run: run.user)


def show(title: str, runs: list[Run], ours: str = "smalti") -> None:
    """Print the runs as a table, peers as multiples of ours."""
    mine = next(run for run in runs if run.name == ours)
    print(f"\n{title}")
    print(f"{'':32} {'user s':>8} {'sys s':>7} {'wall s':>8} {'peak MB':>9} {'user x':>8} {'wall x':>8}")
    for run in runs:
        print(
            f"{run.name:32} {run.user:8.2f} {run.system:7.2f} {run.wall:8.2f} {run.peak_mb:9.0f}"
            f" {run.user / mine.user:8.1f} {run.wall / mine.wall:8.1f}"
        )
    sys.stdout.flush()


def save(path: Path, results: dict[str, list[Run]]) -> None:
    """Write the figures beside the scripts, for the documentation."""
    path.write_text(
        json.dumps({title: [asdict(r) for r in runs] for title, runs in results.items()}, indent=1)
    )


def own_peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
