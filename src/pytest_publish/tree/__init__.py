"""The directory tree of ``--pubdir``: one directory a result."""
