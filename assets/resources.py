"""The one resource of all assets: where the project is and where its shards are computed."""

import dagster as dg

from osf_pipeline.execution import Execution, Progress
from osf_pipeline.layout import Layout


class OsfProject(dg.ConfigurableResource[None]):
    """Where the project is and where its shards are computed.

    Attributes:
        root, home: as in `osf --root --home`; when empty OSF_ROOT and OSF_HOME, else ./var.
        backend: `local` or `ray`.
        address, workers, threads: as in `osf_pipeline.execution.Execution`.
    """

    root: str | None = None
    home: str | None = None
    backend: str = "local"
    address: str | None = None
    workers: int | None = None
    threads: int = 2

    @property
    def layout(self) -> Layout:
        return Layout.of(self.root, self.home)

    @property
    def execution(self) -> Execution:
        return Execution(self.backend, self.address, self.workers, self.threads)  # type: ignore[arg-type]

    @property
    def progress(self) -> Progress:
        """Lines on stderr, which Dagster keeps as the step's compute log."""
        from osf_pipeline.cli.console import progress_lines

        return progress_lines()
