"""Reads what the checks of an exercise say of themselves, without running a line of them."""

import ast
import math
from collections.abc import Iterator
from pathlib import Path

from autograder.catalog.markers import Region, regions
from autograder.catalog.text import one_line, read_own
from autograder.errors import CatalogError
from autograder.records import CheckInfo, Kind

_MARKS = frozenset({"points", "kind", "needs"})


def read_checks(path: Path) -> tuple[CheckInfo, ...]:
    """The checks in a ``test_name.py``, in the order in which they stand there.

    Raises:
        CatalogError: A check without points or docstring, an unknown kind, a need that is no earlier check,
            or something that pytest would collect and this reading would miss. Names file and line.
    """
    text = read_own(path)
    hidden = regions(text, path, "HIDDEN TESTS")
    try:
        module = ast.parse(text, filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise CatalogError(f"{one_line(path)}:{line}: not Python: {getattr(error, 'msg', error)}") from None
    return tuple(_Reader(path, hidden).checks(module))


class _Reader:
    """Turns the functions of one file into `CheckInfo`, one after the other."""

    def __init__(self, path: Path, hidden: tuple[Region, ...]) -> None:
        self._path = path
        self._hidden = hidden
        #: Name of every check so far, and whether it is hidden.
        self._seen: dict[str, bool] = {}

    def checks(self, module: ast.Module) -> Iterator[CheckInfo]:
        for node in ast.walk(module):
            match node:
                case ast.FunctionDef() if node in module.body:
                    continue
                case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
                    if name.startswith("Test" if isinstance(node, ast.ClassDef) else "test"):
                        raise self._error(node, f"{name}: a check is a plain 'def' at the top level")
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield self._check(node)

    def _check(self, function: ast.FunctionDef) -> CheckInfo:
        name = function.name
        if name in self._seen:
            raise self._error(function, f"{name}: a second check of this name")
        title = (ast.get_docstring(function) or "").split("\n", 1)[0].strip()
        if not title:
            raise self._error(function, f"{name}: no docstring, whose first line students see")
        hidden = self._is_hidden(function)
        marks = self._marks(function)
        check = CheckInfo(
            name=name,
            title=title,
            kind=self._kind(function, marks.get("kind")),
            points=self._points(function, marks.get("points")),
            hidden=hidden,
            needs=self._needs(function, marks.get("needs", ()), hidden),
        )
        self._seen[name] = hidden
        return check

    def _marks(self, function: ast.FunctionDef) -> dict[str, tuple[object, ...]]:
        """Our marks on `function` with their arguments."""
        marks: dict[str, tuple[object, ...]] = {}
        for decorator in function.decorator_list:
            match decorator:
                case ast.Call(ast.Attribute(ast.Attribute(attr="mark"), name), arguments, keywords):
                    pass
                case ast.Attribute(ast.Attribute(attr="mark"), name):
                    arguments, keywords = [], []
                case _:
                    continue
            if name not in _MARKS:
                continue
            if name in marks:
                raise self._error(decorator, f"{function.name}: @pytest.mark.{name} twice")
            try:
                values = tuple(ast.literal_eval(argument) for argument in arguments)
            except (ValueError, TypeError):
                values = ()
            if not values or keywords:
                wanted = "literal values, not named ones"
                raise self._error(decorator, f"{function.name}: @pytest.mark.{name}(...) takes {wanted}")
            marks[name] = values
        return marks

    def _points(self, function: ast.FunctionDef, mark: tuple[object, ...] | None) -> float:
        match mark:
            case (bool(),):
                pass
            case (int() | float() as points,) if math.isfinite(points) and points >= 0:
                return float(points)
            case None:
                raise self._error(function, f"{function.name}: no @pytest.mark.points(...)")
        raise self._error(function, f"{function.name}: points must be one number, 0 or more")

    def _kind(self, function: ast.FunctionDef, mark: tuple[object, ...] | None) -> Kind:
        match mark:
            case None:
                return Kind.CORRECTNESS
            case (str(kind),) if kind in tuple(Kind):
                return Kind(kind)
        known = ", ".join(Kind)
        raise self._error(function, f"{function.name}: kind must be one of {known}")

    def _needs(self, function: ast.FunctionDef, names: tuple[object, ...], hidden: bool) -> tuple[str, ...]:
        for name in names:
            if not isinstance(name, str) or name not in self._seen:
                raise self._error(function, f"{function.name}: needs {name!r}, which is no check before it")
            if self._seen[name] and not hidden:
                raise self._error(function, f"{function.name}: needs {name!r}, which students do not get")
        return tuple(str(name) for name in names)

    def _is_hidden(self, function: ast.FunctionDef) -> bool:
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        last = function.end_lineno or function.lineno
        for region in self._hidden:
            if first in region and last in region:
                return True
            if first <= region.last and region.first <= last:
                raise self._error(function, f"{function.name}: lies partly in a region of hidden tests")
        return False

    def _error(self, node: ast.stmt | ast.expr, why: str) -> CatalogError:
        return CatalogError(f"{one_line(self._path)}:{node.lineno}: {why}")
