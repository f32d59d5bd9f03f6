"""Commands that say "ready" and wait for a signal, in different places: see test_interruption.py."""

import atexit
import time

import bench.cli
from bench.errors import BadInput

# Short sleeps: a signal between Python's look for signals and the system call of one long sleep would not end it.
WAIT = "print('ready', flush=True)\nwhile True: time.sleep(0.05)"


def loop():
    exec(WAIT, {"time": time})  # dataclasses, too, run code that they have written


def wrapped():
    attribute = type("Attribute", (), {"__set_name__": lambda *_: loop()})()
    type("Class", (), {"attribute": attribute})  # before Python 3.12, an exception in __set_name__ is a RuntimeError


def error():
    bench.command_line.console.print = lambda *_, **__: loop()
    raise BadInput("")


def at_exit():
    print("result")
    atexit.register(loop)


if __name__ == "__main__":
    for verb in loop, wrapped, error, at_exit:
        bench.cli.app.command(verb.__name__)(verb)
    bench.cli.main()
