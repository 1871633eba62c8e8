"""Ends the program politely at import, with success."""

import sys

sys.exit(0)
