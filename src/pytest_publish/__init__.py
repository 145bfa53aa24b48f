"""Publish each pytest result the moment its test has finished.

``pytest --publish URL`` POSTs one JSON object a result, ``pytest --pubdir PATH``
writes a directory tree, serially and under pytest-xdist.
"""
