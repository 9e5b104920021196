"""A drawing as it is scanned: its mask, its joints, its colour without the outline, and the outline as a strip."""
