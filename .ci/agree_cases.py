"""Hard cases for agree.py, which copies this file and runs it: most tests here fail."""

from __future__ import annotations

import unittest
from collections.abc import Iterator

import pytest


class TestPhases:
    """Whatever can happen before, in, and after a test."""

    @pytest.fixture
    def no_setup(self) -> None:
        """Fail before the test."""
        raise RuntimeError("setup")

    @pytest.fixture
    def skipped_setup(self) -> None:
        """Skip before the test."""
        pytest.skip("setup")

    @pytest.fixture
    def no_teardown(self) -> Iterator[None]:
        """Fail after the test."""
        yield
        raise RuntimeError("teardown")

    @pytest.fixture
    def skipped_teardown(self) -> Iterator[None]:
        """Skip after the test."""
        yield
        pytest.skip("teardown")

    @pytest.mark.usefixtures("no_setup")
    def test_setup(self) -> None: ...

    @pytest.mark.usefixtures("no_teardown", "no_setup")
    def test_setup_and_teardown(self) -> None: ...

    @pytest.mark.usefixtures("skipped_setup")
    def test_skipped_setup(self) -> None: ...

    @pytest.mark.usefixtures("no_teardown")
    def test_teardown(self) -> None: ...

    @pytest.mark.usefixtures("skipped_teardown")
    def test_skipped_teardown(self) -> None: ...

    @pytest.mark.usefixtures("no_teardown")
    def test_call_and_teardown(self) -> None:
        raise ValueError("call")

    @pytest.mark.usefixtures("no_teardown")
    def test_skip_and_teardown(self) -> None:
        pytest.skip("call")

    @pytest.mark.usefixtures("no_teardown")
    def test_xfail_and_teardown(self) -> None:
        pytest.xfail("call")

    @pytest.mark.usefixtures("no_teardown")
    def test_subtest_and_teardown(self, subtests: pytest.Subtests) -> None:
        with subtests.test("one"):
            raise ValueError("subtest")

    @pytest.mark.usefixtures("no_setup")
    @pytest.mark.xfail
    def test_expected_setup(self) -> None: ...

    @pytest.mark.usefixtures("no_teardown")
    @pytest.mark.xfail
    def test_expected_teardown(self) -> None: ...


class TestExpected:
    """Failures that are expected."""

    class TestNested:
        """A class in a class."""

        @pytest.mark.xfail(reason="marked")
        def test_marked(self) -> None:
            raise ValueError("call")

    @pytest.mark.xfail(run=False)
    def test_not_run(self) -> None: ...

    @pytest.mark.xfail(strict=False)
    def test_unexpected(self) -> None: ...

    @pytest.mark.xfail(strict=True)
    def test_strict(self) -> None: ...

    @pytest.mark.xfail(raises=KeyError)
    def test_other_exception(self) -> None:
        raise ValueError("call")


@pytest.mark.parametrize(
    "value",
    ["a::b", "a/b", "[", "]", "a[0]", "@gw0", "", " ", "\n", "\\", "\x00", "é", "\ud800", "a.py"],
)
def test_ids(value: str) -> None:
    """Have a name that holds what parts names."""
    assert value != "a/b"


@pytest.mark.parametrize("value", [1, 1, pytest.param(2, id="x::y[z]"), pytest.param(3, id="é")])
def test_given_ids(value: int) -> None:
    """Have a name that someone thought of."""
    assert value


@pytest.mark.parametrize("value", [])
def test_no_parameters(value: int) -> None:
    """Be skipped for want of a parameter."""


def test_größe() -> None:
    """Have a name beyond ASCII."""


def test_subtests(subtests: pytest.Subtests) -> None:
    """Fail by two of five."""
    for number in range(3):
        with subtests.test("even", number=number):
            assert number == 1
    with subtests.test("skipped"):
        pytest.skip("not this")
    with subtests.test("expected"):
        pytest.xfail("not this either")


def test_subtests_and_call(subtests: pytest.Subtests) -> None:
    """Fail by a subtest, and by itself."""
    with subtests.test("one"):
        raise ValueError("subtest")
    raise KeyError("call")


def test_skipped_subtests(subtests: pytest.Subtests) -> None:
    """Pass, though what it consists of was skipped."""
    with subtests.test("one"):
        pytest.skip("not this")


class TestUnit(unittest.TestCase):
    """unittest's own."""

    def test_subtests(self) -> None:
        for number in range(3):
            with self.subTest("even", number=number):
                self.assertEqual(number % 2, 0)  # noqa: PT009

    def test_skipped_subtest(self) -> None:
        with self.subTest("one"):
            self.skipTest("not this")

    @unittest.expectedFailure
    def test_expected(self) -> None:
        self.fail("call")

    @unittest.expectedFailure
    def test_unexpected(self) -> None: ...

    @unittest.skip("marked")
    def test_skipped(self) -> None: ...


class TestUnitClass(unittest.TestCase):
    """unittest, where the class's setup fails."""

    @classmethod
    def setUpClass(cls) -> None:
        """Fail before all tests."""
        raise RuntimeError("setup")

    def test_one(self) -> None: ...

    def test_two(self) -> None: ...


class TestUnitAsync(unittest.IsolatedAsyncioTestCase):
    """unittest's coroutines."""

    async def test_passed(self) -> None: ...

    async def test_failed(self) -> None:
        raise ValueError("call")


def sum_of(one: int, two: int) -> int:
    """Add.

    >>> sum_of(1, 2)
    4
    """
    return one + two


def product_of(one: int, two: int) -> int:
    """Multiply.

    >>> product_of(2, 3)
    6
    """
    return one * two


def quotient_of(one: int, two: int) -> float:
    """Divide.

    >>> quotient_of(2, 0)  # doctest: +SKIP
    """
    return one / two
