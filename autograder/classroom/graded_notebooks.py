"""What was graded as nbgrader's ``autograded`` notebook: the student's module, and what each check says, as outputs.

No kernel runs, and nothing of a notebook that was handed in gets here but the module: what formgrader and the feedback
show is ours, and what comes from a submission is text in it. Imports nbgrader's notebook format.
"""

import copy
import textwrap
from collections.abc import Mapping
from typing import Any

from nbformat.v4 import new_output

from autograder.catalog.submissions import Submission
from autograder.classroom.notebooks import CHECK_CELL, written
from autograder.records import Outcome, Result, Timeline
from autograder.report.html_table import result_html
from autograder.report.looks import printable, verdict_text

#: Characters of the longest comment: a person reads it, and the notebook has all of it.
LONGEST_COMMENT = 20_000


def graded_notebook(master: Any, ids: Mapping[str, str], submission: Submission, result: Result) -> bytes:
    """`master` with what `submission` has in place of the stub, and `result` as its outputs.

    Args:
        master: The notebook of the exercise as nbgrader's gradebook has it.
        ids: What nbgrader calls the cell of each check.
        submission: What was graded.
        result: What was found.
    """
    notebook = copy.deepcopy(master)
    said = {ids[check.name]: verdict_text(check) for check in result.checks}
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id == submission.exercise:
            cell.source = f"%%exercise {submission.exercise}\n{_shown(submission)}"
        elif grade_id in said:
            cell.outputs = [new_output("stream", name="stdout", text=said[grade_id] + "\n")]
        elif cell.id == CHECK_CELL:
            drawn = any(isinstance(check.timeline, Timeline) for check in result.checks)
            table = result_html(result, timeline=drawn)
            text = "\n".join(said.values())
            cell.outputs = [new_output("display_data", data={"text/html": table, "text/plain": text})]
    return written(notebook)


def comment_on(result: Result) -> str | None:
    """The messages of the checks that did not pass, as a comment; None where all did.

    nbgrader takes a comment for Markdown, in which HTML is obeyed. All of it is indented, which makes it code: shown
    as it is, in the feedback too.
    """
    told = [verdict_text(check) for check in result.checks if check.outcome is not Outcome.PASSED]
    text = "\n\n".join(told)
    if len(text) > LONGEST_COMMENT:
        text = text[:LONGEST_COMMENT] + "\n... (cut here: the cells of the checks have all of it)"
    return textwrap.indent(text, "    ") or None


def _shown(submission: Submission) -> str:
    """The module, with what an editor or a terminal would obey instead of showing written as an escape."""
    if submission.problem:
        return f"# There is nothing to show: {printable(submission.problem, keep='')}"
    text = submission.source
    if submission.path.suffix == ".ipynb":
        text = text.partition("\n")[2]  # stands for the magic
    return printable(text).rstrip("\n")
