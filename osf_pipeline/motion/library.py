"""A motion by name or by file.

Belongs here: which reader a file goes to, and the mapping file beside it. Does not: formats (`bvh`, `gltf`), formulas
(`builtin`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import fsspec
import yaml

from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.motion.builtin import NAMES, builtin
from osf_pipeline.motion.bvh import read_bvh
from osf_pipeline.motion.clip import Clip
from osf_pipeline.motion.names import joint_of

FILES = (".bvh", ".glb", ".gltf")
MAPPING = ".yaml"


def motion(name: str, folder: str | None = None) -> Clip:
    """A built-in motion, or the motion in a file.

    Where joint names do not tell which joint is which, a file `<motion file>.yaml` beside it may say so with
    `mapping: {left_elbow: LeftForeArm}`; those joints come back under the landmarks' names.

    Args:
        name: of a built-in, a file under `folder` with or without its ending, or any path or URL.
        folder: where motion files lie.

    Raises:
        RequestError: no such motion; lists the built-ins and the folder's files.
        InputDataError: the file or its mapping is damaged.
    """
    if name in NAMES:
        return builtin(name)
    url = _find(name, folder)
    clip = _read(url)
    mapping = _mapping(url)
    if mapping:
        named = {joint: landmark for landmark, joint in mapping.items()}
        joint_of(clip, mapping)
        clip = replace(clip, joints=tuple(named.get(joint, joint) for joint in clip.joints))
    return clip


def motion_files(folder: str) -> list[str]:
    """Names of the motion files in a folder; none where there is no folder."""
    fs, path = fsspec.core.url_to_fs(folder)
    try:
        found = fs.ls(path, detail=False)
    except FileNotFoundError:
        return []
    names = (PurePosixPath(entry).name for entry in found)
    return sorted(name for name in names if PurePosixPath(name).suffix.lower() in FILES)


def _find(name: str, folder: str | None) -> str:
    ending = PurePosixPath(name).suffix.lower()
    there = motion_files(folder) if folder else []
    if folder:
        hits = [file for file in there if name in (file, PurePosixPath(file).stem)]
        if len(hits) == 1:
            return f"{folder.rstrip('/')}/{hits[0]}"
        if hits:
            raise RequestError(
                "several motion files have that name", motion=name, files=", ".join(hits), fix="Give the ending too."
            )
    if ending in FILES:
        fs, path = fsspec.core.url_to_fs(name)
        if fs.exists(path):
            return name
    raise RequestError(
        "there is no such motion",
        motion=name,
        folder=folder,
        fix=f"Built in are {', '.join(NAMES)}; files here: {', '.join(there) or 'none'} ({', '.join(FILES)}).",
    )


def _read(url: str) -> Clip:
    label = PurePosixPath(url).name
    if PurePosixPath(url).suffix.lower() == ".bvh":
        fs, path = fsspec.core.url_to_fs(url)
        return read_bvh(fs.cat_file(path), label)
    from osf_pipeline.gltf.read import read_clip

    return read_clip(url)


def _mapping(url: str) -> dict[str, str]:
    """What `<url>.yaml` says; nothing where there is none."""
    fs, path = fsspec.core.url_to_fs(url + MAPPING)
    try:
        data = yaml.safe_load(fs.cat_file(path))
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as error:
        raise InputDataError(
            "the mapping is no YAML", file=url + MAPPING, problem=str(error), fix="Repair it or remove it."
        ) from error
    mapping = data.get("mapping") if isinstance(data, dict) and set(data) == {"mapping"} else None
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for pair in mapping.items() for v in pair):
        raise InputDataError(
            "the mapping is not of the form `mapping: {landmark: joint}`",
            file=url + MAPPING,
            fix="For example `mapping: {left_elbow: LeftForeArm}`.",
        )
    return mapping
