"""Who is hidden in the neighbouring frame: exactly, estimated, learned, or by the user's own maps."""
