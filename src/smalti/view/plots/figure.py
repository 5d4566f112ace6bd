"""The figure of a plot: matplotlib's, which a notebook shows without pyplot."""

from __future__ import annotations

from matplotlib.figure import Figure

from smalti.view.plots.style import render


class Plot(Figure):
    """A matplotlib figure like any other.

    Notebooks show figures once pyplot has been imported; this one they show without it.

    Attributes:
        empty: It says that there is nothing to show.
    """

    empty = False

    def _repr_png_(self) -> bytes:
        return render(self, "png")
