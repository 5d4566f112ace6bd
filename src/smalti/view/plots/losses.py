"""What a reading mended, and what a conversion could not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.view.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from smalti.formats.report import Loss, Report

# The kinds of losses, the gravest first.
KINDS = {
    "sample": ("samples left out", style.SERIES[4]),
    "object": ("objects left out", style.SERIES[1]),
    "value": ("values left out", style.SERIES[5]),
    "change": ("changed", style.SERIES[0]),
    "repair": ("mended when read", style.SERIES[2]),
}


def rows(report: Report) -> list[tuple[str, Loss]]:
    """The losses by kind, the gravest first, and then what reading mended; each by its count."""
    found = [(loss.kind, loss) for loss in report.losses] + [("repair", loss) for loss in report.repairs]
    order = list(KINDS)
    return sorted(found, key=lambda item: (order.index(item[0]), -(item[1].count or 0)))


@style.drawing
def draw_losses(report: Report, *, top: int = 40) -> Figure:
    """A bar for each kind of loss, as long as it is frequent."""
    read = report.target_format is None
    title = "What reading mended" if read else "What does not come through"
    if report.source_format is not None:
        title += f": {style.label(report.source_format)}"
    if report.target_format is not None:
        title += f" to {style.label(report.target_format)}"
    every = rows(report)
    if not every:
        return style.nothing(
            title, "nothing: all of it was sound" if read else "nothing: everything comes through"
        )
    shown = every[:top]
    counts = [loss.count or 0 for _, loss in shown]
    drawn, (ax,) = style.figure(title, (8.0, 1.7 + 0.27 * max(len(shown), 3)))
    log = style.counts_axis(ax, "x", counts)
    floor = 0.8 if log else 0
    for kind, (name, colour) in KINDS.items():
        places = [place for place, (own, _) in enumerate(shown) if own == kind]
        if places:
            ax.barh(
                places, [max(counts[place], floor) for place in places], height=0.68, color=colour, label=name
            )
    for place, (_, loss) in enumerate(shown):
        value = loss.count or 0
        ax.annotate(f"{style.number(value)}  {loss.code}", (max(value, floor), place), (4, 0),
                    textcoords="offset points", va="center", fontsize=8, color=style.MUTED)  # fmt: skip
    style.names_axis(ax, [style.label(loss.field, 34) for _, loss in shown])
    ax.set_xlim(floor, max(1, *counts) * (6 if log else 1.32))
    style.legend(ax, 5)
    hidden = f", and {len(every) - top:,} more" if len(every) > top else ""
    verb = "would be written" if report.dry_run else "written"
    fate = "" if read else f", {style.number(report.objects_written)} {verb}"
    ax.set_xlabel(f"{style.many(report.objects_read, 'object')} read{fate}{hidden}")
    return drawn
