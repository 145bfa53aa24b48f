"""``pytest-publish send``: deliver what a run left behind."""

from __future__ import annotations
