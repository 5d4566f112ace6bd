"""The objects of one batch on their way to rows: which are written, and the account of what is not.

The numbers of rows are fractions of the image, as https://docs.ultralytics.com/datasets/ has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from smalti.formats import label_rows
from smalti.formats.report import Loss

if TYPE_CHECKING:
    import pyarrow as pa

    from smalti.formats.yolo.options import YoloOptions

DECIMALS = 12  # digits of a normalised coordinate that count as short
NOISE = 1e-9  # pixels: less beyond the border is what a few operations on doubles leave behind


@dataclass(slots=True)
class Encoder:
    """The objects of one batch.

    Attributes:
        objects: One struct an object.
        owner: ``(n,)`` the sample of each.
        ids: The samples' ids, for examples.
        size: ``(n, 2)`` width and height of each object's image.
        options: The writer's options.
        name: The name of the label field.
        keep: ``(n,)`` which objects are written.
        used: By member, ``(n,)`` which objects' rows are made of it.
    """

    objects: pa.StructArray
    owner: np.ndarray
    ids: pa.Array
    size: np.ndarray
    options: YoloOptions
    name: str
    keep: np.ndarray = field(init=False)
    used: dict[str, np.ndarray] = field(default_factory=dict)
    _left_out: list[Loss] = field(default_factory=list)
    _changes: list[tuple[np.ndarray, Loss]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keep = np.ones(len(self.objects), bool)

    def has(self, member: str) -> bool:
        """Whether the objects have that member."""
        return self.objects.type.get_field_index(member) >= 0

    def member(self, member: str) -> pa.Array:
        """A member of all objects."""
        return self.objects.field(member)

    def valid(self, member: str) -> np.ndarray:
        """Which objects have a value there."""
        if not self.has(member):
            return np.zeros(len(self.objects), bool)
        return self.member(member).is_valid().to_numpy(zero_copy_only=False)

    def use(self, member: str, which: np.ndarray) -> None:
        """Note which objects' rows are made of a member."""
        self.used[member] = which | self.used.get(member, np.zeros(len(which), bool))

    def drop(self, which: np.ndarray, code: str, member: str, reason: str) -> None:
        """Leave out objects, with their loss; `member` is empty for the object itself."""
        loss = Loss(code=code, field=self._field(member), reason=reason, kind="object")
        self._left_out += self._counted(which & self.keep, loss)
        self.keep &= ~which

    def change(
        self, which: np.ndarray, code: str, member: str, reason: str, iou: float | None = None
    ) -> None:
        """Tell of objects that are written but not as they were; those left out later do not count."""
        loss = Loss(code=code, field=self._field(member), reason=reason, kind="change", iou=iou)
        self._changes.append((which, loss))

    def losses(self) -> list[Loss]:
        """Everything that is not written, or not as it was."""
        found = list(self._left_out)
        for which, loss in self._changes:
            found += self._counted(which & self.keep, loss)
        for member, which in self.used.items():
            loss = Loss(
                code="field.dropped",
                field=self._field(member),
                reason="the row is made of the object's other geometry",
                kind="value",
            )
            found += self._counted(self.valid(member) & ~which & self.keep, loss)
        return found

    def finish(self, values: np.ndarray, member: str, owner: np.ndarray | None = None) -> np.ndarray:
        """Normalised numbers as they are printed.

        Args:
            values: ``(n, …)``, or flat with the object that each belongs to.
            member: What they are the numbers of.
            owner: The object of each flat value.
        """
        exact = label_rows.snap(values, DECIMALS, 1.0)
        digits = self.options.precision
        if digits is None:
            return exact
        short = np.round(exact, digits)
        off = short != exact
        which = np.zeros(len(self.keep), bool)
        if owner is None:
            which = off.any(axis=tuple(range(1, off.ndim)))
        else:
            which[owner[off]] = True
        reason = f"numbers are printed with {digits} digits after the point; raise precision to keep more"
        self.change(which, "precision.reduced", member, reason)
        return short

    def outside(
        self, which: np.ndarray, member: str, kind: Literal["box", "polygon", "quad", "keypoints"]
    ) -> None:
        """Tell of objects that leave the image, and leave them out where the options say so."""
        if self.options.outside == "drop":
            self.drop(which, f"{kind}.outside", member, "the object leaves the image")
        else:
            reason = "the object leaves the image and was cut at its border; keep it with outside='keep'"
            self.change(which, f"{kind}.clipped", member, reason)

    def _field(self, member: str) -> str:
        return f"{self.name}.{member}" if member else self.name

    def _counted(self, which: np.ndarray, loss: Loss) -> list[Loss]:
        where = np.flatnonzero(which)
        if not len(where):
            return []
        return [replace(loss, count=len(where), example=self.ids[int(self.owner[where[0]])].as_py())]
