"""nbgrader for this course: its source is ``solutions``, and what it releases is ``assignments``.

`autograder release` makes the source notebooks; `nbgrader generate_assignment 03_race` and the rest then work.
"""

from pathlib import Path

from autograder.classroom.notebooks import PREPROCESSORS

c = get_config()  # noqa: F821
root = Path(__file__).resolve().parent

c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "assignments"

# nbgrader would copy references, hidden checks and wrong submissions as they are. It copies nothing from solutions
# (it looks for both spellings of the folder), and what students get beside the notebook is made by `complete`.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]
c.CourseDirectory.ignore += [str(root / "solutions" / "*" / "*"), f"{root}/solutions/./*/*"]
c.GenerateAssignment.post_convert_hook = "autograder.classroom.release.complete"

c.GenerateAssignment.preprocessors = list(PREPROCESSORS)
c.GenerateAssignment.force = True  # assignments/ has nothing of anybody's own

# A cell may be the first of its kind, and then has all of them judged.
c.Execute.timeout = 600
