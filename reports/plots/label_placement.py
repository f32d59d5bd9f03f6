"""Where to write the λ of a point: beside it, on nothing else."""

import itertools

import numpy as np

DIRECTIONS = np.array([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False)])
RINGS = {1.0: 0.0, 1.7: 2.0, 3.2: 7.0, 4.8: 10.0, 6.6: 13.0}  # clearance in multiples of `reach` → what it costs
NEAR = 1.7  # up to here a label is seen to belong to its point


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


def place(anchors, sizes, markers, lines, bounds, reach: float = 4.0, far=None, covered=()) -> list:
    """A centre for each label, in order of priority; None where every place would cover something.

    anchors: (n, 2) points to be labelled. sizes: (n, 2) widths and heights. markers: (m, 2) points not to be covered.
    lines: (l, 2) points of lines, to be avoided where possible. bounds: (4,) the panel. All in pixels; `reach` is the
    clearance from the point. far: (n,) which labels may stand farther off, joined to their point by a `leader` that
    crosses no marker and no other label; none if not given. covered: (c, 4) boxes where nothing can stand.
    """
    taken, places = np.vstack([around(markers, reach * 0.8), *np.asarray(covered, float).reshape(-1, 1, 4)]), []
    lines = around(lines, 0.5)
    far = [False] * len(anchors) if far is None else far
    for anchor, size, distant in zip(np.asarray(anchors, float), np.asarray(sizes, float), far, strict=True):
        half = size / 2
        rings = {ring: cost for ring, cost in RINGS.items() if ring <= NEAR or distant}
        centres = np.vstack([anchor + DIRECTIONS * (half + reach * ring) for ring in rings])
        boxes = around(centres, half)
        inside = (boxes[:, :2] >= bounds[:2]).all(axis=1) & (boxes[:, 2:] <= bounds[2:]).all(axis=1)
        crossed = (overlap(boxes, lines) > 0).sum(axis=1)
        cost = crossed + np.repeat(list(rings.values()), len(DIRECTIONS))
        cost[~inside | (overlap(boxes, taken).sum(axis=1) > 0)] = np.inf
        for best in np.argsort(cost, kind="stable"):
            if np.isinf(cost[best]):
                places.append(None)
                break
            joint = leader(anchor, centres[best], size, reach)
            dots = np.empty((0, 2)) if joint is None else along(joint)
            dots = around(dots[(np.abs(dots - anchor) > 0.9 * reach).any(axis=1)], 0.5)  # beyond the point's own marker
            if not (overlap(dots, taken) > 0).any():
                places.append(centres[best])
                beside = around(centres[best], half + [reach / 2, 0])  # or 1 beside 1 would read as 11
                taken = np.vstack([taken, beside, dots])
                break
    return places


def leader(anchor, centre, size, reach: float) -> np.ndarray | None:
    """(2, 2): a line from a point's marker to the edge of its label; None where the label stands close enough."""
    anchor, centre, half = (np.asarray(part, float) for part in (anchor, centre, np.asarray(size, float) / 2))
    away = centre - anchor
    if (np.abs(away) <= half + reach * NEAR * 1.01).all():
        return None
    edge = min(h / abs(d) for h, d in zip(half + 0.15 * reach, away, strict=True) if abs(d) > 1e-9)
    start = 0.7 * reach / np.hypot(*away)
    return np.array([anchor + start * away, centre - edge * away])


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
