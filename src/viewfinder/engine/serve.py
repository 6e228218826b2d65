"""The warm engine: answers one request after the other over its standard input and output.

Requests and answers are `viewfinder.messages`. A request names in `ask` what is asked, and in `threads` how many may
compute it; an answer holds what was asked for, or an `error` and whether the input was wrong.
"""

import os
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from typing import IO

import torch

from viewfinder import messages
from viewfinder.engine.device import cores
from viewfinder.engine.looking import Looking
from viewfinder.engine.previews import Previews
from viewfinder.errors import InputError
from viewfinder.messages import Message

Handler = Callable[[Message, int], Message]


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Say that it is ready, and answer until the requests end; then this process ends at once, whatever it does."""
    waiting: SimpleQueue[Message] = SimpleQueue()
    threading.Thread(target=_receive, args=(requests, waiting), daemon=True).start()
    looking = Looking()
    handlers: dict[str, Handler] = {"previews": Previews().answer, "load": looking.load, "look": looking.look}
    messages.write(answers, Message({"ready": True}))
    while True:
        messages.write(answers, answer(handlers, waiting.get()))


def answer(handlers: dict[str, Handler], request: Message) -> Message:
    """Return the answer to a request; what goes wrong is an answer as well."""
    threads = int(request.head["threads"]) or cores()
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    try:
        return handlers[request.head["ask"]](request, threads)
    except InputError as error:
        return Message({"error": str(error), "input": True})
    except Exception as error:  # noqa: BLE001 - this is the edge: the log gets the traceback
        traceback.print_exc()
        return Message({"error": f"{type(error).__name__}: {error}", "input": False})


def _receive(requests: IO[bytes], waiting: "SimpleQueue[Message]") -> None:
    """Pass on what arrives; the end of it is the end of the process that asks, so this one ends too."""
    while (request := messages.read(requests)) is not None:
        waiting.put(request)
    os._exit(0)
