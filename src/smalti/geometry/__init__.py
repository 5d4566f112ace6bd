"""Vectorised numpy kernels for boxes, oriented boxes, polygons, masks and keypoints.

    boxes.py      layouts of axis-aligned boxes, clipping, overlap
    quads.py      oriented boxes as four corners
    polygons.py   ragged polygons: areas, boxes, faults
    rle.py        COCO run lengths: text form, areas, boxes, merging, pixels
    raster.py     polygons to run lengths, as pycocotools does it
    outline.py    run lengths to the exact outline of their pixels
    keypoints.py  COCO's flat layout, counts, boxes

Coordinates are absolute pixels as float64, x to the right and y down, the origin at the outer top
left corner of the image, edges continuous: the pixel in column 3 covers x from 3 to 4.
"""

from __future__ import annotations
