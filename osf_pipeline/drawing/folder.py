"""A drawing's folder: the picture, perhaps its mask and joints, perhaps `character.yaml`.

Belongs here: which file is which, and reading all of them. Does not: what is found on them (`drawing`, `estimate`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from osf_pipeline.config import CharacterConfig, load_yaml
from osf_pipeline.drawing.drawing import Drawing, analyse
from osf_pipeline.drawing.estimate import estimate
from osf_pipeline.drawing.mask import Figure, find_figure, read_mask
from osf_pipeline.drawing.picture import Picture, read_picture
from osf_pipeline.drawing.skeleton import FILE as JOINTS
from osf_pipeline.drawing.skeleton import check, read
from osf_pipeline.errors import RequestError
from osf_pipeline.layout import join
from osf_pipeline.store.files import names, take

CONFIG = "character.yaml"
MASK = "mask.png"
PICTURE = re.compile(r"drawing\.(png|jpe?g|tiff?|webp|bmp|gif)\Z", re.IGNORECASE)
TEXTURE = "texture.png"
"""AnimatedDrawings' name of the picture, where no other is there."""


@dataclass(frozen=True)
class DrawingFolder:
    """The files of one drawing.

    Attributes:
        url: of the folder.
        picture: file name.
        mask, joints: file names; None where they are found on the picture.
    """

    url: str
    config: CharacterConfig
    picture: str
    mask: str | None
    joints: str | None

    @classmethod
    def at(cls, url: str) -> DrawingFolder:
        """
        Raises:
            RequestError: when there is no picture, several, or a named file is missing; lists what is there.
        """
        there = names(url)
        config = load_yaml(join(url, CONFIG), CharacterConfig) if CONFIG in there else CharacterConfig()
        for key in ("drawing", "mask", "joints"):
            name = getattr(config, key)
            if name is not None and name not in there:
                raise RequestError(
                    f"{CONFIG} names a file that is not there", folder=url, key=key, value=name,
                    fix=f"Files found: {', '.join(there) or 'none'}.",
                )  # fmt: skip
        pictures = [config.drawing] if config.drawing else [n for n in there if PICTURE.match(n)] or [TEXTURE]
        if len(pictures) > 1 or pictures[0] not in there:
            raise RequestError(
                "several pictures" if len(pictures) > 1 else "no drawing", folder=url,
                fix=f"Put one picture there as drawing.png, or name it in {CONFIG}. "
                f"Files found: {', '.join(there) or 'none'}.",
            )  # fmt: skip
        mask = config.mask or (MASK if MASK in there else None)
        return cls(url, config, pictures[0], mask, config.joints or (JOINTS if JOINTS in there else None))

    def hashes(self) -> dict[str, str | None]:
        """sha256 of each file by its job."""
        files = {"picture": self.picture, "mask": self.mask, "joints": self.joints}
        return {
            job: None if name is None else hashlib.sha256(take(join(self.url, name))).hexdigest()
            for job, name in files.items()
        }

    def figure(self) -> tuple[Picture, Figure]:
        """The picture at its working size, and where the figure is on it.

        Raises:
            InputDataError: when a file is damaged, or no one figure is found.
        """
        picture = read_picture(join(self.url, self.picture))
        figure = find_figure(picture) if self.mask is None else read_mask(join(self.url, self.mask), picture)
        return picture, figure

    def read(self) -> tuple[Drawing, list[str]]:
        """The drawing, and what was found on the way, a sentence each.

        Raises:
            InputDataError: when a file is damaged, or they do not fit together; names file and joint.
        """
        picture, figure = self.figure()
        if self.joints is None:
            guess = estimate(figure.mask)
            skeleton = guess.skeleton
            told = [
                f"joints estimated from the silhouette, confidence {guess.confidence:.2f}; `osf annotate` sets them"
            ]
        else:
            skeleton, told = read(join(self.url, self.joints), picture.size[::-1]).scaled(*picture.scale), []
        told += check(skeleton, figure.mask)
        drawing = analyse(picture, figure, skeleton)
        return drawing, [*told, *drawing.findings]
