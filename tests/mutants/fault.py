"""One planted mistake."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Fault:
    name: str
    file: str
    old: str
    new: str
    why: str
    test: str = ""  # a target azimuth_<test>_test, asked where the golden traces stay green
    traced: bool = True  # False: no golden trace runs this code, so that only `test` is asked
