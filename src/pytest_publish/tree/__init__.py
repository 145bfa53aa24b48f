"""The directory tree of ``--pubdir``."""
