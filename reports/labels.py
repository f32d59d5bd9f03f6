"""Where to write the λ of a point: beside it, on nothing else."""

import itertools

import numpy as np

DIRECTIONS = np.array([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False)])


def overlap(boxes, others) -> np.ndarray:
    """Shared area of each pair. boxes: (b, 4), others: (o, 4), both x0, y0, x1, y1. Returns (b, o)."""
    boxes, others = np.asarray(boxes, float).reshape(-1, 1, 4), np.asarray(others, float).reshape(1, -1, 4)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    return np.prod(np.clip(sides, 0, None), axis=-1)


def around(centres, half) -> np.ndarray:
    """Boxes (n, 4) around centres (n, 2) with half width and half height `half` (2,) or a number."""
    centres = np.asarray(centres, float).reshape(-1, 2)
    return np.hstack([centres - half, centres + half])


def along(curve, step: float = 2.0) -> np.ndarray:
    """Points (m, 2) every `step` along a broken line (n, 2); a line is avoided as its points are."""
    curve = np.asarray(curve, float).reshape(-1, 2)
    pieces = [curve[:1]]
    for start, end in itertools.pairwise(curve):
        count = max(int(np.hypot(*(end - start)) // step), 1)
        pieces.append(start + (end - start) * np.linspace(0, 1, count + 1)[1:, None])
    return np.vstack(pieces)


def place(anchors, sizes, markers, lines, bounds, reach: float = 4.0) -> list[np.ndarray | None]:
    """A centre for each label, in order of priority; None where every place would cover something.

    anchors: (n, 2) points to be labelled. sizes: (n, 2) widths and heights. markers: (m, 2) points not to be covered.
    lines: (l, 2) points of lines, to be avoided where possible. bounds: (4,) the panel. All in pixels; `reach` is the
    clearance from the point.
    """
    taken, places = around(markers, reach * 0.8), []
    lines = around(lines, 0.5)
    for anchor, size in zip(np.asarray(anchors, float), np.asarray(sizes, float), strict=True):
        half = size / 2
        rings = [anchor + DIRECTIONS * (half + reach * ring) for ring in (1.0, 1.7)]
        centres = np.vstack(rings)
        boxes = around(centres, half)
        inside = (boxes[:, :2] >= bounds[:2]).all(axis=1) & (boxes[:, 2:] <= bounds[2:]).all(axis=1)
        crossed = (overlap(boxes, lines) > 0).sum(axis=1)
        cost = crossed + np.repeat([0.0, 2.0], len(DIRECTIONS))
        cost[~inside | (overlap(boxes, taken).sum(axis=1) > 0)] = np.inf
        best = int(np.argmin(cost))
        if np.isinf(cost[best]):
            places.append(None)
            continue
        places.append(centres[best])
        taken = np.vstack([taken, around(centres[best], half + [reach / 2, 0])])  # or 1 beside 1 would read as 11
    return places


def grouped(anchors, texts: list[str], near: float) -> list[tuple[int, str]]:
    """Neighbours closer than `near` share a label: indices of the anchors labelled, and their texts.

    anchors: (n, 2) in order along the curve; 0.4, 0.3, 0.2 in one spot become `0.4–0.2`.
    """
    anchors, groups = np.asarray(anchors, float), []
    for index in range(len(texts)):
        if groups and np.hypot(*(anchors[index] - anchors[groups[-1][0]])) < near:
            groups[-1].append(index)
        else:
            groups.append([index])
    return [(g[len(g) // 2], texts[g[0]] if len(g) == 1 else f"{texts[g[0]]}–{texts[g[-1]]}") for g in groups]
