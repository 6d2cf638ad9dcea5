"""Builds the compiled core of the recorder where there is a compiler; the package works without it.

One build serves Python 3.11 and all later versions (the limited API). An interpreter without a GIL has no such API, and
gets none.
"""

import sysconfig

from setuptools import Extension, setup

without_gil = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
core = Extension(
    "vedette.capture._core",
    [
        f"src/core/{name}.c"
        for name in ("module", "crc32c", "guard", "ids", "map", "slots", "plan", "row", "log")
    ],
    depends=["src/core/core.h"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
    extra_compile_args=["-O2", "-std=c11", "-fvisibility=hidden"],
    py_limited_api=True,
    optional=True,
)
setup(
    ext_modules=[] if without_gil else [core],
    options={} if without_gil else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
