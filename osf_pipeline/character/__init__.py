"""A drawing made into a body: mesh, parts, skeleton and texture that a renderer can pose."""
