from __future__ import annotations

import pytest

from relevance.template import FieldBudget, Template
from service.errors import SettingsError
from service.settings import Settings, load_settings

TEMPLATE = Template(query_max_tokens=10, fields=(FieldBudget(field="title", max_tokens=37),))


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, str(settings.bundle)) == ("127.0.0.1", 8080, "models/default")
    assert settings.api_keys == ()


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_PORT", "9000")
    monkeypatch.setenv("AISLE_API_KEYS", "first, second,")
    settings = load_settings()
    assert settings.port == 9000
    assert [key.get_secret_value() for key in settings.api_keys] == ["first", "second"]


def test_keys_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_API_KEYS", "hush-hush")
    settings = load_settings()
    assert "hush-hush" not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AISLE_PROT": "80"}, "unknown setting AISLE_PROT"),
        ({"AISLE_PORT": "eighty"}, "AISLE_PORT: "),
        ({"AISLE_PORT": "70000"}, "AISLE_PORT: "),
        ({"AISLE_SESSIONS": "0"}, "AISLE_SESSIONS: "),
        ({"AISLE_PROVIDER": "tpu"}, "AISLE_PROVIDER: "),
        ({"AISLE_BUCKET_LENGTHS": "16,x"}, "AISLE_BUCKET_LENGTHS: "),
        ({"AISLE_CUDA_GRAPHS": "true", "AISLE_BUCKETS": "off"}, "AISLE_CUDA_GRAPHS captures buckets"),
        ({"AISLE_CUDA_GRAPHS": "true", "AISLE_PROVIDER": "tensorrt"}, "AISLE_CUDA_GRAPHS is for CUDA"),
        ({"AISLE_LOG_LEVEL": "loud"}, "AISLE_LOG_LEVEL: "),
        ({"AISLE_DEFAULT_DEADLINE_MS": "0"}, "AISLE_DEFAULT_DEADLINE_MS: "),
        ({"AISLE_DRAIN_SECONDS": "inf"}, "AISLE_DRAIN_SECONDS: "),
        ({"AISLE_HEADER_SECONDS": "0"}, "AISLE_HEADER_SECONDS: "),
        ({"AISLE_BODY_SECONDS": "inf"}, "AISLE_BODY_SECONDS: "),
        ({"AISLE_MAX_CONNECTIONS": "0"}, "AISLE_MAX_CONNECTIONS: "),
        ({"AISLE_MAX_BODY_BYTES": "1000", "AISLE_MAX_TEXT_CHARS": "2000"}, "(1000); lower the one or raise the other"),
        ({"AISLE_QUEUE_TOKENS": "10", "AISLE_MICRO_BATCH_TOKENS": "11"}, "(11); raise the one or lower the other"),
        ({"AISLE_QUEUE_TOKENS": "255", "AISLE_AUTOTUNE": "false"}, "(255) is less than one micro-batch"),
        ({"AISLE_AUTOTUNE": "perhaps"}, "AISLE_AUTOTUNE: "),
        ({"AISLE_REDIS_URL": "cache:6379"}, "AISLE_REDIS_URL: must be redis://"),
        ({"AISLE_REDIS_TIMEOUT_MS": "0"}, "AISLE_REDIS_TIMEOUT_MS: "),
        ({"AISLE_REDIS_TTL_SECONDS": "0.5"}, "AISLE_REDIS_TTL_SECONDS: "),
        ({"AISLE_PORT": "x", "AISLE_THREADS": "y"}, "; AISLE_THREADS: "),
    ],
)
def test_what_cannot_work_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], told: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["AISLE_API_KEYS", "AISLE_CATALOGUE", "AISLE_BUNDLE", "aisle_sessions"])
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_setting_is_a_mistake(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name.upper()} is empty: give a value, or leave it out$"):
        load_settings()


def test_a_refused_key_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_API_KEYS", "schlüssel-geheim")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "geheim" not in str(refused.value)


def test_an_address_with_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_REDIS_URL", "redis://:hush-hush@shops-redis:6379/0")
    settings = load_settings()
    assert "hush-hush" not in f"{settings!r} {settings.model_dump_json()}"
    monkeypatch.setenv("AISLE_REDIS_URL", "redis://:hush/hush@cache:6379/0")
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "hush" not in str(refused.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().port = 1  # type: ignore[misc]


def test_the_queue_holds_two_of_the_largest_bodies_by_default() -> None:
    assert Settings(max_candidates=4000).queue_tokens_for(TEMPLATE) == 2 * 4000 * 50
    assert Settings(max_candidates=10).queue_tokens_for(TEMPLATE) == 131_072


def test_a_queue_that_cannot_hold_the_largest_body_is_refused() -> None:
    assert Settings(max_candidates=100, queue_tokens=5000).queue_tokens_for(TEMPLATE) == 5000
    with pytest.raises(SettingsError, match="AISLE_QUEUE_TOKENS"):
        Settings(max_candidates=100, queue_tokens=4999).queue_tokens_for(TEMPLATE)


def test_what_is_tuned_is_open_unless_given() -> None:
    assert Settings().autotune
    assert (Settings().sessions, Settings().threads, Settings().micro_batch_tokens) == (None, None, None)
    # The tuner takes no micro-batch larger than the queue, so this can work.
    assert Settings(queue_tokens=10).queue_tokens == 10


def test_buckets_are_lists_and_on_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_BUCKET_LENGTHS", "32, 64")
    settings = load_settings()
    assert settings.bucket_lengths == (32, 64)
    assert [settings.use_buckets(on_gpu) for on_gpu in (False, True)] == [False, True]


KUBERNETES = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "AISLE_SERVICE_HOST": "10.0.0.7",
    "AISLE_SERVICE_PORT": "80",
    "AISLE_SERVICE_PORT_HTTP": "80",
    "AISLE_PORT": "tcp://10.0.0.7:80",
    "AISLE_PORT_80_TCP": "tcp://10.0.0.7:80",
    "AISLE_PORT_80_TCP_PROTO": "tcp",
    "AISLE_PORT_80_TCP_PORT": "80",
    "AISLE_PORT_80_TCP_ADDR": "10.0.0.7",
    "AISLE_CANARY_PORT": "tcp://10.0.0.8:80",
}


def test_what_kubernetes_says_of_a_service_named_aisle_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KUBERNETES.items():
        monkeypatch.setenv(name, value)
    assert load_settings().port == 8080
    monkeypatch.setenv("AISLE_PORT", "9000")
    assert load_settings().port == 9000
    monkeypatch.setenv("AISLE_PROT", "9000")
    with pytest.raises(SettingsError, match="unknown setting AISLE_PROT;"):
        load_settings()


def test_elsewhere_a_name_of_that_form_is_a_slip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("AISLE_SERVICE_PORT", "80")
    with pytest.raises(SettingsError, match="unknown setting AISLE_SERVICE_PORT;"):
        load_settings()
