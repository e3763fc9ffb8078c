"""Leaderboards from Results alone: HTML, CSV, JSON and a table for the terminal."""

from facebench_reports.page import to_html
from facebench_reports.tables import to_csv, to_json
from facebench_reports.terminal import terminal_table, to_terminal

__all__ = ["terminal_table", "to_csv", "to_html", "to_json", "to_terminal"]
