"""What Ultralytics makes of a YOLO export: python yolo_judge.py FOLDER [detect|segment|pose|obb], JSON on stdout.

Runs in the environment of setup.sh. The dataset goes through ``check_det_dataset`` and each image and
label through ``verify_image_label``, as in a training.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ultralytics.data.utils import IMG_FORMATS, check_det_dataset, img2label_paths, verify_image_label


def main() -> None:
    folder, task = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "detect"
    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    count, each = data.get("kpt_shape", (0, 0))
    found: dict[str, object] = {
        "names": data["names"],
        "images": 0,
        "objects": 0,
        "corrupt": 0,
        "messages": [],
    }
    messages: list[str] = []
    places = {str(data[key]) for key in ("train", "val", "test") if data.get(key)}
    images = sorted(
        p for place in places for p in Path(place).rglob("*") if p.suffix[1:].lower() in IMG_FORMATS
    )
    objects = points = corrupt = 0
    for image in images:
        label = img2label_paths([str(image)])[0]
        job = (str(image), label, "", task == "pose", len(data["names"]), count, each, False)
        _, rows, _, segments, keypoints, _, _, _, broken, message = verify_image_label(job)
        objects += 0 if rows is None else len(rows)
        points += 0 if keypoints is None else int((keypoints[..., -1] > 0).sum())
        corrupt += broken
        if segments:
            found["segments"] = int(found.get("segments", 0)) + len(segments)
        if message:
            messages.append(message)
    found |= {"images": len(images), "objects": objects, "keypoints": points, "corrupt": corrupt}
    found["messages"] = messages
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
