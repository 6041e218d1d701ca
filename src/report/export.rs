//! Figures as SVG and PNG.

use super::figure::{Axis, Figure, Heat, Line, Marks, PALETTE, Points, Rgb};
use crate::checkpoint::atomic_write;
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::coord::combinators::IntoLogRange;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};
use std::path::Path;
use std::sync::Once;

/// Width and height of a picture, in pixels or SVG units.
const SIZE: (u32, u32) = (900, 640);
/// Width of the colour bar with its numbers.
const BAR: u32 = 120;
const FONT: &str = "DejaVu Sans";

type Area<'a, B> = DrawingArea<B, Shift>;
type Drawn<B> = std::result::Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

impl Figure {
    /// Writes the figure as SVG, through a temporary file. Lettering is in DejaVu Sans, or what the viewer has in its place.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    ///
    /// ```
    /// use irreplens::report::{Axis, Figure, Line, Marks};
    /// let waves = (0..50).map(|t| (t as f64 / 4.0).sin()).collect();
    /// let figure = Figure::new("A wave", Axis::new("t"), Axis::new("height"), Marks::Lines(vec![Line::new("sine", waves)]));
    /// let folder = tempfile::tempdir().unwrap();
    /// figure.svg(folder.path().join("wave.svg"))?;
    /// figure.png(folder.path().join("wave.png"))?;
    /// # Ok::<(), irreplens::Error>(())
    /// ```
    pub fn svg(&self, path: impl AsRef<Path>) -> Result<()> {
        use_font();
        let mut text = String::new();
        let drawn = self.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area());
        drawn.map_err(|error| not_drawn(path.as_ref(), &error))?;
        atomic_write(path, text.as_bytes())
    }

    /// Writes the figure as PNG, through a temporary file. Lettering is in DejaVu Sans.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be written.
    pub fn png(&self, path: impl AsRef<Path>) -> Result<()> {
        use_font();
        let mut pixels = vec![0; 3 * SIZE.0 as usize * SIZE.1 as usize];
        let drawn = self.draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area());
        drawn.map_err(|error| not_drawn(path.as_ref(), &error))?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, SIZE.0, SIZE.1);
        encoder.set_color(png::ColorType::Rgb);
        let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
        written.map_err(|error| not_drawn(path.as_ref(), &error))?;
        atomic_write(path, &file)
    }

    fn draw<B: DrawingBackend>(&self, area: &Area<'_, B>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let area = area.titled(&plain(&self.title), (FONT, 18))?;
        match &self.marks {
            Marks::Heat(heat) => {
                let (map, bar) = area.split_horizontally(SIZE.0 - BAR);
                self.map(&map, heat)?;
                colour_bar(&bar, heat)?;
            }
            Marks::Lines(lines) => {
                let places = lines.iter().flat_map(Line::places);
                let (x, y) = (self.x.extent(places, 0.0), self.y.extent(lines.iter().flat_map(|l| l.y.clone()), 0.04));
                self.on_axes(&area, x, y, Drawing::Lines(lines))?;
            }
            Marks::Bars(lines) => {
                let places = lines.iter().flat_map(Line::places);
                let (x, y) = (self.x.extent(places, 0.0), self.y.extent(self.bar_ends(lines), 0.04));
                self.on_axes(&area, [x[0] - 0.5, x[1] + 0.5], y, Drawing::Bars(lines))?;
            }
            Marks::Scatter(kinds) => {
                let x = self.x.extent(kinds.iter().flat_map(|k| k.x.clone()), 0.04);
                let y = self.y.extent(kinds.iter().flat_map(|k| k.y.clone()), 0.04);
                self.on_axes(&area, x, y, Drawing::Points(kinds))?;
            }
        }
        area.present()
    }

    /// What bars span: their ends and, on a linear axis, 0.
    fn bar_ends(&self, lines: &[Line]) -> Vec<f64> {
        let zero = if self.y.log { None } else { Some(0.0) };
        lines.iter().flat_map(|line| line.y.clone()).chain(zero).collect()
    }

    fn on_axes<B: DrawingBackend>(
        &self,
        area: &Area<'_, B>,
        [x0, x1]: [f64; 2],
        [y0, y1]: [f64; 2],
        drawing: Drawing<'_>,
    ) -> Drawn<B> {
        match (self.x.log, self.y.log) {
            (false, false) => self.chart(area, x0..x1, y0..y1, y0, drawing),
            (false, true) => self.chart(area, x0..x1, (y0..y1).log_scale(), y0, drawing),
            (true, false) => self.chart(area, (x0..x1).log_scale(), y0..y1, y0, drawing),
            (true, true) => self.chart(area, (x0..x1).log_scale(), (y0..y1).log_scale(), y0, drawing),
        }
    }

    fn chart<B, X, Y>(&self, area: &Area<'_, B>, x: X, y: Y, floor: f64, drawing: Drawing<'_>) -> Drawn<B>
    where
        B: DrawingBackend,
        X: AsRangedCoord<Value = f64>,
        Y: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
        Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    {
        // Under bars every place has its name, upright where they would overlap.
        let names = self.x.names.iter().flatten().filter(|_| matches!(drawing, Drawing::Bars(_)));
        let (count, longest) =
            names.fold((0, 0), |(count, longest), name| (count + 1, longest.max(name.chars().count())));
        let upright = count * longest * 7 > SIZE.0 as usize - 100;
        let below = if upright { 40 + 7 * longest.min(40) } else { 48 };
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(below as u32)
            .y_label_area_size(78)
            .build_cartesian_2d(x, y)?;
        let (x_label, y_label) = (|v: &f64| self.x.label(*v), |v: &f64| self.y.label(*v));
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(plain(&self.x.title))
            .y_desc(plain(&self.y.title))
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .x_labels(if upright { 0 } else { count.clamp(10, 50) })
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 15))
            .draw()?;
        if upright {
            let (left, top) = area.get_base_pixel();
            let style = TextStyle::from((FONT, 13)).transform(FontTransform::Rotate90);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            for (place, name) in self.x.names.iter().flatten().enumerate() {
                let (x, y) = chart.backend_coord(&(place as f64, floor));
                area.draw(&Text::new(plain(name), (x - left, y - top + 8), style.clone()))?;
            }
        }
        let mut kinds = 0;
        match drawing {
            Drawing::Lines(lines) => {
                for (i, line) in lines.iter().enumerate() {
                    kinds += 1;
                    let colour = colour(i);
                    let points: Vec<(f64, f64)> = line.places().into_iter().zip(line.y.iter().copied()).collect();
                    // A NaN, and on a logarithmic axis what is not positive, leaves a gap.
                    let drawn = |&(_, y): &(f64, f64)| y.is_finite() && (y > 0.0 || !self.y.log);
                    let parts = points.split(|point| !drawn(point)).filter(|part| !part.is_empty());
                    for (p, part) in parts.enumerate() {
                        let series = LineSeries::new(part.iter().copied(), colour.stroke_width(2));
                        let drawn = chart.draw_series(series)?;
                        if p == 0 {
                            drawn
                                .label(plain(&line.name))
                                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
                        }
                    }
                }
            }
            Drawing::Bars(lines) => {
                let width = 0.8 / lines.len().max(1) as f64;
                let floor = if self.y.log { floor } else { 0.0 };
                for (i, line) in lines.iter().enumerate() {
                    kinds += 1;
                    let colour = colour(i);
                    let bars = line.places().into_iter().zip(&line.y).filter(|(_, y)| y.is_finite());
                    let bar = |(x, &y): (f64, &f64)| {
                        let left = x - 0.4 + i as f64 * width;
                        Rectangle::new([(left, floor), (left + width, y)], colour.filled())
                    };
                    chart
                        .draw_series(bars.map(bar))?
                        .label(plain(&line.name))
                        .legend(move |(x, y)| Rectangle::new([(x + 4, y - 5), (x + 16, y + 5)], colour.filled()));
                }
            }
            Drawing::Points(all) => {
                for (i, points) in all.iter().enumerate() {
                    kinds += 1;
                    let colour = colour(i);
                    let drawn = points.x.iter().zip(&points.y).filter(|(x, y)| x.is_finite() && y.is_finite());
                    chart
                        .draw_series(drawn.map(|(&x, &y)| Circle::new((x, y), 4, colour.mix(0.8).filled())))?
                        .label(plain(&points.name))
                        .legend(move |(x, y)| Circle::new((x + 10, y), 4, colour.filled()));
                }
            }
        }
        if kinds > 1 {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .border_style(RGBColor(200, 200, 200))
                .label_font((FONT, 13))
                .draw()?;
        }
        Ok(())
    }

    fn map<B: DrawingBackend>(&self, area: &Area<'_, B>, heat: &Heat) -> Drawn<B> {
        let (rows, columns) = heat.values.dim();
        let (x, y) = (-0.5..columns as f64 - 0.5, rows as f64 - 0.5..-0.5);
        let mut chart =
            ChartBuilder::on(area).margin(12).x_label_area_size(48).y_label_area_size(78).build_cartesian_2d(x, y)?;
        let (x_label, y_label) = (|v: &f64| self.x.label(*v), |v: &f64| self.y.label(*v));
        let limit = heat.limit();
        let cell = |((i, j), &value): ((usize, usize), &f32)| {
            let [r, g, b] = heat.scale.colour(f64::from(value), limit);
            let (x, y) = (j as f64, i as f64);
            Rectangle::new([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)], RGBColor(r, g, b).filled())
        };
        chart.draw_series(heat.values.indexed_iter().map(cell))?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc(plain(&self.x.title))
            .y_desc(plain(&self.y.title))
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 15))
            .draw()
    }
}

/// What goes onto a pair of axes.
#[derive(Clone, Copy)]
enum Drawing<'a> {
    Lines(&'a [Line]),
    Bars(&'a [Line]),
    Points(&'a [Points]),
}

fn colour_bar<B: DrawingBackend>(area: &Area<'_, B>, heat: &Heat) -> Drawn<B> {
    let limit = heat.limit();
    let low = if heat.scale == super::Scale::Diverging { -limit } else { 0.0 };
    let mut chart = ChartBuilder::on(area)
        .margin_top(12)
        .margin_bottom(60)
        .margin_right(12)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..1.0, low..limit)?;
    let step = (limit - low) / 128.0;
    chart.draw_series((0..128).map(|i| {
        let from = low + f64::from(i) * step;
        let [r, g, b] = heat.scale.colour(from + step / 2.0, limit);
        Rectangle::new([(0.0, from), (1.0, from + step)], RGBColor(r, g, b).filled())
    }))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .y_label_formatter(&|v| number(*v))
        .label_style((FONT, 13))
        .draw()
}

impl Axis {
    /// The given ends, or those of the numbers with a share of their distance as a margin.
    fn extent(&self, values: impl IntoIterator<Item = f64>, margin: f64) -> [f64; 2] {
        if let Some(range) = self.range {
            return range;
        }
        let drawn = values.into_iter().filter(|v| v.is_finite() && (*v > 0.0 || !self.log));
        let [low, high] = drawn.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)]);
        match (low <= high, self.log) {
            (false, false) => [0.0, 1.0],
            (false, true) => [0.1, 1.0],
            (true, true) => [low / 1.6, high * 1.6],
            (true, false) if low == high => [low - 0.5, high + 0.5],
            (true, false) => [low - margin * (high - low), high + margin * (high - low)],
        }
    }

    fn label(&self, value: f64) -> String {
        match &self.names {
            None => number(value),
            Some(names) => {
                let place = value.round();
                let name = names.get(place as usize).filter(|_| place >= 0.0 && (value - place).abs() < 0.01);
                name.map_or(String::new(), |name| plain(name))
            }
        }
    }
}

/// A number on an axis.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && !(1e-3..1e5).contains(&magnitude) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}

fn colour(i: usize) -> RGBColor {
    let [r, g, b]: Rgb = PALETTE[i % PALETTE.len()];
    RGBColor(r, g, b)
}

/// Text on one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn use_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = include_bytes!("font/DejaVuSans.ttf");
        register_font(FONT, FontStyle::Normal, font).unwrap_or_else(|_| panic!("a TrueType font"));
    });
}

fn not_drawn(path: &Path, error: &impl std::fmt::Display) -> Error {
    Error::Io { path: path.to_path_buf(), source: std::io::Error::other(error.to_string()) }
}
