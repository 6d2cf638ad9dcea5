"""Every error that vedette raises on purpose.

::

    VedetteError
    ├── ConfigError          vedette.toml, or a setting, says something impossible
    ├── SchemaError          columns that cannot be told apart, collide, or changed their meaning
    ├── DataError            a file or a frame that cannot be read as what it should be
    ├── LakeError            the lake cannot be read or written
    │   ├── LockedError      another process holds the lock that was asked for
    │   └── NotThereError    the lake has no such model, or the model no runs
    ├── JournalError         a journal cannot be opened or is not one
    ├── IngestError          the ingester did not do what it was asked to do
    ├── GridError            summaries over different grids were added
    ├── CaseError            a file of cases for ``vedette rules test`` cannot be read
    ├── AlertError           there is no such alert, or it is closed
    ├── ChannelError         a channel did not take a notice
    │   └── NotAllowedError  an address is not one that may be reached: nothing was asked of it
    ├── ExchangeError        another system did not take or give its runs
    ├── PrivacyError         a key cannot be had, or a value does not decrypt
    ├── DatabaseError        the server's database cannot be opened, or is that of a newer vedette
    ├── AccessError          what was asked of users, roles or keys cannot be
    │   ├── ProviderError    an identity provider does not answer, or what it says does not hold
    │   └── UnknownNameError there is no such user or key
    ├── RuleError            a rule cannot be changed so: it is in the file, or somebody changed the rules meanwhile
    └── MissingExtraError    an optional dependency is not installed

A bad argument is a plain ``ValueError``. Messages say what, the value got, and what is right.
"""

from __future__ import annotations

__all__ = [
    "AccessError",
    "AlertError",
    "CaseError",
    "ChannelError",
    "ConfigError",
    "DataError",
    "DatabaseError",
    "ExchangeError",
    "GridError",
    "IngestError",
    "JournalError",
    "LakeError",
    "LockedError",
    "MissingExtraError",
    "NotAllowedError",
    "NotThereError",
    "PrivacyError",
    "ProviderError",
    "RuleError",
    "SchemaError",
    "VedetteError",
]


class VedetteError(Exception):
    """The root of all errors that vedette raises on purpose."""


class AccessError(VedetteError):
    """A name of a user is taken, a role or a password will not do; the message never holds a secret."""


class UnknownNameError(AccessError):
    """There is no such user or key."""


class ProviderError(AccessError):
    """An identity provider does not answer, or what it says does not hold; the message has no secret."""


class AlertError(VedetteError):
    """There is no such alert, or nothing can be done about it any more."""


class RuleError(VedetteError):
    """A rule cannot be changed so: it is in the file, or somebody has changed the rules meanwhile."""


class CaseError(VedetteError):
    """A file of test cases cannot be read."""


class ChannelError(VedetteError):
    """A channel did not take a notice; the message says what came back, without secrets."""


class NotAllowedError(ChannelError):
    """An address is not one that may be reached: nothing was asked of it, so that nothing is known of it either."""


class ChannelChangeError(ChannelError):
    """A channel set on a server cannot be changed so: the file has it, or somebody changed it meanwhile."""


class ConfigError(VedetteError):
    """A configuration file or a setting says something impossible."""


class SchemaError(VedetteError):
    """Columns cannot be told apart, collide with vedette's own, or changed their meaning."""


class DatabaseError(VedetteError):
    """The server's database cannot be opened, or is that of a newer vedette; the message has no password."""


class DataError(VedetteError):
    """A file or a frame cannot be read as what it should be."""


class PrivacyError(VedetteError):
    """A key cannot be had, or a value does not decrypt; the message never holds a key or a value."""


class LakeError(VedetteError):
    """The lake cannot be read or written."""


class LockedError(LakeError):
    """Another process holds the lock that was asked for."""


class NotThereError(LakeError):
    """The lake has no such model, or the model has no runs."""


class JournalError(VedetteError):
    """A journal cannot be opened, or what was found is not a journal."""


class IngestError(VedetteError):
    """The ingester did not do what it was asked to do."""


class ExchangeError(VedetteError):
    """Another system did not take or give runs; the message says what it said, without passwords."""


class GridError(VedetteError):
    """Summaries over different grids were added."""


class MissingExtraError(VedetteError):
    """An optional dependency is not installed; the message names the extra."""
