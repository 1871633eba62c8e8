"""What a submission can see and reach: nothing of the grader, of the network, or of another call."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import autograder
from autograder.sandbox import Call, Ending, Outcome, ZygoteSandbox

Run = Callable[..., Outcome]

SOURCE_TREE = Path(autograder.__file__).parent.parent


def test_only_four_descriptors_are_inherited(run: Run) -> None:
    """A submission has standard input, output and error and its channel, and nothing else that the grader had open."""
    outcome = run("import os\ndef f(): return sorted(int(fd) for fd in os.listdir('/proc/self/fd'))[:-1]")
    assert [0, 1, 2, 3] == outcome.value


def test_the_channel_is_not_handed_on(run: Run) -> None:
    """A program that the submission starts does not get the channel."""
    outcome = run(
        """
        import subprocess
        def f(): return subprocess.run(["/bin/ls", "/proc/self/fd"], capture_output=True, text=True).stdout.split()
        """
    )
    assert ["0", "1", "2", "3"] == outcome.value, "3 is the folder that ls reads"


def test_the_environment_is_not_the_graders(strong: ZygoteSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the grader reaches a submission, neither in its environment nor in that of a process above it."""
    monkeypatch.setenv("AUTOGRADER_TEST_TOKEN", "a-secret-of-the-grader")
    source = b"""
import os
from pathlib import Path
def f():
    found = [repr(os.environ)]
    pid = os.getpid()
    while pid:
        try:
            found.append(Path(f"/proc/{pid}/environ").read_text())
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return [any(name in text for text in found) for name in ("PATH", "AUTOGRADER_TEST_TOKEN", "a-secret")]
"""
    with ZygoteSandbox(forced=strong.isolation) as sandbox:
        outcome = sandbox.run(Call({"m.py": source}, "m", "f"))
    assert [True, False, False] == outcome.value, "PATH is looked for to show that the probe can find something"


def test_variables_that_the_exercise_wants_are_there() -> None:
    """The environment that an exercise asks for is that of the call, beside the common variables."""
    source = b"import os\ndef f(): return [os.environ.get(name) for name in ('COLOUR', 'OMP_NUM_THREADS')]"
    with ZygoteSandbox(environment={"COLOUR": "green"}) as sandbox:
        assert ["green", "1"] == sandbox.run(Call({"m.py": source}, "m", "f")).value


@pytest.mark.usefixtures("strong")
def test_the_graders_files_cannot_be_read(run: Run, open_folder: Path) -> None:
    """Neither the grader's source tree nor other files of the machine can be read; Python itself can."""
    secret = open_folder / "hidden_tests.py"
    secret.write_text("expected = 42")
    secret.chmod(0o644)
    paths = [os.__file__, secret, SOURCE_TREE / "pyproject.toml", Path(__file__), "/etc/shadow", "/root/.bashrc"]
    outcome = run(
        """
        from pathlib import Path
        def f(paths):
            def readable(path):
                try: return bool(Path(path).read_bytes())
                except OSError: return False
            return [readable(path) for path in paths]
        """,
        [str(path) for path in paths],
    )
    assert [True, False, False, False, False, False] == outcome.value


@pytest.mark.usefixtures("strong")
def test_nothing_can_be_written_outside_of_scratch(run: Run, open_folder: Path) -> None:
    """The call's own folder can be written to, and no other: not even the folder of the submission itself."""
    folders = [
        ".",
        open_folder,
        "/",
        "/tmp",
        "/usr",
        "/etc",
        "/var",
        "/submission",
        Path(os.__file__).parent,
        SOURCE_TREE,
    ]
    outcome = run(
        """
        import os
        from pathlib import Path
        def f(folders):
            def writable(folder):
                try: Path(folder, "a_note_of_a_submission").write_text("1")
                except OSError: return False
                return True
            return [writable(folder) for folder in [*folders, os.path.dirname(__file__)]]
        """,
        [str(folder) for folder in folders],
    )
    assert [True, *[False] * len(folders)] == outcome.value
    assert [] == list(open_folder.iterdir())


@pytest.mark.usefixtures("sealed")
def test_processes_of_others_cannot_be_seen(run: Run) -> None:
    """Only the call's own processes exist in there: the one above it is number one."""
    outcome = run("import os\ndef f(): return sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), os.getppid()")
    pids, parent = outcome.value
    assert (2, 1, 1) == (len(pids), pids[0], parent)


@pytest.mark.usefixtures("strong")
def test_the_grader_cannot_be_touched(run: Run) -> None:
    """The grader's process can be neither signalled nor read, even by who knows its pid."""
    outcome = run(
        """
        import os
        from pathlib import Path
        def f(pid):
            def works(action):
                try: action()
                except OSError: return False
                return True
            attempts = [lambda: os.kill(pid, 0), *(lambda n=n: Path(f"/proc/{pid}/{n}").read_bytes() for n in
                        ("environ", "maps", "fd/0", "root/etc/passwd"))]
            return [works(action) for action in attempts]
        """,
        os.getpid(),
    )
    assert [False] * 5 == outcome.value


@pytest.mark.usefixtures("strong")
def test_privileges_are_gone(run: Run) -> None:
    """A submission is no superuser, has no capability, and can get none."""
    outcome = run(
        """
        import os
        from pathlib import Path
        def f():
            status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
            def works(action):
                try: action()
                except OSError: return False
                return True
            attempts = [lambda: os.setuid(0), lambda: os.chroot("."), lambda: os.mknod("device", 0o60600, 0x100)]
            own = [os.getuid() == 0, status["CapEff"].strip("0"), status["NoNewPrivs"]]
            return own + [works(action) for action in attempts]
        """
    )
    assert [False, "", "1", False, False, False] == outcome.value


@pytest.mark.usefixtures("sealed")
def test_there_is_no_network_but_loopback(run: Run) -> None:
    """The loopback works, and there is nothing else: neither another interface nor a server of the machine's own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = run(
            """
            import os, socket
            def f(port):
                with socket.create_server(("127.0.0.1", 0)) as own:
                    with socket.create_connection(own.getsockname(), 5) as one, own.accept()[0] as other:
                        one.sendall(b"hello")
                        heard = other.recv(5)
                def reached(address):
                    try: socket.create_connection(address, 5).close()
                    except OSError: return False
                    return True
                others = [("127.0.0.1", port), ("1.1.1.1", 53), ("10.0.0.1", 80)]
                return [heard, [name for _, name in socket.if_nameindex()], *map(reached, others)]
            """,
            server.getsockname()[1],
        )
    assert [b"hello", ["lo"], False, False, False] == outcome.value, outcome


@pytest.mark.usefixtures("sealed")
def test_shared_memory_is_the_calls_own(run: Run) -> None:
    """Segments of the machine's other programs cannot be seen, and those of a call are gone with it."""
    source = """
        import os
        from multiprocessing import resource_tracker, shared_memory
        def f():
            before = os.listdir("/dev/shm")
            segment = shared_memory.SharedMemory(name="mine", create=True, size=10)
            resource_tracker.unregister(segment._name, "shared_memory")
            return before, os.listdir("/dev/shm")
        """
    outside = Path("/dev/shm/autograder-test-of-walls")
    outside.touch()
    try:
        assert ([], ["mine"]) == run(source).value
        assert ([], ["mine"]) == run(source).value
    finally:
        outside.unlink()
    assert not Path("/dev/shm/mine").exists()


def test_hostile_file_names_stay_inside(run: Run) -> None:
    """A temporary file of any name is reported by that name, and nothing is done with it."""
    outcome = run("import os\ndef f(): os.symlink('/etc/passwd', os.environ['TMPDIR'] + '/\\n; rm -rf')")
    assert ("\n; rm -rf",) == outcome.files
    assert Path("/etc/passwd").exists()


def test_a_link_in_place_of_the_temporary_folder_is_not_followed(run: Run) -> None:
    """Who puts a link where the grader will look makes it look nowhere else."""
    outcome = run("import os\ndef f(): t = os.environ['TMPDIR']; os.rmdir(t); os.symlink('/usr', t)")
    assert ((), Ending.VALUE) == (outcome.files, outcome.ending)


@pytest.mark.parametrize("draw", ["random.random()", "numpy.random.random()", "os.urandom(8)"])
def test_randomness_differs_between_calls(run: Run, draw: str) -> None:
    """Without a seed two calls draw different numbers, though both are forked from one process."""
    outcomes = [run(f"import os, random, numpy\ndef f(): return {draw}") for _ in range(2)]
    assert outcomes[0].value != outcomes[1].value
