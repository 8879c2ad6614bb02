"""The structure of ``mainspring.yaml``, one struct a section."""

# without annotations from the future, which msgspec would have to compile at every start

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from mainspring.base.settings.checks import Check
from mainspring.base.settings.monitors import Monitor
from mainspring.base.settings.triggers import Trigger

Share = Annotated[float, Meta(ge=0, le=1)]
Task = Literal["binary", "multiclass", "regression"]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the settings; a key it does not know is an error."""


class DatasetSettings(Section, frozen=True, kw_only=True):
    """A named file, folder or table of the project."""

    path: str
    """File or folder, relative to the workspace. Parquet, CSV and newline-delimited JSON are read as tables, and so is a Delta
    table: a folder with ``_delta_log``, or an address such as ``s3://bucket/tables/trips``."""
    table: Literal["delta"] | None = None
    """Says that the path is a Delta table, also where none is yet. A folder with ``_delta_log``, or an address, is one anyway."""
    options: dict[str, str] = {}
    """Options of the object store that a Delta table lies in, such as ``aws_endpoint_url``, ``google_base_url`` or
    ``azure_storage_endpoint``, before what the environment's variables (``AWS_…``, ``GOOGLE_…``, ``AZURE_…``) say; keep secrets
    in ``${VAR}``."""
    time: str | None = None
    """Column that says when a row was true; used for time order, drift windows and leakage."""
    key: list[str] = []
    """Columns that identify a row."""
    suite: str | None = None
    """File with expectations in Great Expectations' format; every run validates the dataset against it first."""


class PipelineSettings(Section, frozen=True, kw_only=True):
    """The function that makes a candidate."""

    entrypoint: str
    """``module:function`` of a ``@pipeline``; the module is found from the workspace's folder."""
    parameters: dict[str, bool | int | float | str | None] = {}
    """Arguments of the pipeline that are not datasets."""


class ModelSettings(Section, frozen=True, kw_only=True):
    """The model that the pipeline makes candidates of."""

    name: str
    task: Task = "binary"
    trust_pickle: bool = False
    """Store models that skops cannot take as pickles, and load them again. Only for code you wrote yourself."""
    trusted_types: list[str] = []
    """Types beyond the built-in list that may be constructed when a model is loaded, as ``module.Type``."""


class ShadowSettings(Section, frozen=True, kw_only=True):
    """A new version answers beside the champion, unseen, before any user meets it."""

    min_predictions: int = 200
    max_error_rate: Share = 0.01


class CanarySettings(Section, frozen=True, kw_only=True):
    """A new version answers a share of the requests, and is judged by what happens."""

    share: Share = 0.1
    min_predictions: int = 500
    """Answers of the canary needed before it can be promoted."""
    min_labels: int = 0
    """Labelled answers of the canary needed before it can be promoted; it must then be shown not to be worse by
    ``max_performance_loss`` or more. 0 promotes without waiting for labels, when no harm was found."""
    metric: str = "accuracy"
    """Per-prediction performance that is compared: accuracy, brier, log_loss, mae or squared_error."""
    max_error_rate_increase: Share = 0.01
    max_latency_ratio: Annotated[float, Meta(gt=1)] = 3.0
    max_performance_loss: Annotated[float, Meta(gt=0)] = 0.02
    """How much larger the canary's mean loss may be. Half the margin takes four times the labels."""
    confidence: Share = 0.95
    patience: str = "14d"
    """How long labels may leave it open whether the canary is worse, as ``12h`` or ``14d``."""
    when_undecided: Literal["wait", "promote", "roll back"] = "wait"
    """What becomes of a canary that is still open then. ``wait``: it goes on, and says how many labels would decide."""


class ReleaseSettings(Section, frozen=True, kw_only=True):
    """How a version that passed its gate reaches production."""

    automatic: bool = True
    """Release a candidate that passed its gate without asking. Off: it waits in staging for ``mainspring deploy``."""
    shadow: ShadowSettings | None = None
    canary: CanarySettings | None = field(default_factory=CanarySettings)


class ServingSettings(Section, frozen=True, kw_only=True):
    """What the prediction server needs to know."""

    routing_key: str | None = None
    """Input column whose value keeps a caller on the same route. Without one the request's id decides."""
    event_time: str | None = None
    """Input column with the moment a prediction is about; without one it is the moment of the request."""
    record_inputs: bool = True
    """Keep the input rows with the predictions; drift of inputs cannot be watched without them."""
    max_body_bytes: int = 16_000_000
    max_rows: int = 10_000
    timeout: str = "30s"
    """How long a model may take to answer a request; after that the caller gets 504, and the worker is replaced."""
    allowed_hosts: list[str] = []
    """Names beside localhost that a request's Host header may carry."""


class Channel(Section, frozen=True, kw_only=True):
    """Where alerts go."""

    type: Literal["log", "webhook"]
    url: str | None = None
    """Address that a webhook posts to; keep its secrets in ``${VAR}``."""
    monitors: list[str] = []
    """Names of the monitors whose alerts go here, and ``validation:DATASET`` for a dataset with a suite and no monitor of its
    own; empty means all."""


class MirrorSettings(Section, frozen=True, kw_only=True):
    """A tracker that every ended run is copied for, by its own client in offline mode, into ``.mainspring/mirrors``."""

    type: Literal["wandb", "comet"]
    project: str | None = None
    """Project there; by default the run's experiment."""
    python: str | None = None
    """Interpreter that has the client installed; by default the one that trains."""


class TrackingSettings(Section, frozen=True, kw_only=True):
    """What the tracking server and the registry may do for their clients."""

    webhook_hosts: list[str] = []
    """Hosts that webhooks may call. A name that leads to a private address needs that address, or its network, here too."""
    mirrors: list[MirrorSettings] = []
    """Trackers that runs of this workspace are copied for when they end."""


class RemoteSettings(Section, frozen=True, kw_only=True):
    """A place beyond this machine where versions of data are kept, in the layout of DVC 3's remotes."""

    url: str
    """Folder (relative to the workspace), ``s3://BUCKET/PREFIX``, ``gs://BUCKET/PREFIX`` or ``az://CONTAINER/PREFIX``."""
    default: bool = False
    """The remote that is meant when none is named. A single remote is the default by itself."""
    endpoint: str | None = None
    """Address of a server that speaks S3, GCS or Azure. One that begins with ``http://`` is spoken to without encryption."""
    ca_file: str | None = None
    """File (relative to the workspace) with certificates, in PEM, of authorities to believe beside the machine's, as a company's
    own. Else, with S3, that of ``AWS_CA_BUNDLE`` or the profile's ``ca_bundle``."""
    region: str | None = None
    """Region of S3; else the profile's, or ``AWS_REGION``."""
    profile: str | None = None
    """Profile of ``~/.aws`` whose credentials are used."""
    account: str | None = None
    """Storage account of Azure; else ``AZURE_STORAGE_ACCOUNT``."""
    path_style: bool = True
    """Put the bucket of S3 into the path. Off: into the host's name, as some servers want it."""
    anonymous: bool = False
    """Sign nothing: a public bucket."""
    credentials: dict[str, str] = {}
    """Credentials of this remote alone, each written as ``${VAR}``: ``access_key_id``, ``secret_access_key`` and ``token`` (S3),
    ``account_key`` or ``sas_key`` (Azure), ``service_account`` (a file, GCS)."""
    timeout: str = "1m"
    """How long one request, of 8 MB at most, may take."""
    retries: Annotated[int, Meta(ge=0, le=20)] = 6
    """How often a request that failed by no fault of ours is tried again, with growing pauses."""


Link = Literal["reflink", "hardlink", "symlink", "copy"]
"""``reflink`` shares blocks until one side writes, ``hardlink`` the file, which is read-only then, ``symlink`` leads to it."""


class StateSettings(Section, frozen=True, kw_only=True):
    """Where the workspace keeps its state."""

    database: str | None = None
    """SQLAlchemy URL; by default SQLite in ``.mainspring/``."""
    objects: str | None = None
    """Folder of the content-addressed objects; by default ``.mainspring/objects``."""
    links: tuple[Link, ...] = ("reflink", "copy")
    """How datasets on disk share bytes with the stored objects: the first of these that the file system can do, else copies.
    By ``symlink`` files do that are checked out; what is added stays as it is."""


class Settings(Section, frozen=True, kw_only=True):
    """All of ``mainspring.yaml``."""

    project: str
    seed: int = 42
    datasets: dict[str, DatasetSettings] = {}
    pipeline: PipelineSettings | None = None
    model: ModelSettings | None = None
    checks: list[Check] = []
    release: ReleaseSettings = field(default_factory=ReleaseSettings)
    serving: ServingSettings = field(default_factory=ServingSettings)
    monitors: dict[str, Monitor] = {}
    triggers: dict[str, Trigger] = {}
    channels: list[Channel] = []
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    remotes: dict[str, RemoteSettings] = {}
    state: StateSettings = field(default_factory=StateSettings)
    documentation: tuple[str, ...] = ("README.md", "MODEL_CARD.md")
    """Files that have to be there and say something for the documentation to count as complete."""
    runbook: str = "RUNBOOK.md"
    """What to do in an incident and how to roll back."""
