"""Notices a submission that hides from the explorer or changes it.

Everything that existed before the student's module was imported is known by then: every function and its code, every
name in the modules that explore. Whatever a worker runs later must be in the student's file, or known, or really stand
in the library file that it names. What the answer needs is kept in closures, where no name leads to it.

A submission with enough malice can still forge what this process sends; the canaries, whose answers only the grader
knows, make that laborious. This module runs inside the sandbox, beside student code.
"""

import builtins
import gc
import queue
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

#: Done by the student's own code, these reach for the tracer, for other code's frames or for memory.
_PRYING = {
    "code.__new__",
    "ctypes.addressof",
    "ctypes.cast",
    "ctypes.dlsym",
    "ctypes.PyObj_FromPtr",
    "ctypes.string_at",
    "gc.get_objects",
    "gc.get_referents",
    "gc.get_referrers",
    "sys._current_frames",
    "sys._getframe",
    "sys.addaudithook",
    "sys.monitoring.register_callback",
    "sys.setprofile",
    "sys.settrace",
}
#: By what threads start: all the names that the Pythons have for it.
_STARTERS = ("_start_joinable_thread", "_start_new_thread", "start_joinable_thread", "start_new", "start_new_thread")
#: What switches tracing off and on from Python 3.12 on. None of it is audited.
_SWITCHES = ("clear_tool_id", "free_tool_id", "restart_events", "set_events", "set_local_events", "use_tool_id")
_PRYING_ATTRIBUTES = {"ag_frame", "cr_frame", "gi_frame", "tb_frame"}
_LIBRARY = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


@dataclass(frozen=True)
class Guard:
    """What a guard offers. Take the functions out before student code runs."""

    #: Told of each code object that a worker thread enters, with its frame.
    see: Callable[[CodeType, FrameType], None]
    #: Told by a thread whose tracing is about to end, rightly.
    excuse: Callable[[], None]
    #: Whether the submission has started threads of its own, which nobody steers or traces.
    has_threads: Callable[[], bool]
    #: Whether code with this file name is traced.
    traces: Callable[[str], bool]
    #: What is wrong, in plain words; empty when all is as it should be.
    findings: Callable[[], list[str]]


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _nested(part)


def _all_code() -> dict[int, CodeType]:
    functions = [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)]
    return {id(code): code for function in functions for code in _nested(function.__code__)}


_early: dict[int, CodeType] = {}


def remember() -> None:
    """Take in all code that there is. The zygote freezes its objects later, and then no search finds them."""
    _early.update(_all_code())


def stand_guard(own_file: str, exploring: tuple[str, ...]) -> Guard:
    """Remember what there is now. ``exploring`` names the packages that do the exploring."""
    known = {**_early, **_all_code()}
    trusted = {code.co_filename for code in known.values()} - {own_file}
    modules = {
        name: module
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and name.partition(".")[0] in exploring
    }
    tracing = {
        function.__code__
        for module in modules.values()
        for name, function in vars(module).items()
        if isinstance(function, FunctionType) and name.endswith("_thread_opcode_trace")
    }
    modules |= {"builtins": builtins, "queue": queue, "sys": sys, "threading": threading}
    seen: dict[int, CodeType] = {}
    prying: list[tuple[str, CodeType]] = []
    found: list[str] = []
    threads: list[str] = []
    inside = threading.local()
    excused: set[int] = set()
    getframe, get_ident, names_of, stands = sys._getframe, threading.get_ident, _names, _stands_in_its_file

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "object.__getattr__":
            if arguments[1] not in _PRYING_ATTRIBUTES:
                return
            event = arguments[1]
        elif event not in _PRYING:
            return
        if getattr(inside, "busy", False):
            return
        inside.busy = True
        try:
            frame = getframe(1)
            if event == "sys.settrace" and get_ident() in excused:
                excused.discard(get_ident())
            elif event == "sys.settrace" and not (
                frame.f_code in tracing and frame.f_back is not None and id(frame.f_back.f_code) in known
            ):
                found.append("sys.settrace was called while the explorer was tracing")
            elif id(frame.f_code) not in known:
                prying.append((event, frame.f_code))
        finally:
            inside.busy = False

    def traces(filename: str) -> bool:
        if _has_no_file(filename):
            return True
        return filename == own_file or not (filename in trusted or filename.startswith((*_LIBRARY, "<frozen")))

    def see(code: CodeType, frame: FrameType) -> None:
        if id(code) in known or id(code) in seen:
            return
        seen[id(code)] = code
        caller = frame.f_back
        if _has_no_file(code.co_filename) and caller is not None and not traces(caller.f_code.co_filename):
            # frontrun traces code without a file where traced code calls it, and only there.
            found.append(f"{code.co_name}, made without a file, ran where it is not traced")

    def findings() -> list[str]:
        problems = list(dict.fromkeys(found))
        problems += [
            f"the submission used {event}"
            for event, code in dict.fromkeys(prying)
            if traces(code.co_filename) or not stands(code)
        ]
        problems += [
            f"{code.co_name} claims to stand in {code.co_filename}, and does not"
            for code in seen.values()
            if not traces(code.co_filename) and not stands(code)
        ]
        after = dict(names_of(modules))
        changed = [name for name, value in before.items() if after.get(name) is not value]
        changed += [function.__qualname__ for function, code in codes if function.__code__ is not code]
        return [*problems, *(f"the submission changed {name}" for name in changed[:3])]

    def starter(function: Callable[..., object]) -> Callable[..., object]:
        def start(*arguments: Any, **named: Any) -> object:
            frame: FrameType | None = getframe(1)
            while frame is not None and frame.f_code.co_filename != own_file:
                frame = frame.f_back
            if frame is not None:
                threads.append(frame.f_code.co_name)
            return function(*arguments, **named)

        return start

    def guarded(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def switch(*arguments: Any) -> object:
            caller = getframe(1).f_code
            if id(caller) not in known:
                prying.append((f"sys.monitoring.{name}", caller))
            return function(*arguments)

        return switch

    for module in (threading, sys.modules["_thread"]):
        for name in _STARTERS:
            if hasattr(module, name):
                setattr(module, name, starter(getattr(module, name)))
    monitoring = getattr(sys, "monitoring", None)
    for name in _SWITCHES:
        if hasattr(monitoring, name):
            setattr(monitoring, name, guarded(name, getattr(monitoring, name)))
    before = dict(_names(modules))
    codes = [(function, function.__code__) for function in before.values() if isinstance(function, FunctionType)]
    sys.addaudithook(audit)
    return Guard(see, lambda: excused.add(get_ident()), lambda: bool(threads), traces, findings)


def _names(modules: dict[str, ModuleType]) -> Iterator[tuple[str, object]]:
    """Every function and class of the modules, and the functions of those classes, by name."""
    for module_name, module in modules.items():
        for name, value in list(vars(module).items()):
            if not callable(value):
                continue
            yield f"{module_name}.{name}", value
            if isinstance(value, type) and value.__module__ == module_name:
                for attribute, part in list(vars(value).items()):
                    if callable(part):
                        yield f"{module_name}.{name}.{attribute}", part


def _has_no_file(filename: str) -> bool:
    return filename.startswith("<") and not filename.startswith("<frozen")


def _stands_in_its_file(code: CodeType) -> bool:
    """Whether the file that ``code`` names holds such code."""
    try:
        whole = compile(Path(code.co_filename).read_bytes(), code.co_filename, "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError):
        return False
    return any(part == code for part in _nested(whole))
