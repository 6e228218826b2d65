"""Pictures that are kept for a while."""

import pytest

from viewfinder.errors import NotFoundError
from viewfinder.service.library.pictures import Pictures


def test_those_not_asked_for_longest_make_room():
    pictures = Pictures(most_bytes=10)
    one, two = pictures.keep(b"1" * 4), pictures.keep(b"2" * 4)
    assert pictures.keep(b"1" * 4) == one
    assert pictures.get(one) == b"1111"
    three = pictures.keep(b"3" * 4)
    assert (pictures.get(one), pictures.get(three)) == (b"1111", b"3333")
    with pytest.raises(NotFoundError):
        pictures.get(two)
    large = pictures.keep(b"4" * 40)
    assert pictures.get(large)
    with pytest.raises(NotFoundError):
        pictures.get(one)
