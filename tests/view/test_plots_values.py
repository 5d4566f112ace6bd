"""The plots' numbers: bars, cells and words are those that a plain count of the data gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

import smalti as sm
from smalti.view.plots import boxes, classes, counting, images, keypoints, style
from smalti.view.plots.plots import classes_of, pairs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("Katze", "犬", "ζώο", "никто")


def pets() -> sm.Dataset:
    """Three classes of four are used, one object has no class, one sample nobody has annotated."""
    rows: list[dict[str, Any]] = [
        {"id": "a", "split": "train", "objects": [box("Katze", 0, 0, 10, 20), box("Katze", 80, 0, 40, 20)]},
        {"id": "b", "split": "train", "objects": [box("Katze", 0, 40, 10, 10), box("犬", 10, 10, 200, 100)]},
        {"id": "c", "split": "val", "objects": [box("ζώο", 0, 0, 0, 5), box(None, 0, 0, 64, 64)]},
        {"id": "d", "split": "val", "objects": []},
        {"id": "e", "split": None, "objects": None},
        {"id": "f", "split": None, "objects": [box("犬", 190, 90, 40, 40), {"category": "Katze"}]},
    ]
    for row in rows:
        row["image"] = {"path": f"{row['id']}.png", "width": 200, "height": 100}
    rows[5]["image"] = {"path": "f.png"}
    return sm.Dataset.from_samples(rows, categories=NAMES)


def box(name: str | None, *sides: float) -> dict[str, Any]:
    return {"category": name, "bbox": list(sides)}


def bars(ax: Axes) -> dict[str, list[float]]:
    """The length of each bar along the numbers, by the colour's name."""
    return {held.get_label(): [patch.get_width() for patch in held] for held in ax.containers}


def rows_of(ax: Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def fact(figure: Figure, panel: int = 0) -> str:
    return figure.axes[panel].get_title(loc="left").replace("\n", " ")


def counted(count: Any, dataset: sm.Dataset) -> Any:
    counting.count(dataset, [count])
    return count


def test_classes__bars_are_the_counts() -> None:
    (ax,) = pets().plot.classes().axes
    assert rows_of(ax) == ["Katze", "犬", "ζώο", "никто", "no class"]
    assert bars(ax) == {
        "train": [3, 1, 0, 0, 0],
        "val": [0, 0, 1, 0, 1],
        "no split": [1, 1, 0, 0, 0],
    }
    assert ax.get_title(loc="left") == "8 objects of 4 classes, 1 unused"


def test_classes__samples_count_once() -> None:
    (ax,) = pets().plot.classes(by="samples").axes
    assert bars(ax)["train"] == [2, 1, 0, 0, 0]
    balance = classes_of(pets(), None)
    assert balance.objects.sum() == 8
    assert balance.samples.sum() == 7


def test_classes__rest_is_one_row() -> None:
    (ax,) = pets().plot.classes(top=1).axes
    assert rows_of(ax) == ["Katze", "3 more classes", "no class"]
    assert [sum(cells) for cells in zip(*bars(ax).values(), strict=True)] == [4, 3, 1]


def test_classes__dots_are_the_counts() -> None:
    objects = {"a": [100, 3], "b": [1, 0]}
    ds = sm.Dataset.from_samples(
        [
            {"id": f"{name}{split}", "split": split, "objects": [{"category": name}] * count}
            for name, counts in objects.items()
            for split, count in zip(("train", "val"), counts, strict=True)
        ]
    )
    (ax,) = ds.plot.classes().axes
    assert ax.get_xscale() == "log"
    dots = {held.get_label(): np.asarray(held.get_offsets()).tolist() for held in ax.collections[1:]}
    assert dots == {"train": [[100, 0], [1, 1]], "val": [[3, 0]]}
    low, high = ax.get_xlim()
    assert low < 1
    assert high > 100


def test_classes__more_splits_than_colours() -> None:
    rows = [{"id": str(n), "split": f"fold {n}", "objects": [{"category": "a"}] * (n + 1)} for n in range(20)]
    (ax,) = sm.Dataset.from_samples(rows).plot.classes().axes
    found = bars(ax)
    assert list(found) == [*(f"fold {n}" for n in range(13, 20)), "13 more splits"]
    assert found["13 more splits"] == [sum(range(1, 14))]
    assert len({held.patches[0].get_facecolor() for held in ax.containers}) == 8


@pytest.mark.parametrize("splits", [1, 4, 9])
def test_classes__words_do_not_overlap(splits: int) -> None:
    """Facts, legend, title and rows keep apart, with names as long as they come."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = [
        {"id": str(n), "split": f"{'long' * 9} {n}", "objects": [{"category": "w" * 90 + str(n)}]}
        for n in range(splits)
    ]
    figure = sm.Dataset.from_samples(rows).plot.classes()
    FigureCanvasAgg(figure).draw()
    (ax,) = figure.axes
    said = [figure._suptitle, ax._left_title, ax.get_legend(), *ax.get_yticklabels()]
    boxes = [words.get_window_extent() for words in said]
    for n, one in enumerate(boxes):
        assert one.x0 >= 0
        assert one.x1 <= figure.bbox.x1 + 1
        assert not any(one.overlaps(other) for other in boxes[n + 1 :]), said[n]


def test_cooccurrence__shares_of_samples() -> None:
    pairs = pairs_of(pets(), None)
    assert pairs.matrix.tolist() == [[3, 2, 0, 0], [2, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    ax = pets().plot.cooccurrence().axes[0]
    share = ax.images[0].get_array()
    assert np.ma.filled(share, -1).tolist() == [[-1, 2 / 3, 0], [1, -1, 0], [0, 0, -1]]
    assert [text.get_text() for text in ax.texts] == ["67%", "0%", "100%", "0%", "0%", "0%"]
    assert rows_of(ax) == ["Katze", "犬", "ζώο"]


def test_cooccurrence__of_many_classes_takes_the_frequent_ones() -> None:
    many = [f"c{n}" for n in range(classes.DENSE + 50)]
    rows = [{"id": str(n), "objects": [{"category": name} for name in many[-2:]]} for n in range(5)]
    rows += [{"id": name, "objects": [{"category": name}]} for name in many]
    ax = sm.Dataset.from_samples(rows, categories=many).plot.cooccurrence(top=2).axes[0]
    assert rows_of(ax) == many[-2:]
    assert np.ma.filled(ax.images[0].get_array(), -1).tolist() == [[-1, 5 / 6], [5 / 6, -1]]


def test_objects__bars_are_samples() -> None:
    figure = pets().plot.objects()
    (ax,) = figure.axes
    assert [patch.get_height() for patch in ax.patches] == [1, 0, 4]
    assert fact(figure) == (
        "8 objects of 5 samples: mean 1.6, median 2, 2 at most; 1 without any; 1 not annotated"
    )


def test_objects__tail_is_one_bar() -> None:
    rows = [{"id": str(n), "objects": [{"category": "a"}] * (n % 3)} for n in range(999)]
    rows.append({"id": "crowd", "objects": [{"category": "a"}] * 5000})
    ds = sm.Dataset.from_samples(rows)
    (ax,) = ds.plot.objects().axes
    assert [patch.get_height() for patch in ax.patches] == [333, 333, 333, 1]
    assert [text.get_text() for text in ax.texts] == ["3 to 5,000"]
    assert counted(images.Density(ds.schema), ds).samples[5000] == 1


def test_boxes__sizes_and_ratios() -> None:
    sizes = counted(boxes.Sizes(pets().schema), pets())
    assert sizes.boxes == 6
    assert sizes.flat == 1
    assert sizes.without == 1
    # The roots of areas: 14.1, 28.3, 10, 141.4, 64, 40.
    assert sizes.kinds.tolist() == [3, 2, 1]
    assert sizes.ratio[boxes.RATIO * boxes.FINE] == 3, "three are as wide as high"
    assert sizes.ratio[(boxes.RATIO + 1) * boxes.FINE] == 2, "two are twice as wide"
    assert sizes.ratio[(boxes.RATIO - 1) * boxes.FINE] == 1, "one is twice as high"
    figure = pets().plot.boxes()
    assert fact(figure) == "6 boxes; 1 flat; 1 without box"
    assert fact(figure, 1) == "small 50%, medium 33%, large 17%"
    assert sum(figure.axes[1].patches[0].get_data().values) == 6


def test_boxes__oriented_by_their_own_sides() -> None:
    side = 2**0.5
    turned = [
        10,
        0,
        10 + 4 * side,
        4 * side,
        10 + 3 * side,
        5 * side,
        10 - side,
        side,
    ]  # 8 x 2, at 45 degrees
    ds = sm.Dataset.from_samples([{"id": "a", "objects": [{"category": "a", "quad": turned}]}])
    centre_x, centre_y, *sides = counting.extents(
        pa.concat_arrays(ds.to_arrow()["objects"].chunks).flatten(), "quad"
    )[0]
    assert sorted(sides) == pytest.approx([2, 8])
    assert [centre_x, centre_y] == pytest.approx([10 + 1.5 * side, 2.5 * side])


def test_boxes__of_polygons_alone() -> None:
    rings = [[0, 0, 10, 0, 10, 4], [20, 2, 30, 2, 30, 8]]
    ds = sm.Dataset.from_samples([{"id": "a", "objects": [{"polygons": rings}, {"polygons": []}]}])
    objects = pa.concat_arrays(ds.to_arrow()["objects"].chunks).flatten()
    found = counting.extents(objects, "polygons")
    assert found[0].tolist() == [15, 4, 30, 8]
    assert np.isnan(found[1]).all()


def test_centres__cells() -> None:
    centres = counted(boxes.Centres(pets().schema), pets())
    assert centres.cells.sum() == 6
    at = [(5, 10), (100, 10), (5, 45), (110, 60), (0, 2.5), (32, 32)]
    for x, y in at:
        assert centres.cells[int(y / 100 * boxes.CELLS), int(x / 200 * boxes.CELLS)] >= 1
    assert centres.unknown == 2, "one has no box, one is on an image of no known size"
    assert centres.shape == 2.0
    image = pets().plot.centres().axes[0].images[0]
    assert image.get_array().mean() == pytest.approx(1.0), "1 is as dense as if spread evenly"


def test_centres__outside_of_the_image() -> None:
    row = {
        "id": "a",
        "image": {"width": 10, "height": 10},
        "objects": [box("a", -9, 0, 4, 4), box("a", 0, 0, 4, 4)],
    }
    assert fact(sm.Dataset.from_samples([row]).plot.centres()) == "1 centre; 1 outside of their image"


def test_images__bubbles_are_sizes() -> None:
    figure = pets().plot.images()
    (ax,) = figure.axes
    assert ax.collections[0].get_offsets().tolist() == [[200, 100]]
    assert fact(figure) == "5 images of one size; 1 unknown"
    assert "200 × 100   100%" in [text.get_text() for text in ax.texts]


def test_images__of_many_sizes_are_a_map() -> None:
    rows = [
        {"id": str(n), "image": {"path": f"{n}.png", "width": 100 + n, "height": 900 - n}} for n in range(500)
    ]
    (ax,) = sm.Dataset.from_samples(rows).plot.images().axes
    assert ax.collections[0].get_array().sum() == 500


def test_keypoints__shares_by_flag() -> None:
    points = {"category": "person", "keypoints": [[1, 1, 2], [2, 2, 1], [0, 0, 0]]}
    other = {"category": "person", "keypoints": [[1, 1, 2], [2, 2, 2], [0, 0, 0]]}
    known = sm.Categories([sm.Category(name="person", keypoints=["nose", "<b>ear</b>"])])
    rows = [{"id": "a", "objects": [points, other, {"category": "person"}]}, {"id": "b", "objects": None}]
    ds = sm.Dataset.from_samples(rows, categories=known)
    counts = counted(keypoints.Visibility(ds.schema), ds).counts
    assert counts[0].tolist() == [[0, 0, 2, 0], [0, 1, 1, 0], [2, 0, 0, 0]]
    figure = ds.plot.keypoints()
    assert rows_of(figure.axes[0]) == ["nose", "<b>ear</b>", "keypoint 2"]
    assert bars(figure.axes[0]) == {"visible": [1, 0.5, 0], "hidden": [0, 0.5, 0], "not labelled": [0, 0, 1]}
    assert fact(figure) == "person: 2 objects with keypoints"


@pytest.mark.parametrize("batch", [1, 2, 1000])
def test_counts__do_not_depend_on_batches(batch: int) -> None:
    table = pa.concat_tables([pets().to_arrow()] * 3)
    table = table.set_column(0, "id", pa.array([f"{n}" for n in range(len(table))]))
    whole = sm.Dataset.from_arrow(table, pets().schema)
    counts = [classes.Balance(whole.schema), classes.Pairs(whole.schema), images.Density(whole.schema)]
    for part in whole.to_batches(batch):
        for one in counts:
            one.add(part)
    balance, pairs, density = counts
    assert balance.objects.tolist() == (3 * classes_of(pets(), None).objects).tolist()
    assert pairs.matrix.tolist() == (3 * pairs_of(pets(), None).matrix).tolist()
    assert density.samples.tolist() == [3, 0, 12]


def test_fields__one_is_chosen_by_name() -> None:
    one, two = ([{"id": "a", "objects": [{"category": "cat"}] * n}] for n in (1, 2))
    ds, other = sm.Dataset.from_samples(one), sm.Dataset.from_samples(two)
    schema = ds.schema.with_columns({**ds.schema.columns, "guesses": ds.schema.columns["objects"]})
    both = sm.Dataset.from_arrow(ds.to_arrow().append_column("guesses", other.to_arrow()["objects"]), schema)
    assert fact(both.plot.classes()) == "1 object of 1 class"
    assert fact(both.plot.classes("guesses")) == "2 objects of 1 class"


def test_label__loses_its_middle() -> None:
    assert style.label("a" * 20 + "b" * 20, 12) == "aaaaaaa…bbbb"
    assert style.wide(style.label("犬" * 40, 12)) <= 13
    assert style.label("$x$\x07") == r"\$x\$�"
    assert style.label(None) == "none"
