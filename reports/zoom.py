"""An inset where most points of wide axes crowd into a small spot, as on digits, where nearly every SA is 99 %."""

import numpy as np

from reports import labels, style

SHARE = 0.55  # of all points make a crowd
REACH = 0.09  # if they lie within this part of the axes' width and height on either side of one of them
SIZE = np.array([0.46, 0.54])  # of the axes
CORNERS = [(0.1, 0.14), (0.1, 0.42), (0.5, 0.42), (0.5, 0.14)]  # where a falling curve leaves most room, first


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


def inset(ax, box, curves):
    """Axes within `ax`, zoomed to the box (2, 2), where they cover least; box and inset are joined.

    curves: list of (n, 2), SA and RA.
    """

    def fractions(data):
        return ax.transAxes.inverted().transform(ax.transData.transform(data))

    dots = labels.around(np.vstack([labels.along(fractions(curve), step=0.01) for curve in curves]), 0.002)
    framed = fractions(box).ravel()
    places = [np.concatenate([corner, corner + SIZE]) for corner in np.array(CORNERS)]
    places = [place for place in places if not labels.overlap([place], [framed]).any()] or places
    place = min(places, key=lambda place: (labels.overlap([place], dots) > 0).sum())
    small = ax.inset_axes([*place[:2], *SIZE], xlim=box[:, 0], ylim=box[:, 1], zorder=8)
    small.tick_params(labelsize=style.SMALL - 0.6, length=1.5, pad=1.5)
    small.locator_params(nbins=4)
    for spine in small.spines.values():
        spine.set(visible=True, color="#777777", lw=0.5)
    ax.indicate_inset_zoom(small, edgecolor="#777777", lw=0.4, alpha=0.6)
    return small
