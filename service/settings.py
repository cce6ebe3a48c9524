"""All settings, read once from `AISLE_*` environment variables, frozen, and checked across fields.

An unknown `AISLE_*` variable, a malformed value or an impossible combination stops the start with a
message that names the variable. What Kubernetes adds for a Service named `aisle` is none of ours and left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from relevance.template import Template
from service.autotune.plan import DEFAULT_MICRO_BATCH_TOKENS
from service.errors import SettingsError
from service.gpu.settings import GpuSettings
from service.redis_url import check_redis_url
from service.schemas import MAX_DEADLINE_MS
from service.service_links import service_links

PREFIX = "AISLE_"

Count = Annotated[int, Field(ge=1)]
Milliseconds = Annotated[float, Field(gt=0, le=MAX_DEADLINE_MS, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(GpuSettings, BaseSettings):
    """Each field is the environment variable of the same name in capitals, behind `AISLE_`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True)

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    bundle: Path = Path("models/default")
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Comma-separated; without one everybody may score."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tracing: bool = False
    """OpenTelemetry spans, sent where the standard OTEL_* variables say; needs the extra `otel`."""

    max_connections: Count | None = None
    """Connections open at a time, further ones get 503; None: 10,000, or what the limit of open files allows."""
    header_seconds: Seconds = 10.0
    """How long a client may take to send a request's headers."""
    body_seconds: Seconds = 10.0
    """How long a client may take to send a body, from the end of the headers."""
    keep_alive_seconds: Count = 75
    """How long a connection may be idle after a reply; longer than the proxy in front keeps it, or it may send a
    request into a connection that is being closed."""

    max_candidates: Count = 1000
    """Most candidates in one body, all of its requests together."""
    max_body_bytes: Count = 4 * 1024 * 1024
    max_text_chars: Count = 50_000
    """Most characters in one text field."""
    default_deadline_ms: Milliseconds | None = None
    """Deadline of a request that names none; None: it waits for as long as it takes."""

    replicas: Count = 1
    """Processes behind the one port, each with its share of the cores, of the caches and of `max_connections`."""
    cores: Count | None = None
    """Most cores to use; None: those of the process' affinity and of its container's quota."""
    autotune: bool = True
    """Measure at start-up what the next settings leave open. False: one thread a session, a session for each usable
    core, and 256 tokens."""
    sessions: Count | None = None
    """Micro-batches that run at a time."""
    threads: Count | None = None
    """Threads inside one micro-batch."""
    lone_threads: Count | None = None
    """Threads inside a micro-batch that runs alone, of a cross-encoder on a CPU; None: those of all sessions, at most
    four, where the start finds that faster."""
    micro_batch_tokens: Count | None = None
    """Most padded tokens in a micro-batch; a single longer pair still runs, alone."""
    queue_tokens: Count | None = None
    """Most tokens admitted at a time; None: two of the largest bodies, and at least 131,072."""
    batch_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Longest that one micro-batch may take; then its requests fail, and readiness is off until it ends."""
    token_cache_mb: Annotated[int, Field(ge=0)] = 64
    """Mebibytes for products' token ids; 0: none are kept."""
    candidate_cache_mb: Annotated[int, Field(ge=0)] = 64
    """Mebibytes for candidates by the bytes they were sent as, token ids included; 0: none are kept."""
    score_cache_mb: Annotated[int, Field(ge=0)] = 64
    """Mebibytes for scores of (query, product); 0: none are kept."""
    score_cache_seconds: Annotated[float, Field(gt=0)] = 3600.0
    """How long a score is kept at most."""
    catalogue: Path | None = None
    """Directory of a catalogue of product records (`python -m export.catalogue`); only for a split student."""
    catalogue_reload_seconds: Seconds = 30.0
    """How often the catalogue's directory is looked at for another one."""
    redis_url: SecretStr | None = None
    """Redis that replicas share products' records in; only for a split student; needs the extra `redis`."""
    redis_timeout_ms: Milliseconds = 20.0
    """How long a request may wait for Redis, once; then it is left alone for a while."""
    redis_ttl_seconds: Count = 604_800
    """How long Redis keeps a record."""
    product_cache_mb: Annotated[int, Field(ge=0)] = 256
    """Mebibytes for products' records, of a split student; 0: none are kept."""
    query_cache_mb: Annotated[int, Field(ge=0)] = 32
    """Mebibytes for what is constant in requests of one query, of a split student; 0: computed for each micro-batch."""
    drain_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 20.0
    """How long accepted requests may take to finish after SIGTERM."""

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        keys = tuple(key.strip() for key in value.split(",") if key.strip())
        if not keys:
            # A secret that came out blank must not let everybody in.
            raise ValueError("has no key in it; leave it out to let everybody in")
        return keys

    @field_validator("api_keys")
    @classmethod
    def _keys_can_be_sent(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()) for key in keys):
            raise ValueError("a key must be printable ASCII, or no HTTP header can carry it")
        return keys

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            check_redis_url(url.get_secret_value())
        return url

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.max_text_chars > self.max_body_bytes:
            raise ValueError(
                f"{PREFIX}MAX_TEXT_CHARS ({self.max_text_chars}) exceeds {PREFIX}MAX_BODY_BYTES "
                f"({self.max_body_bytes}); lower the one or raise the other"
            )
        # The tuner takes no micro-batch larger than the queue.
        micro_batch = self.micro_batch_tokens or (1 if self.autotune else DEFAULT_MICRO_BATCH_TOKENS)
        if self.queue_tokens is not None and self.queue_tokens < micro_batch:
            raise ValueError(
                f"{PREFIX}QUEUE_TOKENS ({self.queue_tokens}) is less than one micro-batch, "
                f"{PREFIX}MICRO_BATCH_TOKENS ({micro_batch}); raise the one or lower the other"
            )
        return self

    def queue_tokens_for(self, template: Template) -> int:
        """Most tokens admitted at a time; SettingsError if the largest allowed body could never enter."""
        largest = self.max_candidates * template.max_length
        if self.queue_tokens is None:
            return max(131_072, 2 * largest)
        if self.queue_tokens < largest:
            raise SettingsError(
                f"{PREFIX}QUEUE_TOKENS ({self.queue_tokens}) cannot hold the largest allowed body: "
                f"{PREFIX}MAX_CANDIDATES ({self.max_candidates}) times the bundle's {template.max_length} tokens "
                f"a pair = {largest}; raise the one or lower the other"
            )
        return self.queue_tokens


def load_settings() -> Settings:
    """Read the environment, or raise SettingsError with one line that names every faulty variable."""
    known = {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}
    links = {name.upper() for name in service_links(os.environ)}
    given = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)}
    if unknown := sorted(given - links - set(known)):
        raise SettingsError(f"unknown setting {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    # A secret or path that came out blank is a mistake: it must not let everybody in, nor name the working directory.
    if empty := sorted(
        name.upper() for name, value in os.environ.items() if name.upper() in given and not value.strip()
    ):
        raise SettingsError(
            f"{', '.join(empty)} {'is' if len(empty) == 1 else 'are'} empty: give a value, or leave it out"
        )
    try:
        return Settings(**{known[name]: Settings.model_fields[known[name]].default for name in links & set(known)})
    except ValidationError as error:
        raise SettingsError(
            "; ".join(_line(str(e["loc"][0]) if e["loc"] else "", e["msg"]) for e in error.errors())
        ) from (None)


def _line(field: str, message: str) -> str:
    text = message.removeprefix("Value error, ")
    return f"{PREFIX}{field.upper()}: {text}" if field else text
