"""Runs stages in order, each once: finished ones are skipped, interrupted ones run anew."""

import logging
import shutil
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rlrec.errors import RlrecError, RunFolderError
from rlrec.workflow.config import RunConfig
from rlrec.workflow.progress import Reporter, Silent
from rlrec.workflow.run_folder import Results, RunFolder

_log = logging.getLogger(__name__)

Stage = Callable[["StageContext"], Results]
"""Reads what earlier stages left on disk, writes files into `context.path`, returns results.

Depends on nothing but configuration, seed and those files, so that running it anew after an
interruption ends in the same results.
"""


@dataclass(frozen=True)
class StageContext:
    """What a stage is given."""

    folder: RunFolder
    name: str
    """Of the stage."""
    path: Path
    """Where the stage writes its files."""
    reporter: Reporter = field(default_factory=Silent)

    @property
    def config(self) -> RunConfig:
        """Configuration of the run."""
        return self.folder.config

    @property
    def seed(self) -> int:
        """Seed of this stage."""
        return stage_seed(self.config.seed, self.name)

    @property
    def checkpoint_path(self) -> Path:
        """Where this stage may keep what survives an interruption; gone once it is done."""
        return self.folder.path / "checkpoints" / self.name


def stage_seed(seed: int, stage: str) -> int:
    """Return the seed of a stage: it follows from the run's seed and the stage's name."""
    words = np.random.SeedSequence([seed, zlib.crc32(stage.encode())]).generate_state(1)
    return int(words[0] >> 1)  # below 2**31: some libraries take no more


def run_stages(
    folder: RunFolder,
    stages: Mapping[str, Stage],
    reporter: Reporter | None = None,
    discard_refused: bool = False,
) -> dict[str, Results]:
    """Run what is not finished and return the results of all stages, by name.

    Args:
        folder: The run; locked meanwhile.
        stages: In order.
        reporter: Who is told.
        discard_refused: Delete the run if already its first stage refuses its input.
    """
    reporter = reporter or Silent()
    with folder.locked():
        try:
            with _log_file(folder.path / "run.log"), _one_blas_thread():
                _warn_of_other_code(folder, stages, reporter)
                for number, name in enumerate(stages, start=1):
                    _run_stage(folder, stages, name, f"[{number}/{len(stages)}] {name}", reporter)
        except RlrecError as error:
            is_refused = not isinstance(error, RunFolderError)
            if discard_refused and is_refused and not folder.is_done(next(iter(stages))):
                folder.discard()
            raise
    return {name: folder.results(name) for name in stages}


def _run_stage(
    folder: RunFolder, stages: Mapping[str, Stage], name: str, title: str, reporter: Reporter
) -> None:
    if folder.is_done(name):
        reporter.say(f"{title}: finished before")
        return
    reporter.say(title)
    began = time.perf_counter()
    context = StageContext(folder, name, folder.begin(name), reporter)
    results = ready_for_json(stages[name](context))
    folder.finish(name, results, time.perf_counter() - began)
    shutil.rmtree(context.checkpoint_path, ignore_errors=True)
    reporter.say(f"    {folder.seconds(name):.1f} s")


def _warn_of_other_code(folder: RunFolder, stages: Mapping[str, Stage], reporter: Reporter) -> None:
    """Say which finished stages other code made, if more stages are now added to them."""
    if all(map(folder.is_done, stages)):
        return
    for name, lines in folder.foreign_stages().items():
        words = f"the stage {name} was made with other code ({'; '.join(lines)})"
        _log.warning("%s", words)
        reporter.say(f"Warning: {words}; results may differ from those of an undisturbed run")


def ready_for_json(value: Any) -> Any:
    """Return `value` with numpy arrays and numbers as plain ones and not-a-number as None."""
    if isinstance(value, Mapping):
        return {str(key): ready_for_json(part) for key, part in value.items()}
    if isinstance(value, np.ndarray):
        return ready_for_json(value.tolist())
    if isinstance(value, list | tuple):
        return [ready_for_json(part) for part in value]
    if isinstance(value, np.generic):
        return ready_for_json(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Collect what the package logs in a file of the run."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("rlrec")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


def _one_blas_thread() -> AbstractContextManager[object]:
    """Keep matrix products to one thread: sums then do not depend on the number of cores."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
