"""What people see in a terminal: the live view of a sweep, in either world, and the last screen."""

from seedsweep.terminal.last import NextStep, last_screen
from seedsweep.terminal.live import LiveView, Screen

__all__ = ["LiveView", "NextStep", "Screen", "last_screen"]
