"""What a run measured, as data, and its forms: terminal, JSON, JUnit, Markdown, HTML."""

from citewell_eval.report.model import Fault, Report, Timings

__all__ = ["Fault", "Report", "Timings"]
