"""What the commands of training share: options, settings from them, how they log and how they fail."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from export.errors import INTERRUPTED, ExportError
from relevance.disk_errors import has_remedy, remedy
from training.config import DistillSettings
from training.config_file import load_settings, problems_of
from training.datasets.loading import FORMS
from training.errors import ConfigError, RunDirectoryError, TrainingError
from training.optimise.distributed import is_main, process_group
from training.stages import SETTINGS

OF_THE_RUN = ("config", "data", "query_log", "seed", "student")
"""Options that `--resume` takes from the run instead."""

MOST_THREADS = 1024
"""About the most cores that a machine has. Of a great many more, torch or OpenMP fails before any work is done."""


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which data, which settings and where."""
    parser.add_argument("--run-dir", type=Path, default=Path("runs/default"), help="where the run lives")
    parser.add_argument("--config", type=Path, help="TOML file with any of the settings of training/config.py")
    parser.add_argument("--data", help=f"{FORMS}; default: synthetic")
    parser.add_argument("--query-log", type=Path, action="append", help="unjudged queries for the pool; repeatable")
    parser.add_argument("--seed", type=int, help="of the split, the pool and the weights (default: 0)")
    parser.add_argument("--engine", choices=("local", "ray"), help="where the pool is labelled (default: local)")
    parser.add_argument(
        "--student", choices=("cross-encoder", "split"), help="split: the product side is computed once, offline"
    )
    parser.add_argument("--threads", type=thread_count, help="CPU threads for torch")


def from_one_on(text: str) -> int:
    """A whole number that an option takes, 1 at the least."""
    return _whole_number(text, 1)


def thread_count(text: str) -> int:
    """How many threads torch is to start: a whole number from 1 to MOST_THREADS."""
    return _whole_number(text, 1, MOST_THREADS)


def from_zero_on(text: str) -> int:
    """A whole number that an option takes, 0 at the least."""
    return _whole_number(text, 0)


def _whole_number(text: str, least: int, most: int | None = None) -> int:
    try:
        count = int(text)
    except ValueError:
        count = least - 1
    if count < least or (most is not None and count > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"must be a whole number {bounds}, got {text!r}")
    return count


def settings_from(options: argparse.Namespace) -> DistillSettings:
    """The settings file with the command line's on top, or with `--resume` the run directory's own."""
    if getattr(options, "resume", False):
        return _resumed(options)
    given: dict[str, Any] = {"data": options.data, "seed": options.seed, "query_logs": options.query_log}
    if options.engine is not None:
        given["labelling"] = {"engine": options.engine}
    if options.student is not None:
        given["student"] = {"kind": options.student}
    return load_settings(options.config, {name: value for name, value in given.items() if value is not None})


def run_command(options: argparse.Namespace, command: Callable[[argparse.Namespace], None]) -> int:
    """Set up logging and threads, run, and turn errors that the user can act on into one line; the exit status."""
    # force: a library that is imported above has set its own format.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(getattr(options, "threads", None) or torch.get_num_threads())
    try:
        with process_group():
            if not is_main():
                # Each says the same; process 0 says it.
                logging.getLogger().setLevel(logging.ERROR)
            command(options)
    except (TrainingError, ExportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # What has no name and no remedy is a fault of ours.
        if error.filename is None and not has_remedy(error):
            raise
        print(f"error: {error.filename or 'the disk'}: {error.strerror}; {remedy(error)}", file=sys.stderr)
        return 1
    except SafetensorError as error:
        message = (
            f"error: weights cannot be written or read ({error}); where the disk is full, free space and run again"
        )
        print(f"{message}, else delete the folder of their stage", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from what is finished", file=sys.stderr)
        return INTERRUPTED
    return 0


def settings_of_run(run_directory: Path) -> DistillSettings:
    """The settings that a run was started with."""
    path = run_directory / SETTINGS
    try:
        return DistillSettings.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be read ({error.strerror}), so {run_directory} is no run directory; name one as --run-dir"
        ) from error
    except ValidationError as error:
        raise RunDirectoryError(
            f"{path} is damaged or of another version ({problems_of(error)}); give the run's own command again instead "
            "of --resume, which writes it anew"
        ) from error


def _resumed(options: argparse.Namespace) -> DistillSettings:
    given = [f"--{name.replace('_', '-')}" for name in OF_THE_RUN if getattr(options, name) is not None]
    if given:
        raise ConfigError(f"--resume takes its settings from {options.run_dir}; leave out {', '.join(given)}")
    if not (options.run_dir / SETTINGS).is_file():
        raise RunDirectoryError(f"nothing to resume: {options.run_dir / SETTINGS} is not there")
    settings = settings_of_run(options.run_dir)
    if options.engine is None:
        return settings
    return settings.model_copy(update={"labelling": settings.labelling.model_copy(update={"engine": options.engine})})
