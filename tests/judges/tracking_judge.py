"""TrackEval's and py-motmetrics' reading of tracks: tracking_judge.py JOBS. JSON in, JSON out.

JOBS names by case the benchmark, the folder of its sequences and their lengths. What is written is ground truth and
the tracker's answer at once, so that the benchmark's own evaluation has to find both the same.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import motmetrics
import trackeval
from trackeval.datasets import Kitti2DBox, MotChallenge2DBox, MOTSChallenge


def opened(benchmark: str, folder: Path, frames: dict[str, int], place: Path) -> Any:
    data = place / "us" / "data"
    data.mkdir(parents=True)
    common = {"GT_FOLDER": str(folder), "TRACKERS_FOLDER": str(place), "PRINT_CONFIG": False}
    for name in frames:
        body = (
            folder
            / ("label_02" if benchmark == "kitti" else f"{name}/gt")
            / f"{name if benchmark == 'kitti' else 'gt'}.txt"
        )
        shutil.copy(body, data / f"{name}.txt")
    if benchmark == "kitti":
        lines = [f"{name} empty 000000 {count:06}\n" for name, count in frames.items()]
        (folder / "evaluate_tracking.seqmap.training").write_text("".join(lines))
        return Kitti2DBox(common)
    kind = MotChallenge2DBox if benchmark == "mot" else MOTSChallenge
    return kind({**common, "SKIP_SPLIT_FOL": True, "SEQ_INFO": dict.fromkeys(frames)})


def judged(job: dict[str, Any], place: Path) -> dict[str, Any]:
    folder = Path(job["path"])
    dataset = opened(job["benchmark"], folder, job["frames"], place)
    found = {}
    for name in job["frames"]:
        raw = dataset.get_raw_seq_data("us", name)
        data = dataset.get_preprocessed_seq_data(raw, "pedestrian")
        found[name] = {
            "ids": [list(map(int, frame)) for frame in raw["gt_ids"]],
            "classes": [list(map(int, frame)) for frame in raw["gt_classes"]],
            "boxes": [[plain(one) for one in frame] for frame in raw["gt_dets"]],
            "hota": float(trackeval.metrics.HOTA().eval_sequence(data)["HOTA"].mean()),
            "idf1": float(trackeval.metrics.Identity({"PRINT_CONFIG": False}).eval_sequence(data)["IDF1"]),
        }
        if job["benchmark"] == "mot":
            table = motmetrics.io.loadtxt(
                str(folder / name / "gt" / "gt.txt"), fmt="mot15-2D", sep=","
            ).reset_index()
            found[name]["motmetrics"] = table.to_numpy().tolist()
    return found


def plain(one: Any) -> Any:
    if isinstance(one, dict):
        return {"size": one["size"], "counts": one["counts"].decode()}
    return one.tolist()


jobs = json.loads(Path(sys.argv[1]).read_text("utf-8"))
answer = {case: judged(job, Path.cwd() / case) for case, job in jobs.items()}
print(json.dumps(answer))  # noqa: T201  # the verdict
