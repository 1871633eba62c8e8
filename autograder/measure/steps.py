"""Which instructions of a student's are steps, and which lines ran in which thread.

A step is an instruction that touches something which another thread could change, or a lock operation: between two
steps, no switch from thread to thread could make a difference.

This module runs inside the sandbox, beside student code.
"""

import ast
import dis
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any

from frontrun._opcode_observer import OpcodeTraceHandle

from autograder.measure.guard import Guard

#: (thread, line of the student's file, what it does there: runs in a function of this name, or one of these)
Line = tuple[int, int, str]
WAITS, LEAVES = " waits", " leaves"
#: Of an instruction: its line, whether it is a step, whether it shows that its line ran, whether it ends a with block.
Instruction = tuple[int, bool, bool, bool]
#: Of one that matters: whether it is a step, its line, and what is to be noted of it, if anything.
Row = tuple[bool, int, str]
OnOpcode = Callable[[CodeType, int, FrameType, int], bool]
#: What Python calls for each event in a traced thread; it gives the function for the events to come, or None.
Trace = Callable[[FrameType, str, object], Any]


class SharedNames:
    """Which attributes and variables a module changes after construction: reading any other is no step."""

    def __init__(self, source: str) -> None:
        nodes = list(ast.walk(tree := ast.parse(source)))
        building = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and function.name in ("__init__", "__new__")
            for node in ast.walk(function)
        }
        attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
        self._attributes = {
            node.attr for node in attributes if not isinstance(node.ctx, ast.Load) and id(node) not in building
        }
        self._variables = {name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names}
        mentioned = {node.id for node in nodes if isinstance(node, ast.Name)} | {node.attr for node in attributes}
        #: Attributes may change by other means than assignment: then every one counts.
        self._indirect = bool(mentioned & {"__dict__", "__setattr__", "delattr", "eval", "exec", "setattr", "vars"})

    def table(self, code: CodeType) -> dict[int, Instruction]:
        """What there is to know of each instruction, by its offset.

        A line without steps has run when any instruction of it has; else the first step tells it, so that a
        line does not seem to have run when its thread was stopped before what matters.
        """
        starts = dict(dis.findlinestarts(code))
        line = code.co_firstlineno
        rows = []
        nones = 0
        for instruction in dis.get_instructions(code):
            line = starts.get(instruction.offset) or line
            is_step = self._is_step(instruction)
            # A with block ends with the call of __exit__(None, None, None).
            rows.append((instruction.offset, line, is_step, is_step and nones >= 3 and instruction.argval in (2, 3)))
            if instruction.opname != "PRECALL":
                nones = nones + 1 if instruction.opname == "LOAD_CONST" and instruction.argval is None else 0
        telling = {line for _, line, is_step, _ in rows if is_step}
        return {at: (line, is_step, is_step or line not in telling, ends) for at, line, is_step, ends in rows}

    def _is_step(self, instruction: dis.Instruction) -> bool:
        name = instruction.opname
        if name in ("LOAD_ATTR", "LOAD_SUPER_ATTR"):
            return self._indirect or instruction.argval in self._attributes
        if name.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF")):
            return instruction.argval in self._variables
        if name == "BINARY_OP":
            return "[" in instruction.argrepr
        # The end of a loop too: a thread that turns in circles must come to a step.
        return name.startswith(_STEPS) or "JUMP_BACKWARD" in name


_STEPS = (
    "BEFORE_WITH",
    "BINARY_SLICE",
    "BINARY_SUBSCR",
    "CALL",
    "CONTAINS_OP",
    "DELETE_ATTR",
    "DELETE_DEREF",
    "DELETE_GLOBAL",
    "DELETE_SUBSCR",
    "FOR_ITER",
    "STORE_ATTR",
    "STORE_DEREF",
    "STORE_GLOBAL",
    "STORE_SLICE",
    "STORE_SUBSCR",
)


class Recorder:
    """Remembers which lines ran and which code was entered, whichever engine steers."""

    def __init__(self, own_file: str, names: SharedNames, watch: Guard) -> None:
        self._own_file = own_file
        self.excuse, self.has_threads = watch.excuse, watch.has_threads
        self.lines: list[Line] = []
        #: Every (line, function) that ran in any execution.
        self.covered: set[tuple[int, str]] = set()
        self._names = names
        self.see, self._traces = watch.see, watch.traces
        self._tables: dict[int, tuple[CodeType, dict[int, Instruction]]] = {}
        #: Code that is traced nowhere. The code is kept: its id must stay its own.
        self._untraced: dict[int, CodeType] = {}
        self._known: dict[int, tuple[CodeType, dict[int, Row]]] = {}

    def fresh(self) -> None:
        """Forget the lines of the execution before."""
        self.lines = []

    def wrap(self, on_opcode: Callable[[bool, CodeType, int, FrameType, int], bool]) -> OnOpcode:
        """``on_opcode``, told beside what it knows whether the instruction is a step; the line is noted after it."""
        tables, covered = self._tables, self.covered

        def noting(code: CodeType, offset: int, frame: FrameType, thread: int) -> bool:
            known = tables.get(id(code))
            if known is None:
                known = tables[id(code)] = code, self._table(code)  # the code too: its id must stay its own
            _, table = known
            line, is_step, tells, ends = table.get(offset, (0, False, False, False))
            yielded = on_opcode(is_step, code, offset, frame, thread)
            row = (thread, line, LEAVES if ends else code.co_qualname)
            if tells and (not self.lines or self.lines[-1] != row):
                self.lines.append(row)
                covered.add((line, code.co_qualname))
            return yielded

        return noting

    def is_traced(self, code: CodeType, frame: FrameType) -> bool:
        """Whether the instructions of this code are to be watched: code without a file where traced code calls it."""
        if not self._traces(code.co_filename):
            return False
        if not code.co_filename.startswith("<"):
            return True
        return frame.f_back is not None and self._traces(frame.f_back.f_code.co_filename)

    def note(self, code: CodeType, thread: int, instruction: Row) -> None:
        """The thread has come past this instruction."""
        _, line, what = instruction
        if what and (not self.lines or self.lines[-1] != (thread, line, what)):
            self.lines.append((thread, line, what))
            self.covered.add((line, code.co_qualname))

    def tracer(self, decides: Trace, thread: int, step: Callable[[int], bool]) -> Trace:
        """A trace function for one worker that calls ``step`` before each step: true when others ran meanwhile.

        ``decides`` is asked which code is traced. Most instructions are no steps: what is done for each of them is all
        that tracing costs, so there is one function for each code object, which knows which those are.
        """
        see, excuse, lines, covered, untraced = self.see, self.excuse, self.lines, self.covered, self._untraced
        ready: dict[int, Trace] = {}
        traces = self._traces

        def trace(frame: FrameType, event: str, argument: object) -> Trace | None:
            code = frame.f_code
            if id(code) in untraced:
                return None
            see(code, frame)
            if not traces(code.co_filename):
                untraced[id(code)] = code
                return None
            if decides(frame, event, argument) is None:  # code without a file: it depends on who calls it
                return None
            frame.f_trace_lines = False
            return ready.get(id(code)) or prepare(code)

        def prepare(code: CodeType) -> Trace:
            rows = self.rows(code)

            def inside(frame: FrameType, event: str, _argument: object) -> Trace:
                if event != "opcode" or (known := rows.get(frame.f_lasti)) is None:
                    return inside
                is_step, line, what = known
                try:
                    others_ran = is_step and step(thread)
                except BaseException:
                    excuse()  # Python ends the tracing of a thread whose tracer raises
                    raise
                if what and (not lines or lines[-1] != (thread, line, what)):
                    lines.append((thread, line, what))
                    covered.add((line, code.co_qualname))
                if others_ran:
                    frame.f_locals  # noqa: B018  (Python 3.11 would write back what variables were before)
                return inside

            ready[id(code)] = inside
            return inside

        return trace

    def rows(self, code: CodeType) -> dict[int, Row]:
        """The instructions that matter, by their offsets."""
        known = self._known.get(id(code))
        if known is None:
            rows = {
                at: (is_step, line, (LEAVES if ends else code.co_qualname) if tells else "")
                for at, (line, is_step, tells, ends) in self._table(code).items()
                if is_step or tells
            }
            known = self._known[id(code)] = code, rows  # the code too: its id must stay its own
        return known[1]

    def _table(self, code: CodeType) -> dict[int, Instruction]:
        table = self._names.table(code)
        if code.co_filename == self._own_file:
            return table
        return {offset: (0, *what[1:]) for offset, what in table.items()}  # traced, but no line to show

    def watch(self, handle: OpcodeTraceHandle) -> OpcodeTraceHandle:
        """Have every code object seen that a worker enters, traced or not."""
        see = self.see
        if handle.using_monitoring:
            monitoring = sys.monitoring  # type: ignore[attr-defined]
            event = monitoring.events.PY_START
            before = monitoring.register_callback(handle._tool_id, event, None)

            def start(code: CodeType, offset: int) -> object:
                see(code, sys._getframe(1))
                return before(code, offset)

            monitoring.register_callback(handle._tool_id, event, start)
        else:
            inner = handle._settrace_callback

            def trace(frame: FrameType, event: str, argument: object) -> object:
                if event == "call":
                    see(frame.f_code, frame)
                return inner(frame, event, argument)

            handle._settrace_callback = trace
        return handle
