"""Make the example dataset `examples/street`: drawn street scenes with COCO labels that fit them.

    python examples/make_street.py [FOLDER]

Twelve JPEGs and two COCO files that hold what real datasets hold: polygons, an object in two parts, a mask
with a hole, a crowd, keypoints, an image without objects, two images of one name in two folders, a
name with blanks and umlauts, a turned JPEG, a box that leaves its image, sparse category ids in no order,
an unused category, and keys of their own everywhere. The same run gives the same labels.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINE = 4  # scenes are drawn so many times as large and shrunk
Point = tuple[float, float]
Rgb = tuple[int, int, int]

KEYPOINTS = ["head", "neck", "left_hand", "right_hand", "hip", "left_foot", "right_foot"]
CATEGORIES: list[dict[str, Any]] = [
    {"id": 17, "name": "dog", "supercategory": "animal"},
    {"id": 3, "name": "car", "supercategory": "vehicle", "wheels": 4},
    {"id": 1, "name": "person", "supercategory": "person", "keypoints": KEYPOINTS,
     "skeleton": [[1, 2], [2, 3], [2, 4], [2, 5], [5, 6], [5, 7]]},
    {"id": 64, "name": "tree", "supercategory": "plant"},
    {"id": 90, "name": "tyre swing", "supercategory": "outdoor"},
    {"id": 8, "name": "truck", "supercategory": "vehicle"},
    {"id": 13, "name": "street sign", "supercategory": "outdoor"},
]  # fmt: skip
IDS = {category["name"]: category["id"] for category in CATEGORIES}
COATS: list[Rgb] = [(190, 60, 60), (60, 110, 180), (230, 170, 60), (80, 150, 110), (150, 90, 160)]
PAINTS: list[Rgb] = [(200, 50, 45), (50, 105, 185), (235, 235, 230), (60, 65, 75), (70, 150, 120)]


def oval(x: float, y: float, rx: float, ry: float, points: int = 28) -> list[Point]:
    return [
        (x + rx * math.cos(2 * math.pi * k / points), y + ry * math.sin(2 * math.pi * k / points))
        for k in range(points)
    ]


@dataclass
class Scene:
    """One picture while it is drawn, and its labels in pixels."""

    width: int
    height: int
    seed: int
    dusk: bool = False
    labels: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.noise = np.random.default_rng(self.seed)
        self.image = Image.new("RGB", (self.width * FINE, self.height * FINE))
        self.pen = ImageDraw.Draw(self.image)
        self.horizon = self.height * 0.52
        self._sky()
        self._houses()
        self._ground()

    def shape(self, points: list[Point], rgb: Rgb) -> None:
        self.pen.polygon([(x * FINE, y * FINE) for x, y in points], fill=rgb)

    def box(self, x: float, y: float, w: float, h: float, rgb: Rgb) -> None:
        self.shape([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], rgb)

    def _sky(self) -> None:
        high, low = ((52, 62, 110), (240, 160, 120)) if self.dusk else ((120, 175, 225), (225, 238, 245))
        steps = np.linspace(0, 1, self.image.height)[:, None]
        rows = (np.array(high) * (1 - steps) + np.array(low) * steps).astype(np.uint8)
        sky = np.broadcast_to(rows[:, None, :], (self.image.height, self.image.width, 3))
        self.image.paste(Image.fromarray(np.ascontiguousarray(sky)))
        for _ in range(4):
            x, y = self.noise.uniform(0, self.width), self.noise.uniform(8, self.horizon * 0.4)
            for k in range(5):
                shade = int(238 + 3 * k) if not self.dusk else int(150 + 5 * k)
                size = self.noise.uniform(8, 20)
                self.shape(
                    oval(x + 13 * k, y + self.noise.uniform(-3, 3), size, size * 0.5), (shade, shade, shade)
                )

    def _houses(self) -> None:
        x = -self.noise.uniform(0, 30)
        while x < self.width:
            w, h = self.noise.uniform(48, 90), self.noise.uniform(55, self.horizon * 0.75)
            wall = tuple(int(v) for v in self.noise.uniform((165, 140, 120), (235, 215, 195)))
            top = self.horizon + 6 - h
            self.box(x, top, w, h, wall)  # type: ignore[arg-type]
            roof = tuple(int(v * 0.55) for v in wall)
            self.shape([(x - 3, top), (x + w / 2, top - 20), (x + w + 3, top)], roof)  # type: ignore[arg-type]
            light: Rgb = (250, 220, 140) if self.dusk else (110, 140, 165)
            for row in range(int(h // 24)):
                for column in range(int(w // 20)):
                    self.box(x + 7 + column * 20, top + 8 + row * 24, 9, 13, (245, 242, 235))
                    self.box(x + 8 + column * 20, top + 9 + row * 24, 7, 11, light)
            x += w + self.noise.uniform(0, 6)

    def _ground(self) -> None:
        self.box(0, self.horizon, self.width, self.height, (118, 150, 92) if not self.dusk else (70, 90, 70))
        self.box(0, self.height * 0.6, self.width, self.height * 0.06, (176, 172, 165))
        self.box(0, self.height * 0.66, self.width, self.height * 0.24, (92, 94, 99))
        for x in range(-10, self.width, 46):
            self.box(x, self.height * 0.775, 24, 3, (225, 222, 205))
        self.box(0, self.height * 0.9, self.width, self.height * 0.1, (176, 172, 165))

    def label(self, name: str, rings: list[list[Point]], **more: Any) -> None:
        rounded = [[(round(x, 1), round(y, 1)) for x, y in ring] for ring in rings]
        inside = [
            [(min(max(x, 0.0), self.width), min(max(y, 0.0), self.height)) for x, y in r] for r in rounded
        ]
        xs = [x for ring in rounded for x, _ in ring]
        ys = [y for ring in rounded for _, y in ring]
        box = [min(xs), min(ys), round(max(xs) - min(xs), 1), round(max(ys) - min(ys), 1)]
        self.labels.append(
            {"category_id": IDS[name], "iscrowd": 0, "bbox": box,
             "area": round(sum(map(shoelace, inside)), 2),
             "segmentation": [[v for point in ring for v in point] for ring in inside], **more}
        )  # fmt: skip

    def tree(self, x: float, foot: float, size: float) -> list[Point]:
        trunk = [(x - size * 0.07, foot), (x - size * 0.05, foot - size * 0.5), (x + size * 0.05, foot - size * 0.5),
                 (x + size * 0.07, foot)]  # fmt: skip
        self.shape(trunk, (98, 72, 50))
        crown = []
        for k in range(26):
            angle = 2 * math.pi * k / 26
            radius = size * (0.34 + 0.04 * math.sin(5 * angle + x))
            crown.append((x + radius * math.cos(angle), foot - size * 0.72 + radius * math.sin(angle)))
        self.shape(crown, (62, 112, 58))
        for _ in range(26):
            angle, radius = (
                self.noise.uniform(0, 2 * math.pi),
                size * 0.28 * math.sqrt(self.noise.uniform(0, 1)),
            )
            dx, dy = radius * math.cos(angle), radius * math.sin(angle)
            tone = int(self.noise.uniform(-14, 22))
            self.shape(
                oval(x + dx, foot - size * 0.72 + dy, size * 0.05, size * 0.04, 10),
                (72 + tone, 126 + tone, 64),
            )
        bole = [trunk[0], (trunk[1][0], foot - size * 0.37), (trunk[2][0], foot - size * 0.37), trunk[3]]
        self.label("tree", [crown, bole], attributes={"height": "tall" if size > 120 else "low"})
        return trunk

    def car(
        self, x: float, y: float, length: float, paint: Rgb, name: str = "car", *, hidden: bool = False
    ) -> None:
        h = length * 0.3
        lift = 0.95 if name == "truck" else 0.5
        body = [(x, y), (x, y - h * 0.55), (x + length * 0.04, y - h * 0.62), (x + length * 0.2, y - h * 0.66),
                (x + length * 0.3, y - h * (0.66 + lift)), (x + length * (0.72 if lift < 0.9 else 0.97), y - h * (0.66 + lift)),
                (x + length * (0.87 if lift < 0.9 else 0.99), y - h * 0.66), (x + length * 0.98, y - h * 0.55),
                (x + length, y)]  # fmt: skip
        self.shape(oval(x + length / 2, y + h * 0.22, length * 0.52, h * 0.12), (70, 72, 76))
        self.shape(body, paint)
        glass: Rgb = (160, 190, 205)
        self.shape([(x + length * 0.25, y - h * 0.7), (x + length * 0.32, y - h * (0.6 + lift)),
                    (x + length * 0.48, y - h * (0.6 + lift)), (x + length * 0.48, y - h * 0.7)], glass)  # fmt: skip
        if lift < 0.9:
            self.shape([(x + length * 0.52, y - h * 0.7), (x + length * 0.52, y - h * (0.6 + lift)),
                        (x + length * 0.7, y - h * (0.6 + lift)), (x + length * 0.8, y - h * 0.7)], glass)  # fmt: skip
        self.box(x, y - h * 0.25, length, h * 0.05, tuple(int(v * 0.7) for v in paint))  # type: ignore[arg-type]
        self.shape(oval(x + length * 0.02, y - h * 0.42, length * 0.015, h * 0.07, 10), (250, 240, 200))
        wheels = [oval(x + length * at, y, length * 0.085, length * 0.085, 20) for at in (0.2, 0.8)]
        for at, wheel in zip((0.2, 0.8), wheels, strict=True):
            self.shape(wheel, (38, 38, 42))
            self.shape(oval(x + length * at, y, length * 0.04, length * 0.04, 14), (165, 168, 172))
        self.parked = (body, x, length)
        if not hidden:
            floor = max(py for wheel in wheels for _, py in wheel)
            front = [p for p in wheels[0] if p[1] >= y]
            back = [p for p in wheels[1] if p[1] >= y]
            ring = [*body, *sorted(back, key=lambda p: -p[0]), *sorted(front, key=lambda p: -p[0])]
            self.label(
                name, [ring], attributes={"colour": hexadecimal(paint), "occluded": floor > self.height}
            )

    def hidden_car(self, x: float, y: float, length: float, paint: Rgb, tree: float) -> None:
        """A car behind a trunk: one object in two parts."""
        self.car(x, y, length, paint, hidden=True)
        body, _, _ = self.parked
        trunk = self.tree(tree, y + 8, 150)
        left, right = min(p[0] for p in trunk), max(p[0] for p in trunk)
        parts = [cut(body, left, keep_left=True), cut(body, right, keep_left=False)]
        self.label("car", parts, attributes={"colour": hexadecimal(paint), "occluded": True})

    def person(
        self, x: float, foot: float, size: float, coat: Rgb, *, waves: bool = False, posed: bool = True
    ) -> list[Point]:
        head, neck, hip = foot - size * 0.9, foot - size * 0.79, foot - size * 0.45
        hand = (x + size * 0.27, foot - size * (0.98 if waves else 0.47))
        stride = size * 0.13
        limbs = [((x - stride, foot), (x, hip), (60, 62, 80)), ((x + stride, foot), (x, hip), (52, 54, 70)),
                 ((x - size * 0.2, foot - size * 0.47), (x, neck + size * 0.04), coat), (hand, (x, neck + size * 0.04), coat)]  # fmt: skip
        for end, start, rgb in limbs:
            self.pen.line([(end[0] * FINE, end[1] * FINE), (start[0] * FINE, start[1] * FINE)], fill=rgb,
                          width=max(1, round(size * 0.075 * FINE)))  # fmt: skip
        torso = [(x - size * 0.11, neck), (x + size * 0.11, neck), (x + size * 0.09, hip + size * 0.03),
                 (x - size * 0.09, hip + size * 0.03)]  # fmt: skip
        self.shape(torso, coat)
        self.shape(oval(x, head, size * 0.075, size * 0.095, 18), (222, 184, 152))
        self.shape(
            [p for p in oval(x, head - size * 0.02, size * 0.08, size * 0.09, 18) if p[1] < head],
            (80, 58, 42),
        )
        half = size * 0.04
        outline = [(x - size * 0.08, head - size * 0.1), (x + size * 0.08, head - size * 0.1), (x + size * 0.1, neck),
                   (hand[0] + half, hand[1] - half), (hand[0] + half, hand[1] + half), (x + size * 0.1, hip),
                   (x + stride + half, foot), (x + stride - half, foot), (x, hip + size * 0.09),
                   (x - stride + half, foot), (x - stride - half, foot), (x - size * 0.1, hip),
                   (x - size * 0.24, foot - size * 0.45), (x - size * 0.1, neck)]  # fmt: skip
        if posed:
            points = [(x, head, 2), (x, neck, 2), (x - size * 0.2, foot - size * 0.47, 1 if waves else 2), (*hand, 2), (x, hip, 2),
                      (x - stride, foot, 2), (0, 0, 0) if foot > self.height - 4 else (x + stride, foot, 2)]  # fmt: skip
            flat = [round(v, 1) if k < 2 else int(v) for point in points for k, v in enumerate(point)]
            self.label(
                "person", [outline], keypoints=flat, num_keypoints=sum(p[2] > 0 for p in points), age="adult"
            )
        return outline

    def crowd(self, x: float, foot: float, count: int) -> None:
        mask = Image.new("1", (self.width, self.height))
        for k in range(count):
            at, size = x + k * 11 + self.noise.uniform(-3, 3), self.noise.uniform(46, 56)
            outline = self.person(
                at, foot + self.noise.uniform(-4, 4), size, COATS[k % len(COATS)], posed=False
            )
            ImageDraw.Draw(mask).polygon(outline, fill=1)
        self.mask("person", np.asarray(mask), crowd=True)

    def dog(self, x: float, foot: float, size: float, coat: Rgb) -> None:
        body = [(x, foot), (x + size * 0.03, foot - size * 0.42), (x - size * 0.16, foot - size * 0.72), (x - size * 0.02, foot - size * 0.62),
                (x + size * 0.72, foot - size * 0.58), (x + size * 0.74, foot - size * 0.52), (x + size * 0.66, foot - size * 0.4),
                (x + size * 0.7, foot), (x + size * 0.6, foot), (x + size * 0.54, foot - size * 0.28), (x + size * 0.2, foot - size * 0.26),
                (x + size * 0.1, foot)]  # fmt: skip
        self.shape(body, coat)
        head = oval(x + size * 0.83, foot - size * 0.68, size * 0.17, size * 0.13, 16)
        self.shape(head, coat)
        self.shape(
            oval(x + size * 0.77, foot - size * 0.7, size * 0.06, size * 0.12, 12),
            tuple(int(v * 0.6) for v in coat),
        )  # type: ignore[arg-type]
        self.shape(oval(x + size * 0.98, foot - size * 0.67, size * 0.03, size * 0.03, 8), (30, 28, 28))
        right = sorted(
            (p for p in head if p[0] > x + size * 0.72),
            key=lambda p: math.atan2(p[1] - foot + size * 0.68, p[0] - x - size * 0.83),
        )
        self.label("dog", [[*body[:4], *right, *body[5:]]], attributes={"leash": False})

    def sign(self, x: float, foot: float) -> None:
        self.box(x - 1.5, foot - 74, 3, 74, (135, 138, 142))
        plate = [
            (
                x + 15 * math.cos(k * math.pi / 4 + math.pi / 8),
                foot - 80 + 15 * math.sin(k * math.pi / 4 + math.pi / 8),
            )
            for k in range(8)
        ]
        self.shape(plate, (245, 245, 242))
        self.shape(
            [(x + (px - x) * 0.86, foot - 80 + (py - foot + 80) * 0.86) for px, py in plate], (196, 44, 44)
        )
        self.box(x - 8, foot - 82, 16, 4, (245, 245, 242))
        self.label(
            "street sign",
            [plate, [(x - 1.5, foot - 66.2), (x + 1.5, foot - 66.2), (x + 1.5, foot), (x - 1.5, foot)]],
        )

    def swing(self, x: float, top: float, foot: float) -> None:
        """A tyre on a rope: a mask with a hole."""
        self.pen.line(
            [(x * FINE, top * FINE), (x * FINE, (foot - 40) * FINE)], fill=(150, 120, 80), width=2 * FINE
        )
        before = self.image.crop(tuple(int(v * FINE) for v in (x - 13, foot - 33, x + 13, foot - 7)))
        self.shape(oval(x, foot - 20, 22, 22, 40), (44, 44, 48))
        self.shape(oval(x, foot - 20, 18, 18, 40), (62, 62, 66))
        hole = Image.new("1", before.size)
        ImageDraw.Draw(hole).ellipse((FINE, FINE, before.width - FINE, before.height - FINE), fill=1)
        self.image.paste(before, (int((x - 13) * FINE), int((foot - 33) * FINE)), hole)
        y, column = np.mgrid[: self.height, : self.width] + 0.5
        distance = np.hypot(column - x, y - foot + 20)
        self.mask("tyre swing", (distance < 22) & (distance > 12), crowd=False)

    def mask(self, name: str, pixels: np.ndarray, *, crowd: bool) -> None:
        rows, columns = np.nonzero(pixels)
        box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
        flat = pixels.ravel(order="F").astype(int)
        runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[-1], flat, [-1]])))).tolist()
        counts = runs if not flat[0] else [0, *runs]
        form: Any = counts if crowd else packed(counts)
        self.labels.append(
            {"category_id": IDS[name], "iscrowd": int(crowd), "bbox": box, "area": int(pixels.sum()),
             "segmentation": {"counts": form, "size": [self.height, self.width]}}
        )  # fmt: skip

    def finished(self) -> Image.Image:
        small = self.image.resize((self.width, self.height), Image.Resampling.LANCZOS)
        grain = self.noise.normal(0, 3.2, (self.height, self.width, 1))
        lit = np.asarray(small, np.float64) * (0.8 if self.dusk else 1.0) + grain
        return Image.fromarray(lit.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.35))


def hexadecimal(rgb: Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in rgb)


def shoelace(ring: list[Point]) -> float:
    return (
        abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True))) / 2
    )


def cut(ring: list[Point], at: float, *, keep_left: bool) -> list[Point]:
    """The part of a ring on one side of an upright line."""
    side = (lambda p: p[0] <= at) if keep_left else (lambda p: p[0] >= at)
    out: list[Point] = []
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        if side(a):
            out.append(a)
        if side(a) != side(b):
            out.append((at, a[1] + (b[1] - a[1]) * (at - a[0]) / (b[0] - a[0])))
    return out


def packed(runs: list[int]) -> str:
    """COCO's text form of run lengths (cocoapi, maskApi.c, rleToString)."""
    text = ""
    for index, run in enumerate(runs):
        rest = run - (runs[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = rest & 31
            rest >>= 5
            more = rest != -1 if bits & 16 else rest != 0
            text += chr(48 + bits + 32 * more)
    return text


def scenes() -> dict[str, dict[str, tuple[Scene, int]]]:
    """The scenes by split and file name, each with its EXIF orientation."""

    def scene(seed: int, width: int = 400, height: int = 300, *, dusk: bool = False) -> Scene:
        return Scene(width, height, seed, dusk)

    made = {name: scene(seed) for seed, name in enumerate(("a", "b", "c", "d", "e", "f", "g"))}
    made["a"].hidden_car(120, 232, 150, PAINTS[0], 205)
    made["a"].person(70, 196, 78, COATS[1])
    made["b"].car(40, 236, 140, PAINTS[1])
    made["b"].car(330, 244, 150, PAINTS[2])  # leaves the picture
    made["b"].sign(275, 190)
    made["c"].tree(110, 196, 150)
    made["c"].swing(160, 100, 190)
    made["c"].person(215, 196, 84, COATS[0], waves=True)
    made["d"].crowd(150, 200, 9)
    made["d"].dog(70, 270, 44, (150, 104, 62))
    made["e"].tree(330, 192, 130)
    made["e"].dog(160, 276, 62, (210, 190, 160))
    made["e"].person(120, 282, 120, COATS[2])
    made["g"].car(60, 238, 170, PAINTS[3])
    made["g"].person(310, 300, 130, COATS[4], waves=True)
    turned = scene(20, 300, 400)
    turned.tree(80, 240, 150)
    turned.person(190, 252, 110, COATS[3])
    evening = scene(31, 420, 300, dusk=True)
    evening.car(60, 240, 150, PAINTS[4])
    evening.sign(260, 192)
    evening.person(330, 198, 80, COATS[1])
    truck = scene(32)
    truck.car(110, 242, 200, PAINTS[2])
    truck.dog(30, 278, 50, (90, 70, 60))
    park = scene(33, 360, 280)
    park.tree(90, 184, 140)
    park.swing(250, 60, 186)
    quiet = scene(34, 360, 280, dusk=True)
    quiet.tree(260, 182, 120)
    train = {"north/0001.jpg": (made["a"], 1), "south/0001.jpg": (made["b"], 1), "playground.jpg": (made["c"], 1),
             "market.jpg": (made["d"], 1), "Plätze/Straße am See.jpg": (made["e"], 1), "empty street.jpg": (made["f"], 1),
             "turned.jpg": (turned, 6), "corner.jpg": (made["g"], 1)}  # fmt: skip
    val = {
        "evening.jpg": (evening, 1),
        "delivery.jpg": (truck, 1),
        "park.jpg": (park, 1),
        "quiet.jpg": (quiet, 1),
    }
    return {"train": train, "val": val}


def body(split: str, pictures: dict[str, tuple[Scene, int]], first: int) -> dict[str, Any]:
    images, annotations = [], []
    for number, (name, (scene, _)) in enumerate(pictures.items()):
        image_id = 1000 * first + 37 * (number * 5 % 11) + 4
        images.append({"id": image_id, "file_name": name, "width": scene.width, "height": scene.height,
                       "license": 1 + number % 2, "weather": {"light": "dusk" if scene.dusk else "day"}})  # fmt: skip
        for label in scene.labels:
            annotations.append({"id": len(annotations) + first, "image_id": image_id, **label})
    return {
        "info": {"description": "smalti street, drawn scenes", "version": "1.0", "year": 2026, "split": split},
        "licenses": [{"id": 1, "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
                     {"id": 2, "name": "CC0-1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "images": images,
        "annotations": annotations,
        "categories": CATEGORIES,
    }  # fmt: skip


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "street")
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for first, (split, pictures) in enumerate(scenes().items(), 1):
        for name, (scene, orientation) in pictures.items():
            path = root / "images" / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            exif = Image.Exif()
            picture = scene.finished()
            if orientation == 6:  # stored lying on its side: turning it clockwise puts it upright
                exif[0x0112] = orientation
                picture = picture.transpose(Image.Transpose.ROTATE_90)
            picture.save(path, quality=80, exif=exif)
        text = json.dumps(body(split, pictures, first), ensure_ascii=False, indent=1)
        (root / "annotations" / f"instances_{split}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
