"""An inset where most points of wide axes crowd into a small spot, as on digits, where nearly every SA is 99 %."""

import numpy as np

from reports.plots import label_placement, style

SHARE = 0.55  # of all points make a crowd
REACH = 0.09  # if they lie within this part of the axes' width and height on either side of one of them
SIZES = [(0.46, 0.54), (0.4, 0.46), (0.34, 0.4)]  # of the axes, the largest first
TICKS = (0.1, 0.08)  # what the labels of its ticks take on its left and below
CLEAR = 0.015  # of the axes, between it and any point


def crowd(points, limits) -> np.ndarray | None:
    """(2, 2), low and high corner of the box around a crowd; None if there is none.

    points: (n, 2), SA and RA of all curves. limits: (2, 2), those of the axes, x first.
    """
    points, limits = np.asarray(points, float).reshape(-1, 2), np.asarray(limits, float)
    if len(points) < 8:
        return None
    places = (points - limits[:, 0]) / (limits[:, 1] - limits[:, 0])
    apart = np.abs(places[:, None] - places[None]).max(axis=-1)  # (n, n)
    radius = np.sort(apart, axis=1)[:, int(np.ceil(SHARE * len(points))) - 1]
    centre = int(np.argmin(radius))
    if radius[centre] > REACH:
        return None
    members = points[apart[centre] <= REACH]
    low, high = members.min(axis=0), members.max(axis=0)
    room = 0.16 * np.maximum(high - low, 0.02 * (limits[:, 1] - limits[:, 0]))
    return np.array([low - room, high + room])


def spot(box, curves, points, limits) -> np.ndarray | None:
    """(4,) x, y, width and height in the axes of an inset that hides no point, not what it enlarges, and of the curves
    as little as it can; None where there is no such place.

    box: (2, 2), what it enlarges. curves: list of (n, 2), SA and RA, whose points are not to be hidden. points: (m, 2),
    others that are better not. limits: (2, 2), those of the axes, x first.
    """
    limits = np.asarray(limits, float)

    def fractions(data):
        return (np.asarray(data, float).reshape(-1, 2) - limits[:, 0]) / (limits[:, 1] - limits[:, 0])

    forbidden = np.vstack(
        [label_placement.around(np.vstack([fractions(curve) for curve in curves]), CLEAR), fractions(box).ravel()]
    )
    lines = [label_placement.along(fractions(curve), step=0.01) for curve in curves]
    dots = label_placement.around(np.vstack([*lines, fractions(points)]), 0.002)
    best, least = None, np.inf
    for wide, high in SIZES:
        across, up = np.arange(TICKS[0], 0.98 - wide, 0.03), np.arange(TICKS[1] + 0.03, 0.98 - high, 0.03)
        corners = np.array([(x, y) for x in across for y in up])
        places = np.hstack([corners - TICKS, corners + (wide, high)])
        hidden = (label_placement.overlap(places, dots) > 0).sum(axis=1).astype(float)
        hidden[label_placement.overlap(places, forbidden).any(axis=1)] = np.inf
        if hidden.min() < least:
            least, best = hidden.min(), np.array([*corners[hidden.argmin()], wide, high])
    return best


def inset(ax, box, place):
    """Axes at `place` (4,) within `ax`, zoomed to the box (2, 2); box and inset are joined."""
    small = ax.inset_axes(place, xlim=box[:, 0], ylim=box[:, 1], zorder=8)
    small.tick_params(labelsize=style.SMALL - 0.6, length=1.5, pad=1.5)
    small.locator_params(nbins=4)
    for spine in small.spines.values():
        spine.set(visible=True, color="#777777", lw=0.5)
    ax.indicate_inset_zoom(small, edgecolor="#777777", lw=0.4, alpha=0.6)
    return small
