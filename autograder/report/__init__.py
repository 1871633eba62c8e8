"""What people and machines read: pure functions of a `Report`. They give text, bytes or a rich renderable."""
