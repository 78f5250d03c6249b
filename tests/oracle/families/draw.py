"""Named random choices.

Every choice has its own random stream, keyed by the seed and the choice's name. Forcing one choice (a golden case does)
or adding a new one therefore leaves all the others as they were.
"""

import hashlib

import numpy


class Draw:
    def __init__(self, seed, forced=None):
        self.seed = seed
        self.forced = dict(forced or {})
        self.made = {}

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
