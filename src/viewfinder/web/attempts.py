"""Attempts to sign in, counted by address, so that a password cannot be guessed."""

import time
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network

MOST = 5
WITHIN_S = 60.0
MANY_ADDRESSES = 1000


class Attempts:
    """The wrong attempts of the last minute. `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._times = clock, dict[str, list[float]]()

    def begin(self, address: str) -> float:
        """Count an attempt before it is known to be wrong; return 0, or for how many seconds there were too many."""
        now, key = self._clock(), _network(address)
        if len(self._times) > MANY_ADDRESSES:
            self._times = {one: times for one, times in self._times.items() if times[-1] > now - WITHIN_S}
        times = [one for one in self._times.get(key, ()) if one > now - WITHIN_S]
        if len(times) >= MOST:
            return times[0] + WITHIN_S - now
        self._times[key] = [*times, now]
        return 0.0

    def forget(self, address: str) -> None:
        """Forget an address: its password was right."""
        self._times.pop(_network(address), None)


def _network(address: str) -> str:
    """Return whom an address belongs to: of IPv6 everybody has at least 2**64."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else address
