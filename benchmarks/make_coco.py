"""Write a synthetic COCO instances file shaped like COCO 2017.

    python make_coco.py OUT.json [--images 118287] [--seed 0]

Shape of the real train2017 file: 118,287 images, 860,001 annotations (7.27 an image, about 1 % of
the images without any), 80 categories with ids 1..90 and gaps, about 520 bytes an annotation (polygons
of 3 to 80 points with two decimals, some of several rings), 1 % of the annotations crowds with
uncompressed RLE.  Image ids are neither dense nor sorted, and annotations stand in random image order,
as in the real file.  Needs numpy alone.  The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

GAPS = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
CATEGORY_IDS = [i for i in range(1, 91) if i not in GAPS]
RATIO = 860001 / 118287


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--images", type=int, default=118287)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    n = args.images
    ids = rng.choice(max(600_000, 5 * n), size=n, replace=False) + 1
    width = rng.choice([640, 640, 640, 480, 500, 427, 612], size=n)
    height = rng.choice([480, 480, 427, 640, 375, 640, 612], size=n)
    m = round(n * RATIO)
    weight = rng.gamma(1.2, 1.0, size=n)
    weight[rng.random(n) < 0.009] = 0
    owner = rng.choice(n, size=m, p=weight / weight.sum())
    frequency = 1 / np.arange(1, 81) ** 0.9
    category = np.array(CATEGORY_IDS)[rng.choice(80, size=m, p=frequency / frequency.sum())]
    crowd = rng.random(m) < 0.0116
    points = np.clip(rng.gamma(2.2, 9.0, size=m).astype(int) + 4, 4, 90)
    rings = 1 + (rng.random(m) < 0.11) + (rng.random(m) < 0.03)

    with Path(args.out).open("w", encoding="utf-8") as out:
        out.write('{"info": {"description": "synthetic, COCO 2017 shaped", "version": "1.0", "year": 2017},')
        out.write(' "licenses": [{"url": "http://creativecommons.org/licenses/by/2.0/", "id": 4,')
        out.write(' "name": "Attribution License"}], "images": [')
        for i in range(n):
            name = f"{ids[i]:012d}.jpg"
            out.write(
                (", " if i else "")
                + json.dumps(
                    {
                        "license": 4,
                        "file_name": name,
                        "coco_url": f"http://images.cocodataset.org/train2017/{name}",
                        "height": int(height[i]),
                        "width": int(width[i]),
                        "date_captured": "2013-11-14 11:18:45",
                        "flickr_url": f"http://farm9.staticflickr.com/8186/{ids[i]}_e0f4_z.jpg",
                        "id": int(ids[i]),
                    }
                )
            )
        out.write('], "annotations": [')
        for j in range(m):
            i = owner[j]
            w, h = int(width[i]), int(height[i])
            bw, bh = np.maximum(2, np.array([w, h]) * np.clip(rng.gamma(1.0, 0.2, 2), 0.01, 0.98))
            bx, by = rng.random() * (w - bw), rng.random() * (h - bh)
            if crowd[j]:
                runs, left = [], w * h
                while left > 0 and len(runs) < 240:
                    run = int(min(left, rng.integers(1, 4000)))
                    runs.append(run)
                    left -= run
                if left:
                    runs.append(left)
                segmentation: object = {"counts": runs, "size": [h, w]}
            else:
                segmentation = []
                for r in range(rings[j]):
                    k = max(3, points[j] // (r + 1))
                    angle = np.sort(rng.random(k)) * 2 * np.pi
                    radius = 0.35 + 0.15 * rng.random(k)
                    xy = np.stack(
                        [bx + bw * (0.5 + radius * np.cos(angle)), by + bh * (0.5 + radius * np.sin(angle))],
                        1,
                    )
                    segmentation.append([float(v) for v in np.round(xy.ravel(), 2)])
            out.write(
                (", " if j else "")
                + json.dumps(
                    {
                        "segmentation": segmentation,
                        "area": round(float(bw * bh * 0.55), 4),
                        "iscrowd": int(crowd[j]),
                        "image_id": int(ids[i]),
                        "bbox": [round(float(v), 2) for v in (bx, by, bw, bh)],
                        "category_id": int(category[j]),
                        "id": int(j + 1),
                    }
                )
            )
        out.write('], "categories": [')
        out.write(
            ", ".join(
                json.dumps({"supercategory": f"group {c % 12}", "id": c, "name": f"thing {c:02d}"})
                for c in CATEGORY_IDS
            )
        )
        out.write("]}\n")


if __name__ == "__main__":
    main()
