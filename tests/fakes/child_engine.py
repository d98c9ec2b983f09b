"""An engine for `antiphon.providers.hosting.loop` whose behaviour is what it is told to say.

Run as a process of its own: ``python -m tests.fakes.child_engine [fail-to-load]``.
"""

from __future__ import annotations

import os
import sys
import time

from antiphon.providers.hosting.frames import AnyRequest, Audio, Ready, Say
from antiphon.providers.hosting.loop import Send, serve

RATE_HZ = 8_000


class Scripted:
    def __init__(self) -> None:
        if "fail-to-load" in sys.argv:
            raise OSError("the model file is broken")

    def ready(self) -> Ready:
        print("a library greets on standard output")
        return Ready(0, RATE_HZ, (("tone", "en", "A tone"),))

    def answer(self, request: AnyRequest, send: Send) -> None:
        assert isinstance(request, Say)
        word, _, number = request.text.strip(".").partition(" ")
        match word:
            case "die":
                os._exit(3)
            case "hang":
                time.sleep(3_600)
            case "fail":
                raise ValueError("no such phoneme")
            case "babble":
                os.write(int(number), b"\xff" * 64)  # frames have that file descriptor
                time.sleep(3_600)
            case "pieces":
                for _ in range(int(number)):
                    if not send(Audio(request.id, b"\1\0" * 80)):
                        return
                    time.sleep(0.01)
            case _:
                send(Audio(request.id, request.text.encode() + b" " * (len(request.text) % 2)))


if __name__ == "__main__":
    serve(Scripted)
