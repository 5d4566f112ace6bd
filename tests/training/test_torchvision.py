from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

STREET = Path(__file__).parents[2] / "examples" / "street"
JUDGE = Path(__file__).parents[1] / "judges" / "torchvision_judge.py"


def test_transforms__keep_labels_in_step() -> None:
    run = subprocess.run(
        [os.environ["SMALTI_JUDGE_PYTHON"], "-W", "ignore", JUDGE, STREET],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    verdict = json.loads(run.stdout)
    assert len(verdict["rows"]) == 12
    wrong = [
        (row, fact) for row, facts in enumerate(verdict["rows"]) for fact, holds in facts.items() if not holds
    ]
    assert wrong == []
    assert verdict["loader"] is True
