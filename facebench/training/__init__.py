"""What every trainer shares: the run's folder, the loop, its checkpoints, and what is shown.

A run is a folder: ``config.json`` (which adapter, every option, the data's digest),
``metrics.jsonl`` (one line per logged step), ``events.out.tfevents.*`` (the same for TensorBoard),
``samples/`` (grids and films), ``checkpoints/``, ``README.md`` and the model file that the adapter
loads. A trainer gives :class:`Learner`; :func:`fit` does the rest.
"""

from facebench.training.data import require_power_of_two as require_power_of_two
from facebench.training.data import train_images as train_images
from facebench.training.group import Group as Group
from facebench.training.group import join_group as join_group
from facebench.training.learner import Diverged as Diverged
from facebench.training.learner import ImageRows as ImageRows
from facebench.training.learner import Learner as Learner
from facebench.training.learner import State as State
from facebench.training.learner import generator as generator
from facebench.training.learner import random_batch as random_batch
from facebench.training.loop import fit as fit
from facebench.training.options import Plan as Plan
from facebench.training.options import plan_options as plan_options
from facebench.training.options import steps_option as steps_option
from facebench.training.options import trainer_options as trainer_options
from facebench.training.run import Run as Run
from facebench.training.run import trained_model as trained_model
