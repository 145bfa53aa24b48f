"""``python -m pytest_publish``: the command line."""

import sys

from pytest_publish.cli import main


sys.exit(main())
