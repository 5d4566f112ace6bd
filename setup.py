"""The kernels in C: all else about the package stands in pyproject.toml."""

from __future__ import annotations

from setuptools import Extension, setup

HERE = "src/smalti/native"
HEADERS = {"_json": ["json_text.h", "json_numbers.h"], "_files": []}

# Optional: where there is no compiler Python does their work, more slowly.
setup(
    ext_modules=[
        Extension(
            f"smalti.native.{name}",
            [f"{HERE}/{name}.c"],
            depends=[f"{HERE}/{header}" for header in headers],
            optional=True,
        )
        for name, headers in HEADERS.items()
    ]
)
