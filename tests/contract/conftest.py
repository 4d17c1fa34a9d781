"""The contract tests write down what they proved: `DNSRUN_WRITE_VERIFIED=1 pytest tests/contract`."""

import pytest

from dnsrun.testing.verified import pytest_runtest_makereport, pytest_sessionfinish

__all__ = ["pytest_runtest_makereport", "pytest_sessionfinish"]

pytest.register_assert_rewrite("dnsrun.testing.contract")
