"""Source adapters: which channels of a file hold which canonical buffer, and how they are converted.

Belongs here: the adapter contract, the choice among adapters, and the user's overrides. Does not: the naming rules of
one renderer (`exr.sources`) or arithmetic on pixels (`exr.convert`).

A new renderer needs one small class and an entry point in group `osf.source_adapters`:

    class MyRenderer:
        name = "myrenderer"
        generic = False

        def evidence(self, header: Header) -> str | None:
            return "attribute MyRenderer" if "MyRenderer" in header.attributes else None

        def bind(self, names: Iterable[str]) -> dict[str, Binding]:
            return {
                "color": Binding(("R", "G", "B", "A")),
                "depth": Binding(("depth.Z",)),
                "motion": Binding(("velocity.X", "velocity.Y"), scale=(1, -1), note="velocity, y up"),
            }
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, Literal, Protocol

from osf_pipeline.buffers import FULL_TIER, GBUFFER, Tier
from osf_pipeline.config import Source
from osf_pipeline.errors import InputDataError, RequestError
from osf_pipeline.exr.cryptomatte import Cryptomatte, manifest, mattes, numbered
from osf_pipeline.exr.header import Header
from osf_pipeline.exr.read import listing, read_exr

GROUP = "osf.source_adapters"


@dataclass(frozen=True)
class Binding:
    """Where one canonical buffer comes from.

    Attributes:
        channels: source channel names in the order of the buffer's channels. `color` may come without alpha. Empty when
            several layers hold the buffer, which `note` lists: the configuration must name one.
        scale, offset: canonical = stored * scale + offset, per channel; empty means 1 and 0.
        space: of normals.
        averaged: the renderer stores the mean over a pixel's samples, empty ones as 0; edge pixels need repair.
        matte: name of the Cryptomatte whose ranks the channels are; empty for plain channels.
        note: provenance in a few words.
    """

    channels: tuple[str, ...]
    scale: tuple[float, ...] = ()
    offset: tuple[float, ...] = ()
    space: Literal["camera", "world"] = "camera"
    averaged: bool = False
    matte: str = ""
    note: str = ""


class SourceAdapter(Protocol):
    """Knows how one renderer, or one habit of naming, writes its channels.

    `generic` adapters are tried by `auto` only after no specific one recognises the file.
    """

    name: ClassVar[str]
    generic: ClassVar[bool]

    def evidence(self, header: Header) -> str | None:
        """Why this file looks like this adapter's, or None when it does not."""
        ...

    def bind(self, names: Iterable[str]) -> dict[str, Binding]:
        """Bindings of all canonical buffers found among view-free channel names (`Header.names`)."""
        ...


@dataclass(frozen=True)
class BufferMap:
    """How the files of one shot become canonical buffers.

    Attributes:
        adapter: name of the adapter; `evidence` says why it was chosen.
        bindings: canonical buffer to its binding, with full channel names.
        derived: canonical buffers computed from others, and how.
        color_dtype: of the stored colour; float32 when the source is.
        objects: Cryptomatte name to hash over the whole shot; object ids count this order from 1.
        flags: what is missing or doubtful, one sentence each.
    """

    adapter: str
    evidence: str
    bindings: dict[str, Binding]
    derived: dict[str, str] = field(default_factory=dict)
    color_dtype: Literal["float16", "float32"] = "float16"
    objects: dict[str, int] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    @property
    def buffers(self) -> tuple[str, ...]:
        """Canonical buffers this map yields, in the order of the buffer table."""
        return tuple(name for name in GBUFFER if name in self.bindings or name in self.derived)

    @property
    def tier(self) -> Tier:
        return Tier.FULL if set(FULL_TIER) <= set(self.buffers) else Tier.ESTIMATED

    @property
    def dtypes(self) -> dict[str, str]:
        """Storage dtype of every buffer it yields."""
        return {b: self.color_dtype if b == "color" else GBUFFER[b].dtype for b in self.buffers}

    @property
    def channels(self) -> tuple[str, ...]:
        """Full names of all source channels needed, each once."""
        return tuple(dict.fromkeys(name for binding in self.bindings.values() for name in binding.channels))

    @property
    def fill(self) -> dict[str, float]:
        """Value outside a part's data window, for source channels where it is not 0."""
        return dict.fromkeys(self.bindings["depth"].channels, float("inf")) if "depth" in self.bindings else {}

    def describe(self) -> dict[str, Any]:
        """Plain JSON values: part of a store's recipe and provenance."""
        return asdict(self) | {"tier": str(self.tier)}


@cache
def adapters() -> dict[str, SourceAdapter]:
    """All registered adapters by name."""
    return {point.name: point.load()() for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def choose(header: Header, wanted: str = "auto") -> tuple[SourceAdapter, str]:
    """The adapter of a file and why.

    Raises:
        RequestError: for an adapter that is not registered.
        InputDataError: when `auto` recognises nothing, or two specific adapters claim the file.
    """
    known = adapters()
    if wanted != "auto":
        if wanted not in known:
            raise RequestError(
                "unknown source adapter", adapter=wanted, fix=f"Registered: {', '.join(known)}, or auto."
            )
        return known[wanted], "named in the configuration"
    for generic in (False, True):
        claims = {n: why for n, a in known.items() if a.generic == generic and (why := a.evidence(header))}
        if len(claims) > 1:
            raise InputDataError(
                "several source adapters recognise the file", file=header.url, adapters=", ".join(claims),
                fix="Name one under `adapter`.",
            )  # fmt: skip
        for name, why in claims.items():
            return known[name], why
    raise InputDataError(
        "no source adapter recognises the file", file=header.url,
        fix=f"Map the channels under `channels`. The file has: {listing(header.channels)}.",
    )  # fmt: skip


def map_buffers(header: Header, source: Source) -> BufferMap:
    """Map a file's channels to canonical buffers, after the user's overrides.

    Overrides replace: `channels` and `scale` of a buffer take the place of the adapter's.

    Raises:
        RequestError: for an override of an unknown buffer or with a wrong number of channels.
        InputDataError: when no adapter fits, an overriding channel is missing, or there is no colour.
    """
    adapter: SourceAdapter | None = None
    why = "channels of the configuration"
    try:
        adapter, why = choose(header, source.adapter)
    except InputDataError:
        if "color" not in source.channels:  # else the configuration says it all
            raise
    names = header.names(getattr(source, "view", None))
    bound = adapter.bind(names) if adapter else {}
    bindings = {b: replace(x, channels=tuple(names[c] for c in x.channels)) for b, x in bound.items()}
    _override(bindings, header, names, source)
    flags = list(_choose_ids(bindings, header, source))
    flags += [f"{buffer}: left out, {b.note}" for buffer, b in bindings.items() if not b.channels]
    bindings = {buffer: b for buffer, b in bindings.items() if b.channels}
    if "color" not in bindings:
        raise InputDataError(
            "no colour found", file=header.url, rule="missing_channel",
            fix=f"Map it under `channels: {{color: [...]}}`. The file has: {listing(header.channels)}.",
        )  # fmt: skip
    if "rest_position" in bindings and source.rest_box is None and bindings["rest_position"].averaged:
        # An averaged colour AOV cannot hold what lies below 0, so it is normalised.
        flags.append("rest_position: taken as stored, because no `rest_box` is given")
    normal = bindings.get("normal")
    if normal and normal.space == "world" and source.camera is None:
        del bindings["normal"]
        flags.append("normal: left out, because world-space normals need `camera`")
    derived: dict[str, str] = {}
    if "object_id" not in bindings and "part_id" in bindings:
        derived["object_id"] = "1 where part_id is set"
    if "part_id" not in bindings and "object_id" in bindings:
        derived["part_id"] = "1 where object_id is set: every object is one part"
    if "depth" not in bindings and "position" in bindings and source.camera is not None:
        derived["depth"] = "position along the camera axis"
    flags += [f"{buffer}: {how}" for buffer, how in derived.items()]
    if any(b.averaged for b in bindings.values()):
        derived["sample"] = "edge pixels of averaged passes are repaired"
    half = all(header.channels[name] == "float16" for name in bindings["color"].channels)
    found = BufferMap(
        adapter.name if adapter else "channels", why, bindings, derived, "float16" if half else "float32",
        _objects(bindings, [header], source),
    )  # fmt: skip
    missing = [b for b in FULL_TIER if b not in found.buffers]
    if missing:
        flags.append(f"{', '.join(missing)}: missing, so the store is of tier estimated")
    return replace(found, flags=tuple(flags))


def map_shot(headers: Sequence[Header], source: Source) -> BufferMap:
    """As `map_buffers` of the first file, with object ids numbered over the Cryptomatte manifests of all files.

    Raises:
        RequestError, InputDataError: as `map_buffers`; for manifests that are damaged or contradict each other.
    """
    mapping = map_buffers(headers[0], source)
    return replace(mapping, objects=_objects(mapping.bindings, headers, source))


def ambiguous(layers: Iterable[str]) -> str:
    """The note of a binding that the adapter cannot decide."""
    return f"found in several layers ({', '.join(sorted(layers))}): name its channels under `channels`"


def _choose_ids(bindings: dict[str, Binding], header: Header, source: Source) -> Iterator[str]:
    """Bind object ids to a Cryptomatte where there is no index pass, or where nobody set its indices; yields flags.

    A pass index that an artist set joins the meshes of a character, which a Cryptomatte of objects holds apart, so it
    goes first. Indices that nobody set are 0 in the first frame. `channels: {object_id: [...]}` decides otherwise.
    """
    index = bindings.get("object_id")
    if "object_id" in source.channels or (index and not index.channels):
        return
    known = mattes(header, getattr(source, "view", None))
    ranked = {kind: [m for m in known.values() if kind in m.name.lower()] for kind in ("object", "asset")}
    found = ranked["object"] or ranked["asset"]
    if not found or (index and read_exr(header.url, index.channels).channels[index.channels[0]].any()):
        return
    because = f", because {index.channels[0]} is 0 in the first frame" if index else ""
    if len(found) > 1:
        bindings["object_id"] = Binding((), note=ambiguous(matte.name for matte in found))
    elif manifest(header, found[0]):
        bindings["object_id"] = _matte_binding(found[0], f"Cryptomatte{because}")
        if index:
            yield f"object_id: from Cryptomatte {found[0].name}{because}"
    else:
        yield f"object_id: Cryptomatte {found[0].name} has no manifest and is not used"


def _matte_binding(matte: Cryptomatte, note: str) -> Binding:
    return Binding(matte.channels, matte=matte.name, note=note)


def _objects(bindings: dict[str, Binding], headers: Iterable[Header], source: Source) -> dict[str, int]:
    """Cryptomatte name to hash over all `headers`, in the order of object ids; empty without a Cryptomatte.

    Raises:
        InputDataError: when no header has a manifest; as `cryptomatte.manifest` and `cryptomatte.numbered`.
    """
    name = bindings["object_id"].matte if "object_id" in bindings else ""
    if not name:
        return {}
    found = [(h, m[name]) for h in headers if name in (m := mattes(h, getattr(source, "view", None)))]
    objects = numbered(manifest(header, matte) for header, matte in found)
    if not objects:
        raise InputDataError(
            "the Cryptomatte has no manifest", file=found[0][0].url, channel=name, rule="cryptomatte",
            fix="Render it with a manifest, or name an index pass under `channels: {object_id: [...]}`.",
        )  # fmt: skip
    return objects


def _override(bindings: dict[str, Binding], header: Header, names: dict[str, str], source: Source) -> None:
    for buffer in (*source.channels, *source.scale):
        if buffer not in GBUFFER:
            raise RequestError("unknown canonical buffer", buffer=buffer, fix=f"Known: {', '.join(GBUFFER)}.")
    known = mattes(header, getattr(source, "view", None))
    for buffer, wanted in source.channels.items():
        if buffer == "object_id" and len(wanted) == 1 and wanted[0] in known:
            bindings[buffer] = _matte_binding(known[wanted[0]], "Cryptomatte of the configuration")
            continue
        if len(wanted) != GBUFFER[buffer].count and (buffer, len(wanted)) != ("color", 3):
            raise RequestError(
                "a channel map has the wrong number of channels", buffer=buffer, channels=", ".join(wanted),
                fix=f"Name {GBUFFER[buffer].count}: {', '.join(GBUFFER[buffer].channels)}.",
            )  # fmt: skip
        for name in wanted:
            if name not in names and name not in header.channels:
                raise InputDataError(
                    "the file lacks a mapped channel", file=header.url, channel=name, buffer=buffer,
                    rule="missing_channel", fix=f"The file has: {listing(header.channels)}.",
                )  # fmt: skip
        full = tuple(names.get(name, name) for name in wanted)
        bindings[buffer] = replace(
            bindings.get(buffer, Binding(full)), channels=full, note="channels of the configuration"
        )
    for buffer, scale in source.scale.items():
        if len(scale) != GBUFFER[buffer].count:
            raise RequestError(
                "a scale has the wrong number of factors", buffer=buffer, scale=scale,
                fix=f"Give {GBUFFER[buffer].count}: {', '.join(GBUFFER[buffer].channels)}.",
            )  # fmt: skip
        if buffer in bindings:
            bindings[buffer] = replace(bindings[buffer], scale=scale, offset=())
    if source.rest_box is not None and "rest_position" in bindings:
        low, high = source.rest_box
        size = tuple(b - a for a, b in zip(low, high, strict=True))
        bindings["rest_position"] = replace(bindings["rest_position"], scale=size, offset=low)
    if source.normal_space != "auto" and "normal" in bindings:
        bindings["normal"] = replace(bindings["normal"], space=source.normal_space)
