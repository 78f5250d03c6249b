"""See idefics_parts."""

from .idefics_parts import extend, fields, grids
