"""Where things are under `root` (any fsspec URL) and `home` (a local folder).

Belongs here: paths and nothing but paths. `root` holds inputs and results; `home` holds databases and scratch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import fsspec

from osf_pipeline.config import ShotConfig, StyleConfig, load_yaml
from osf_pipeline.errors import RequestError
from osf_pipeline.shots import check_name

for _protocol in ("s3", "s3a"):  # by name: s3fs is an extra, and slow to import
    fsspec.register_implementation(_protocol, "osf_pipeline.remote.ObjectStore", clobber=True)


def join(base: str, *parts: str) -> str:
    """Join URL parts with single slashes; an absolute path or URL in `parts` starts anew."""
    url = base.rstrip("/")
    for part in parts:
        url = part if part.startswith("/") or "://" in part else f"{url}/{part}"
    return url


def local_path(url: str) -> Path | None:
    """The local path behind a URL, or None for a remote one."""
    fs, path = fsspec.core.url_to_fs(url)
    return Path(path) if "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)) else None


def exists(url: str) -> bool:
    """Whether there is a file or folder at a URL."""
    fs, path = fsspec.core.url_to_fs(url)
    found: bool = fs.exists(path)
    return found


def root_of(style_url: str) -> str:
    """The root a style's folder lies in."""
    return style_url.rstrip("/").rsplit("/", 2)[0]


@dataclass(frozen=True)
class Layout:
    """The folders of one project."""

    root: str
    home: str

    @classmethod
    def of(cls, root: str | None = None, home: str | None = None) -> Layout:
        """From arguments, else OSF_ROOT and OSF_HOME, else ./var and <root>/home."""
        chosen = root or os.environ.get("OSF_ROOT") or "var"
        if "://" not in chosen:
            chosen = str(Path(chosen).resolve())
        place = home or os.environ.get("OSF_HOME") or (join(chosen, "home") if "://" not in chosen else "var/home")
        return cls(chosen, str(Path(place).resolve()))

    def renders(self, shot: str) -> str:
        return join(self.root, "renders", check_name("shot", shot))

    def style(self, style: str) -> str:
        return join(self.root, "styles", check_name("style", style))

    def preset(self, name: str) -> str:
        """A look that several shots share."""
        return join(self.root, "presets", f"{check_name('preset', name)}.yaml")

    def drawing(self, character: str) -> str:
        """A drawing as the artist gave it: the picture, perhaps its mask and joints."""
        return join(self.root, "drawings", check_name("character", character))

    def character(self, character: str) -> str:
        """Versions of the character made from a drawing."""
        return join(self.root, "characters", check_name("character", character))

    def motions(self) -> str:
        """Motion files: BVH, glTF."""
        return join(self.root, "motions")

    def scene(self, shot: str) -> str:
        """Who moves how in a shot that is rendered here."""
        return join(self.root, "scenes", f"{check_name('shot', shot)}.yaml")

    def config(self, shot: str) -> str:
        """Where detection writes its findings for a shot without its own shot.yaml."""
        return join(self.root, "config", f"{check_name('shot', shot)}.yaml")

    def stores(self, shot: str) -> str:
        return join(self.root, "stores", check_name("shot", shot))

    def store(self, shot: str, kind: str) -> str:
        return join(self.stores(shot), kind)

    def deliveries(self, shot: str) -> str:
        return join(self.root, "deliveries", check_name("shot", shot))

    def delivery(self, shot: str, name: str) -> str:
        return join(self.deliveries(shot), check_name("delivery", name))

    def truth(self, shot: str) -> str:
        """Styled truth of generated shots; absent for a studio's own."""
        return join(self.root, "truth", check_name("shot", shot))

    def drawings(self) -> list[str]:
        return self._children("drawings")

    def scenes(self) -> list[str]:
        """Shots that have a scene."""
        return self._files("scenes")

    def presets(self) -> list[str]:
        return self._files("presets")

    def shots(self) -> list[str]:
        return self._children("renders")

    def styles(self) -> list[str]:
        return self._children("styles")

    def stored(self) -> list[str]:
        """Shots that have stores, also those whose renders are gone."""
        return self._children("stores")

    def _files(self, folder: str) -> list[str]:
        """Names of the YAML files in a folder."""
        fs, path = fsspec.core.url_to_fs(join(self.root, folder))
        return sorted(Path(found).stem for found in fs.glob(f"{path}/*.yaml"))

    def _children(self, folder: str) -> list[str]:
        fs, path = fsspec.core.url_to_fs(join(self.root, folder))
        if not fs.exists(path):
            return []
        return sorted(
            e["name"].rstrip("/").rsplit("/", 1)[-1] for e in fs.ls(path, detail=True) if e["type"] == "directory"
        )

    def shot_config(self, shot: str) -> ShotConfig:
        """shot.yaml beside the renders, else what detection found, else the defaults.

        Raises:
            RequestError: for an unknown shot or a bad file.
        """
        if not exists(self.renders(shot)):
            known = ", ".join(self.shots()) or "none"
            raise RequestError("unknown shot", shot=shot, folder=self.renders(shot), fix=f"Shots found: {known}.")
        for url in (join(self.renders(shot), "shot.yaml"), self.config(shot)):
            if exists(url):
                return load_yaml(url, ShotConfig)
        return ShotConfig()

    def style_config(self, style: str) -> StyleConfig:
        """
        Raises:
            RequestError: for an unknown style or a bad file.
        """
        url = join(self.style(style), "style.yaml")
        if not exists(url):
            known = ", ".join(self.styles()) or "none"
            raise RequestError("unknown style", style=style, file=url, fix=f"Styles found: {known}.")
        return load_yaml(url, StyleConfig)
