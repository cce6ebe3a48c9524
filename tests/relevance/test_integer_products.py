from __future__ import annotations

from pathlib import Path

import pytest

from relevance.integer_products import SLOWER_KERNEL, exact_products


@pytest.mark.parametrize("flag", ["avx512_vnni", "avx_vnni"])
def test_a_processor_with_vnni_keeps_its_fast_kernel(tmp_path: Path, flag: str) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\nmodel name\t: X\nflags\t\t: fpu avx2 {flag} sse4_2\nbugs\t\t: none\n")
    assert exact_products(info) == ()


@pytest.mark.parametrize(
    "text", ["processor\t: 0\nflags\t\t: fpu avx2 avx512f\n", "processor\t: 0\nFeatures\t: asimddp\n", ""]
)
def test_others_and_unknown_ones_are_asked_for_exact_products(tmp_path: Path, text: str) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text(text)
    assert exact_products(info) == (SLOWER_KERNEL,)


def test_where_the_kernel_tells_nothing_exact_products_are_asked_for(tmp_path: Path) -> None:
    assert exact_products(tmp_path / "absent") == (SLOWER_KERNEL,)
