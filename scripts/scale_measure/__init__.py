"""Parts of the measurement of cost curves: `scripts/scale.py`."""
