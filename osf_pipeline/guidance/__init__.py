"""G-buffers to occlusion guidance: contours, revealed and hidden areas, creases, confidence."""
