"""Stylized frames back onto the textures of what they show, and those textures back into the frames."""
