"""Named random choices.

Every choice has its own random stream, keyed by the seed and the choice's name. Forcing one choice (a golden case does)
or adding a new one therefore leaves all the others as they were. Choices made by `odd` are rarer still; forcing
"odd" to false switches all of them off, which keeps older golden cases as they are.
"""

import hashlib

import numpy


class Draw:
    def __init__(self, seed, forced=None):
        self.seed = seed
        self.forced = dict(forced or {})
        self.made = {"odd": self.forced["odd"]} if "odd" in self.forced else {}

    def stream(self, name):
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return numpy.random.Generator(numpy.random.PCG64(int.from_bytes(digest[:16], "little")))

    def _record(self, name, value):
        self.made[name] = value
        return value

    def pick(self, name, options):
        if name in self.forced:
            return self._record(name, self.forced[name])
        options = list(options)
        return self._record(name, options[int(self.stream(name).integers(len(options)))])

    def integer(self, name, low, high):
        """A whole number in [low, high]."""
        return self.pick(name, range(low, high + 1))

    def chance(self, name, probability):
        if name in self.forced:
            return self._record(name, self.forced[name])
        return self._record(name, bool(self.stream(name).random() < probability))

    def odd(self, name, probability, options=(True,), usual=False):
        """One of `options` with this probability, else `usual`."""
        if name in self.forced:
            return self._record(name, self.forced[name])
        if not self.forced.get("odd", True) or self.stream(f"{name}?").random() >= probability:
            return usual
        return self.pick(name, options)
