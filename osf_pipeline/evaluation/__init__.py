"""Measuring stylized frames against the truth, and pages to look at them."""
