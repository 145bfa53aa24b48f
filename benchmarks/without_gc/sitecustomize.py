"""Switches the garbage collector off in whatever Python has this folder in its path.

A collection is dear, and when it comes depends on everything that was allocated before:
it would fall to one reporter and not to another.
"""

import gc


gc.disable()
