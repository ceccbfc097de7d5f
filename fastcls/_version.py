"""The version, in one place: read by the build, the files that models are saved in, and `fastcls.__version__`."""

__version__ = "0.1.0"
