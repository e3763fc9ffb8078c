"""Errors a user can mend: one sentence that names the offender and the way out."""


class BadInput(Exception):
    """Something the user gave cannot be used. The command line prints it and exits with 2."""


class RunFailed(Exception):
    """The whole evaluation cannot go on, through no fault of a model; the command exits with 1."""


class RowFailed(Exception):
    """One model could not be evaluated. The other rows go on; the command line exits with 1."""
