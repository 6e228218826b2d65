"""Messages over a pipe."""

import io

import pytest

from viewfinder import messages
from viewfinder.messages import Message

SENT = [Message({"ask": "a\n", "n": 1}, (b"\x00\n\xff", b"")), Message(), Message({"ä": [1.5, None]}, (b"{}\n" * 3,))]


def test_messages_arrive_as_they_were_sent():
    pipe = io.BytesIO()
    for message in SENT:
        messages.write(pipe, message)
    pipe.seek(0)
    assert [messages.read(pipe) for _ in SENT] == SENT
    assert messages.read(pipe) is None


@pytest.mark.parametrize("missing", [1, 3, 8, 30])
def test_a_torn_message_is_the_end(missing):
    pipe = io.BytesIO()
    messages.write(pipe, SENT[0])
    torn = io.BytesIO(pipe.getvalue()[:-missing])
    assert messages.read(torn) is None
