"""Size of the charts. The keys are the fields of `summarize.charts.theme.ChartSettings`."""

from prunescope.study.config.section import Section, key


class Charts(Section):
    """How large charts are drawn."""

    width: int = key("width of the plotting area in pixels", ge=100, le=4000)
    height: int = key("height of the plotting area in pixels", ge=100, le=4000)
    png_scale: float = key("pixels of the PNG for each pixel of the chart", gt=0, le=8)
