"""How the features of evidence are weighed before a corpus has weights of its own, in the order of FEATURES.

Made by ``python -m bench.refusal --prior``; docs/refusal.md says from what.
"""

CENTRES = (0.0983, 0.4559, 0.6147, 0.6051, 0.0556, 1.8576)
SCALES = (0.0772, 0.3458, 0.2934, 0.2888, 0.1517, 0.4659)
WEIGHTS = (0.5588, 0.7304, -0.0387, 1.1522, 0.4300, 0.7978, 0.1722)
"""Of the features, centred and scaled, and the bias last."""
THRESHOLD = 0.2
"""Probability; about what the corpora that the weights are fitted to come to themselves (0.14 to 0.34)."""
