from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from relevance.bundle import Bundle
from relevance.pair_encoding import EncodedText, PairEncoder
from relevance.product import Product
from service.caches import TokenCache
from service.pair import CrossPairing
from service.request import Candidate, Request
from service.tokenization import INLINE_CHARS, INLINE_TEXTS, EncodedRequests, TextCaches, Tokenization


class CountingEncoder(PairEncoder):
    """Notes each call and the thread it came from."""

    calls: list[tuple[str, int, str]]

    def encode_queries(self, queries: Sequence[str]) -> list[EncodedText]:
        self.calls.append(("queries", len(queries), threading.current_thread().name))
        return super().encode_queries(queries)

    def encode_products(self, products: Sequence[Product]) -> list[EncodedText]:
        self.calls.append(("products", len(products), threading.current_thread().name))
        return super().encode_products(products)


@pytest.fixture
def encoder(bundle: Bundle) -> PairEncoder:
    made = bundle.pair_encoder()
    made.__class__ = CountingEncoder
    made.calls = []  # type: ignore[attr-defined]
    return made


@pytest.fixture
def tokenization(encoder: PairEncoder) -> Iterator[Tokenization]:
    ticks = iter(range(100))
    made = Tokenization(CrossPairing(encoder), 1, clock=lambda: float(next(ticks)))
    yield made
    made.close()


def request(query: str, *titles: str) -> Request:
    return of_products(query, [Product(title=title) for title in titles])


def of_products(query: str, products: Sequence[Product]) -> Request:
    return Request(query, [Candidate(product.id, product.prior, 1, product) for product in products])


def encode(tokenization: Tokenization, *requests: Request) -> EncodedRequests:
    return asyncio.run(tokenization.encode(requests))


def test_pairs_are_those_of_the_pair_rule(tokenization: Tokenization, bundle: Bundle) -> None:
    encoder = bundle.pair_encoder()
    encoded = encode(tokenization, request("red shoe", "good", "bad lamp"), request("lamp", "good good"))
    expected = [
        [encoder.pair(encoder.encode_queries([query])[0], product) for product in encoder.encode_products(products)]
        for query, products in [
            ("red shoe", [Product(title="good"), Product(title="bad lamp")]),
            ("lamp", [Product(title="good good")]),
        ]
    ]
    assert encoded.pairs == expected
    assert encoded.tokens == sum(len(pair) for pairs in expected for pair in pairs)


def test_the_time_is_taken_with_the_given_clock(tokenization: Tokenization) -> None:
    encoded = encode(tokenization, request("q", "a"))
    assert (encoded.started, encoded.finished) == (0.0, 2.0)


def test_a_body_is_two_calls_of_the_encoder(tokenization: Tokenization, encoder: CountingEncoder) -> None:
    encode(tokenization, request("red", *["good"] * 30), request("lamp", *["bad"] * 20))
    assert [(name, count) for name, count, _ in encoder.calls] == [("products", 50), ("queries", 2)]


@pytest.mark.parametrize(("candidates", "off_loop"), [(INLINE_TEXTS, False), (INLINE_TEXTS + 1, True)])
def test_only_small_bodies_are_encoded_on_the_event_loop(
    tokenization: Tokenization, encoder: CountingEncoder, candidates: int, off_loop: bool
) -> None:
    encode(tokenization, request("red", *["good"] * candidates))
    (thread,) = [thread for name, _, thread in encoder.calls if name == "products"]
    assert thread.startswith("tokenization") is off_loop


def test_a_few_long_texts_are_not_encoded_on_the_event_loop(
    tokenization: Tokenization, encoder: CountingEncoder
) -> None:
    encode(tokenization, request("red", "good " * INLINE_CHARS), request("q" * (INLINE_CHARS + 1)))
    assert [(name, thread.startswith("tokenization")) for name, _, thread in encoder.calls] == [
        ("products", True),
        ("queries", True),
    ]


def test_a_known_product_is_not_tokenised_again(encoder: CountingEncoder, bundle: Bundle) -> None:
    cache = TokenCache(100_000)
    tokenization = Tokenization(CrossPairing(encoder), 1, TextCaches(cache))
    first = encode(tokenization, request("red", "good", "bad lamp"))
    again = encode(tokenization, request("blue", "lamp", "bad lamp", "good"), request("red", "good"))
    tokenization.close()
    assert [count for name, count, _ in encoder.calls if name == "products"] == [2, 1]
    plain = bundle.pair_encoder()
    (query,) = plain.encode_queries(["blue"])
    titles = ["lamp", "bad lamp", "good"]
    assert again.pairs[0] == [plain.pair(query, p) for p in plain.encode_products([Product(title=t) for t in titles])]
    assert again.pairs[1][0] == first.pairs[0][0]
    assert (cache.lookups.hits, cache.lookups.misses) == (3, 3)


def test_products_that_differ_in_a_field_that_is_read_are_told_apart(encoder: CountingEncoder, bundle: Bundle) -> None:
    tokenization = Tokenization(CrossPairing(encoder), 1, TextCaches(TokenCache(100_000)))
    same_text = [Product(title="good bad"), Product(title="good", brand="bad"), Product(title="good bad", color="red")]
    encoded = encode(tokenization, of_products("red", same_text))
    tokenization.close()
    (query,) = bundle.pair_encoder().encode_queries(["red"])
    plain = bundle.pair_encoder()
    assert encoded.pairs[0] == [plain.pair(query, text) for text in plain.encode_products(same_text)]
