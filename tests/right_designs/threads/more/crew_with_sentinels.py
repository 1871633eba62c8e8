"""A Crew context manager: workers block on a task queue, answers come back through a second queue, a sentinel each sends them home."""

import threading
from queue import SimpleQueue

GO_HOME = object()


class Crew:
    def __init__(self, job, size):
        self.job = job
        self.size = size
        self.tasks = SimpleQueue()
        self.answers = SimpleQueue()
        self.members = []

    def __enter__(self):
        try:
            for number in range(self.size):
                member = threading.Thread(target=self._work, name=f"crew-{number}", daemon=True)
                member.start()
                self.members.append(member)
        except BaseException:
            self._dismiss()
            raise
        return self

    def __exit__(self, *exc_info):
        self._dismiss()

    def _dismiss(self):
        for _ in self.members:
            self.tasks.put(GO_HOME)
        for member in self.members:
            member.join()

    def _work(self):
        for task in iter(self.tasks.get, GO_HOME):
            index, argument = task
            try:
                answer = (index, True, self.job(argument))
            except BaseException as error:
                answer = (index, False, error)
            self.answers.put(answer)

    def run(self, arguments):
        """(good, value or error) for every argument, in order."""
        for task in enumerate(arguments):
            self.tasks.put(task)
        outcomes = [None] * len(arguments)
        for _ in arguments:
            index, good, value = self.answers.get()
            outcomes[index] = (good, value)
        return outcomes


def fetch_all(fetch, urls, max_workers):
    urls = list(urls)
    with Crew(fetch, min(max_workers, len(urls))) as crew:
        outcomes = crew.run(urls)
    for good, value in outcomes:
        if not good:
            raise value
    return [value for _, value in outcomes]
