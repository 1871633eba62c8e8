"""The exercises in Jupyter: ``%load_ext autograder``, ``%%exercise NAME``, ``%check``, and what grade cells call.

This room runs in the student's own kernel, where their code is imported as any notebook's is: it holds nobody, and gives
marks only as far as the notebook is honest. ``autograder grade`` reads the same notebooks and judges them in the sandbox.
"""

from autograder.notebook.session import grade

__all__ = ["grade"]
