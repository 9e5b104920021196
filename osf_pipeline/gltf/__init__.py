"""glTF 2.0: characters and scenes to files that other tools open, and motions from files that other tools write.

Belongs here: the format. Does not: Blender itself (`render.blender`), carrying a motion over (`motion`).
"""
