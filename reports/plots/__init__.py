"""Drawing: axes, curves, labels and captions."""
