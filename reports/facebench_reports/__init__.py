"""Leaderboards from Results alone: a page, files to compute with or to paste, plots, trackers."""

from functools import partial

from facebench_reports import plots
from facebench_reports.citations import to_bibtex
from facebench_reports.csv_and_json import to_csv, to_json
from facebench_reports.drawing import save_plot
from facebench_reports.loggers import to_mlflow, to_tensorboard, to_wandb
from facebench_reports.model_card import write_card, write_eval_results
from facebench_reports.page import to_html
from facebench_reports.prose import to_latex, to_markdown
from facebench_reports.site import write_site
from facebench_reports.terminal import terminal_table, to_terminal

plot_cost = partial(save_plot, plots.cost)
plot_extrapolation = partial(save_plot, plots.extrapolation)
plot_features = partial(save_plot, plots.features)
plot_metrics = partial(save_plot, plots.metrics)
plot_planes = partial(save_plot, plots.planes)
plot_training = partial(save_plot, plots.training)

__all__ = [
    "plot_cost",
    "plot_extrapolation",
    "plot_features",
    "plot_metrics",
    "plot_planes",
    "plot_training",
    "terminal_table",
    "to_bibtex",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_mlflow",
    "to_tensorboard",
    "to_terminal",
    "to_wandb",
    "write_card",
    "write_eval_results",
    "write_site",
]
