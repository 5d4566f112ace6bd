"""TensorFlow's view of our items: tensorflow_judge.py DATASET. Prints what each holds, summed up, as JSON."""

from __future__ import annotations

import json
import sys

import smalti as sm


def main() -> None:
    found = []
    for image, target in sm.read(sys.argv[1]).to_tf():
        sums = {key: float(value.numpy().astype("float64").sum()) for key, value in target.items()}
        found.append({"shape": list(image.shape), "sum": int(image.numpy().astype("int64").sum()), **sums})
    print(json.dumps(found))  # noqa: T201  # the verdict


if __name__ == "__main__":
    main()
