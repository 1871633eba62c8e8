"""What a message takes: Hockney's model of a network (The communication challenge for MPP, Parallel Computing 20, 1994)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hockney:
    """A network on which a message of n bytes takes ``alpha + beta * n`` seconds."""

    #: Seconds for each message.
    alpha: float
    #: Seconds for each byte.
    beta: float

    def seconds(self, size: float) -> float:
        """The time of a message of so many bytes."""
        return self.alpha + self.beta * size
