"""What happens between batches and epochs, as skorch callbacks."""

from torchlearners.callbacks import _select as select
from torchlearners.callbacks._checkpoint import (
    Checkpoint,
    check_identity,
    checkpoints,
    folder_of,
    is_template,
    read_checkpoint,
)
from torchlearners.callbacks._decays import (
    Cosine,
    CosineWarmRestarts,
    Exponential,
    FlatCosine,
    MultiStep,
    Policy,
    Step,
)
from torchlearners.callbacks._early_stopping import EarlyStopping
from torchlearners.callbacks._epoch_table import EpochTable
from torchlearners.callbacks._freeze import Freeze, GradualUnfreeze, Unfreeze
from torchlearners.callbacks._function import FunctionCallback, callback
from torchlearners.callbacks._history_log import JsonLines, history_frame
from torchlearners.callbacks._measure_choice import monitor_of, resolve_measures
from torchlearners.callbacks._measures import Measures
from torchlearners.callbacks._plateau import Plateau
from torchlearners.callbacks._progress import Progress
from torchlearners.callbacks._schedule import (
    BatchSchedule,
    Schedule,
    schedule_callback,
)
from torchlearners.callbacks._schedules import (
    SCHEDULES,
    CosLog4,
    OneCycle,
    ScheduleChoice,
    WarmUp,
)
from torchlearners.callbacks._selection import Selection
from torchlearners.callbacks._sklearn_callbacks import SklearnCallbacks
from torchlearners.callbacks._tensorboard import TensorBoard
from torchlearners.callbacks._time_limit import TimeLimit
from torchlearners.callbacks._weight_averaging import WeightAveraging

__all__ = [
    "SCHEDULES",
    "BatchSchedule",
    "Checkpoint",
    "CosLog4",
    "Cosine",
    "CosineWarmRestarts",
    "EarlyStopping",
    "EpochTable",
    "Exponential",
    "FlatCosine",
    "Freeze",
    "FunctionCallback",
    "GradualUnfreeze",
    "JsonLines",
    "Measures",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Policy",
    "Progress",
    "Schedule",
    "ScheduleChoice",
    "Selection",
    "SklearnCallbacks",
    "Step",
    "TensorBoard",
    "TimeLimit",
    "Unfreeze",
    "WarmUp",
    "WeightAveraging",
    "callback",
    "check_identity",
    "checkpoints",
    "folder_of",
    "history_frame",
    "is_template",
    "monitor_of",
    "read_checkpoint",
    "resolve_measures",
    "schedule_callback",
    "select",
]
