"""Drawing: style, axes of SA against RA and by λ, labels, captions."""
