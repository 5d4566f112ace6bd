"""What values lead to when they are looked at: HTML for notebooks, rich text, pictures; imported when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shown:
    """A value that notebooks show as HTML, and rich's consoles in colours."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        from smalti.view.html import html

        return html(self)

    def __rich__(self) -> Any:
        from smalti.view.terminal import show

        return show(self)


class Drawn(Shown):
    """The methods of `smalti.Sample` that lead to higher rooms."""

    __slots__ = ()

    def draw(
        self,
        fields: str | Sequence[str] | None = None,
        *,
        media: Any = None,
        size: int | tuple[int, int] | None = None,
        labels: bool = True,
        beside: bool = False,
        boxes: bool | None = None,
        colours: Any = "class",
        history: Sequence[Any] = (),
    ) -> Any:
        """The picture with its labels drawn on it, as a Pillow picture; see `smalti.view.scene.draw`.

        Args:
            fields: Label fields; null: all. Of two with objects the second is drawn dashed over the first.
            media: Where paths are relative to; null: what its dataset says.
            size: The longer side, or width and height, become at most so many pixels; null: as it is.
            labels: Whether names stand beside objects, and the sample's classes and texts below the picture.
            beside: Draw each field on a picture of its own, side by side.
            boxes: Whether boxes are drawn; null: of objects that have nothing finer to show.
            colours: What colours tell apart: ``class`` or ``track``.
            history: The frames before, oldest first: tracks get tails through them.

        Raises:
            SchemaError: There is no such field, or it cannot be drawn.
            OptionError: It is not known where the picture is.
            DataError: It cannot be read as a picture.
            OSError: It is not there.
        """
        from smalti.view.scene import draw

        return draw(
            self,  # type: ignore[arg-type]  # it is a sample
            fields,
            media=media,
            size=size,
            labels=labels,
            beside=beside,
            boxes=boxes,
            colours=colours,
            history=history,
        )
