"""Parts of the measurements of the page: `scripts/page_load.py` and `scripts/page_speed.py`."""
