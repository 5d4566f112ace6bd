from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
HEAVY = (
    *("torch", "pandas", "polars", "PIL", "lxml", "matplotlib", "mlflow", "wandb"),
    *("pyarrow", "numpy", "pydantic", "msgspec", "yaml", "rich", "typer", "fsspec"),
)
BUDGET = 0.040  # seconds of CPU above bare Python
RUNS = 7
CLOCK = "import time; print(time.process_time())"


def _run(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


def _seconds(code: str) -> float:
    """CPU time of a process from its start, the least of some runs: the others met disturbance."""
    return min(float(_run(f"{code}; {CLOCK}")) for _ in range(RUNS))


def test_import__brings_in_no_library() -> None:
    loaded = _run("import smalti, sys; print(*sys.modules)").split()
    assert "smalti" in loaded
    assert not set(HEAVY) & set(loaded)


def test_import__costs_next_to_nothing() -> None:
    bare, whole = _seconds("pass"), _seconds("import smalti")
    assert whole - bare < BUDGET, f"import smalti takes {1000 * (whole - bare):.0f} ms of CPU"


def test_names__bring_in_only_what_they_need() -> None:
    loaded = _run("import smalti, sys; smalti.errors; print(*sys.modules)").split()
    assert "smalti.errors" in loaded
    assert not set(HEAVY) & set(loaded)
