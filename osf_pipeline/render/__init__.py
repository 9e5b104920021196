"""The built-in ray-cast renderer: posed triangle meshes in, canonical buffers and EXR sequences out."""
