"""Place labels beside their points so that they cover nothing else."""

import itertools

import numpy as np

DIRECTIONS = np.array([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False)])
RINGS = {1.0: 0.0, 1.7: 2.0, 3.2: 7.0, 4.8: 10.0}  # clearance in multiples of `reach` → penalty
NEAR = 1.7  # up to this clearance a label is seen to belong to its point


def overlap(boxes, others) -> np.ndarray:
    """Shared area (b, o) of each pair of boxes. boxes: (b, 4), others: (o, 4), x0, y0, x1, y1."""
    boxes, others = np.asarray(boxes, float).reshape(-1, 1, 4), np.asarray(others, float).reshape(1, -1, 4)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(boxes[..., :2], others[..., :2])
    return np.prod(np.clip(sides, 0, None), axis=-1)


def around(centres, half) -> np.ndarray:
    """Boxes (n, 4) around centres (n, 2). half: half width and half height (2,) or one number."""
    centres = np.asarray(centres, float).reshape(-1, 2)
    return np.hstack([centres - half, centres + half])


def along(curve, step: float = 2.0) -> np.ndarray:
    """Points (m, 2) about every `step` along a polyline (n, 2), so that a line can be avoided like points."""
    curve = np.asarray(curve, float).reshape(-1, 2)
    pieces = [curve[:1]]
    for start, end in itertools.pairwise(curve):
        count = max(int(np.hypot(*(end - start)) // step), 1)
        pieces.append(start + (end - start) * np.linspace(0, 1, count + 1)[1:, None])
    return np.vstack(pieces)


def place(anchors, sizes, markers, lines, bounds, reach: float = 4.0, far=None) -> list:
    """Centre of each label, in order of priority; None if every position would cover something.

    anchors: (n, 2) points to be labelled. sizes: (n, 2) widths and heights. markers: (m, 2) points that must stay
    visible. lines: (l, 2) points of lines, avoided where possible. bounds: (4,) the panel. All in pixels; reach: the
    clearance from the point. far: (n,) which labels may stand farther off, joined to their point by a `leader` that
    crosses no marker and no other label; default none.
    """
    blocked, centres = around(markers, reach * 0.8), []
    lines = around(lines, 0.5)
    far = [False] * len(anchors) if far is None else far
    for anchor, size, distant in zip(np.asarray(anchors, float), np.asarray(sizes, float), far, strict=True):
        half = size / 2
        rings = {ring: penalty for ring, penalty in RINGS.items() if ring <= NEAR or distant}
        candidates = np.vstack([anchor + DIRECTIONS * (half + reach * ring) for ring in rings])
        boxes = around(candidates, half)
        inside = (boxes[:, :2] >= bounds[:2]).all(axis=1) & (boxes[:, 2:] <= bounds[2:]).all(axis=1)
        crossed = (overlap(boxes, lines) > 0).sum(axis=1)
        penalty = crossed + np.repeat(list(rings.values()), len(DIRECTIONS))
        penalty[~inside | (overlap(boxes, blocked).sum(axis=1) > 0)] = np.inf
        for best in np.argsort(penalty, kind="stable")[: np.isfinite(penalty).sum()]:
            joint = leader(anchor, candidates[best], size, reach)
            dots = np.empty((0, 2)) if joint is None else along(joint)
            dots = around(dots[(np.abs(dots - anchor) > 0.9 * reach).any(axis=1)], 0.5)  # beyond the point's own marker
            if not (overlap(dots, blocked) > 0).any():
                centres.append(candidates[best])
                beside = around(candidates[best], half + [reach / 2, 0])  # or 1 beside 1 would read as 11
                blocked = np.vstack([blocked, beside, dots])
                break
        else:
            centres.append(None)
    return centres


def leader(anchor, centre, size, reach: float) -> np.ndarray | None:
    """Line (2, 2) from a point's marker to the edge of its label; None if the label stands close enough."""
    away, half = centre - anchor, size / 2
    if (np.abs(away) <= half + reach * NEAR * 1.01).all():
        return None
    edge = min(h / abs(d) for h, d in zip(half + 0.15 * reach, away, strict=True) if abs(d) > 1e-9)
    start = 0.7 * reach / np.hypot(*away)
    return np.array([anchor + start * away, centre - edge * away])


def grouped(anchors, texts: list[str], near: float) -> list[tuple[int, str]]:
    """Merge the labels of neighbours closer than `near`: indices of the labelled anchors, and their texts.

    anchors: (n, 2) in order along the curve; 0.4, 0.3, 0.2 in one spot become `0.4–0.2`.
    """
    anchors, groups = np.asarray(anchors, float), []
    for index in range(len(texts)):
        if groups and np.hypot(*(anchors[index] - anchors[groups[-1][0]])) < near:
            groups[-1].append(index)
        else:
            groups.append([index])
    return [(g[len(g) // 2], texts[g[0]] if len(g) == 1 else f"{texts[g[0]]}–{texts[g[-1]]}") for g in groups]
