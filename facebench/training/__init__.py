"""What every trainer shares: the run's folder, the loop, its checkpoints, and what is shown.

A run is a folder: ``config.json`` (which adapter, every option, the data's digest),
``metrics.jsonl`` (one line per logged step), ``events.out.tfevents.*`` (the same for TensorBoard),
``samples/`` (grids and animations), ``checkpoints/``, ``README.md`` and the model file that the
adapter loads. A trainer gives a :class:`~facebench.training.learner.Learner`;
:func:`facebench.training.loop.fit` does the rest.
"""
