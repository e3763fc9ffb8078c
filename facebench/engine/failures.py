"""Whose failure is it? A row's exception fails that row, unless no other row could go on either."""

import errno

import torch

from facebench.errors import BadInput, RowFailed, RunFailed

_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE}


def concerns_all(error: Exception) -> bool:
    """Return whether an error is of the run or of the machine, not of a model."""
    return isinstance(error, RunFailed) or getattr(error, "errno", None) in _OF_THE_MACHINE


def as_failure(error: Exception) -> BadInput | RowFailed:
    """Return why a row failed, without the traceback, which holds the images."""
    if isinstance(error, BadInput | RowFailed):
        return error.with_traceback(None)
    if isinstance(error, torch.OutOfMemoryError):  # a model of somebody else's may fill the GPU
        return RowFailed(f"the device has no memory left: {error}")
    return RowFailed(f"{type(error).__name__}: {error}")
