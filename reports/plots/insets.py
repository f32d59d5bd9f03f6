"""Inset that enlarges a crowd of points, as on digits, where nearly every SA is 99 %."""

import numpy as np

from reports.plots import label_placement, style

CROWD_SHARE = 0.55  # share of all points that makes a crowd
CROWD_REACH = 0.09  # largest distance of its points from one of them, as a fraction of the axes
SIZES = [(0.46, 0.54), (0.4, 0.46), (0.34, 0.4)]  # of the inset as fractions of the axes, the largest first
TICKS = (0.1, 0.08)  # room for tick labels on its left and below
CLEARANCE = 0.015  # between the inset and any point, as a fraction of the axes


def crowd(points, limits) -> np.ndarray | None:
    """Low and high corner (2, 2) of the box around a crowd; None if there is none.

    points: (n, 2), SA and RA of all curves. limits: (2, 2), those of the axes, x first.
    """
    points, limits = np.asarray(points, float).reshape(-1, 2), np.asarray(limits, float)
    if len(points) < 8:
        return None
    positions = (points - limits[:, 0]) / (limits[:, 1] - limits[:, 0])
    apart = np.abs(positions[:, None] - positions[None]).max(axis=-1)  # (n, n)
    radius = np.sort(apart, axis=1)[:, int(np.ceil(CROWD_SHARE * len(points))) - 1]
    centre = int(np.argmin(radius))
    if radius[centre] > CROWD_REACH:
        return None
    members = points[apart[centre] <= CROWD_REACH]
    low, high = members.min(axis=0), members.max(axis=0)
    room = 0.16 * np.maximum(high - low, 0.02 * (limits[:, 1] - limits[:, 0]))
    return np.array([low - room, high + room])


def position(box, curves, points, limits) -> np.ndarray | None:
    """Position (4,) of the inset, x, y, width and height as fractions of the axes; None if there is no room.

    The inset covers neither points of curves nor the box, and as little of the curves as possible. box: (2, 2), the
    enlarged part. curves: list of (n, 2), SA and RA. points: (m, 2), others that are better not covered. limits:
    (2, 2), those of the axes, x first.
    """
    limits = np.asarray(limits, float)

    def fractions(data):
        return (np.asarray(data, float).reshape(-1, 2) - limits[:, 0]) / (limits[:, 1] - limits[:, 0])

    markers = label_placement.around(np.vstack([fractions(curve) for curve in curves]), CLEARANCE)
    forbidden = np.vstack([markers, fractions(box).ravel()])
    lines = [label_placement.along(fractions(curve), step=0.01) for curve in curves]
    dots = label_placement.around(np.vstack([*lines, fractions(points)]), 0.002)
    best, least = None, np.inf
    for wide, high in SIZES:
        across, up = np.arange(TICKS[0], 0.98 - wide, 0.03), np.arange(TICKS[1] + 0.03, 0.98 - high, 0.03)
        corners = np.array([(x, y) for x in across for y in up])
        boxes = np.hstack([corners - TICKS, corners + (wide, high)])
        covered = (label_placement.overlap(boxes, dots) > 0).sum(axis=1).astype(float)
        covered[label_placement.overlap(boxes, forbidden).any(axis=1)] = np.inf
        if covered.min() < least:
            least, best = covered.min(), np.array([*corners[covered.argmin()], wide, high])
    return best


def add(ax, box, position):
    """Add axes at `position` (4,) within `ax` that enlarge the box (2, 2), joined to it by lines. Returns them."""
    inset = ax.inset_axes(position, xlim=box[:, 0], ylim=box[:, 1], zorder=8)
    inset.tick_params(labelsize=style.SMALL - 0.6, length=1.5, pad=1.5)
    inset.locator_params(nbins=4)
    for spine in inset.spines.values():
        spine.set(visible=True, color="#777777", lw=0.5)
    ax.indicate_inset_zoom(inset, edgecolor="#777777", lw=0.4, alpha=0.6)
    return inset
