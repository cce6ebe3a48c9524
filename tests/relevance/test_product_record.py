from __future__ import annotations

from relevance.product_record import KEY_BYTES, ContentKeys, RecordKeys


def test_a_key_tells_versions_and_contents_apart() -> None:
    keys = {ContentKeys(version).of(content) for version in ("1", "2") for content in (b"red", b"shoe", b"")}
    assert len(keys) == 6
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert ContentKeys("1").of(b"red") == ContentKeys("1").of(b"red")


def test_catalogues_that_are_built_are_found_in_by_the_same_keys() -> None:
    assert RecordKeys("encoder-1").key([7, 300, 70_000]).hex() == "73206bbc4fca162daa3901397f91191a"
