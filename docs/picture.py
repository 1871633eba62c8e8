"""Makes docs/check.svg, the picture in the README: real output of the public checks on a wrong submission.

python docs/picture.py [SUBMISSION]
"""

import os
import sys
from pathlib import Path

from rich.console import Console

from autograder.classroom.grading import grade_tasks
from autograder.classroom.own_work import own_tasks
from autograder.report.terminal import result_view

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    submission = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "solutions/03_race/wrong/argument_order.py"
    tasks, _ = own_tasks([str(submission)], ROOT)
    graded = grade_tasks(tasks, trusted=True)
    # Written to nowhere but the record.
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=96, file=nowhere, force_terminal=True, highlight=False)
        console.print("$ autograder check race", style="bold")
        for result in graded.report.results:
            console.print(result_view(result))
        console.save_svg(str(ROOT / "docs" / "check.svg"), title="autograder", clear=False)


if __name__ == "__main__":
    main()
