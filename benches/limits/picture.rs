//! The backlog as a picture: events published and memory over time.

use std::path::Path;

use plotters::prelude::{
    BLACK, BLUE, ChartBuilder, Color as _, IntoDrawingArea as _, LineSeries, PathElement, RED, SVGBackend,
    SeriesLabelPosition, TRANSPARENT, WHITE,
};

use crate::backlog::BacklogFigures;
use crate::failure::Failure;
use crate::numbers::{count, number};

const MEBIBYTE: f64 = 1_048_576.0;

/// Draws the figures as an SVG file.
pub(crate) fn draw(backlog: &BacklogFigures, path: &Path) -> Result<(), Failure> {
    let area = SVGBackend::new(path, (840, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let end = backlog.elapsed.as_secs_f64();
    let (events, memory) = (count(backlog.events), 96.0);
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .right_y_label_area_size(56)
        .caption("Processing of a backlog: published events and memory of the handler", ("sans-serif", 18))
        .build_cartesian_2d(0.0..end, 0.0..events)?
        .set_secondary_coord(0.0..end, 0.0..memory);
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc("seconds").y_desc("events").draw()?;
    chart.configure_secondary_axes().y_desc("MiB resident").draw()?;
    let published = backlog.samples.iter().map(|sample| (sample.seconds, number(sample.published)));
    chart
        .draw_series(LineSeries::new(published, BLUE.stroke_width(2)))?
        .label("events published")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLUE.stroke_width(2)));
    let resident = backlog.samples.iter().map(|sample| (sample.seconds, number(sample.resident_bytes) / MEBIBYTE));
    chart
        .draw_secondary_series(LineSeries::new(resident, RED.stroke_width(2)))?
        .label("memory (right axis)")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], RED.stroke_width(2)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
