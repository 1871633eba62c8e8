"""Ends the process at import with the exit status of success."""

import os

os._exit(0)
