//! Figures as plotly's.

use super::figure::{Axis, Figure, Heat, Line, Marks, PALETTE, Points, Rgb, Scale};
use plotly::color::Rgb as Colour;
use plotly::common::{ColorBar, ColorScale, ColorScaleElement, DashType, HoverInfo, Marker, MarkerSymbol, Mode, Title};
use plotly::layout::{Axis as PlotlyAxis, AxisType, BarMode, CategoryOrder, HoverMode, Margin};
use plotly::{Bar, HeatMap, Layout, Plot, Scatter, Trace};
use serde_json::Value;

const DASHES: [DashType; 4] = [DashType::Solid, DashType::Dash, DashType::Dot, DashType::DashDot];
const SYMBOLS: [MarkerSymbol; 4] =
    [MarkerSymbol::Circle, MarkerSymbol::Diamond, MarkerSymbol::Square, MarkerSymbol::TriangleUp];

impl Figure {
    /// The figure for plotly.
    ///
    /// ```
    /// use irreplens::report::{Axis, Figure, Line, Marks};
    /// let line = Line::new("W_E", vec![0.0, 2.0, 1.0]);
    /// let names = ["const", "cos 1", "sin 1"].map(String::from);
    /// let figure = Figure::new("Norms", Axis::new("component").named(&names), Axis::new("norm"), Marks::Lines(vec![line]));
    /// assert!(figure.plotly().to_json().contains("cos 1"));
    /// ```
    #[must_use]
    pub fn plotly(&self) -> Plot {
        let mut plot = Plot::new();
        let z = |heat: &Heat| heat.values.outer_iter().map(|row| row.to_vec()).collect();
        self.traces(z).into_iter().for_each(|trace| plot.add_trace(trace));
        plot.set_layout(self.layout());
        plot
    }

    /// What is drawn, the colours of a heat map taken from `z`.
    pub(super) fn traces(&self, z: impl Fn(&Heat) -> Vec<Vec<f32>>) -> Vec<Box<dyn Trace>> {
        match &self.marks {
            Marks::Lines(lines) => lines.iter().enumerate().map(|(i, line)| self.line(i, line)).collect(),
            Marks::Bars(lines) => lines.iter().enumerate().map(|(i, line)| self.bars(i, line)).collect(),
            Marks::Scatter(kinds) => kinds.iter().enumerate().map(|(i, kind)| self.points(i, kind)).collect(),
            Marks::Heat(heat) => vec![self.heat(heat, z(heat))],
        }
    }

    fn line(&self, i: usize, line: &Line) -> Box<dyn Trace> {
        let style = plotly::common::Line::new().color(colour(i)).width(1.8).dash(pick(&DASHES, i));
        let hover = hover(&[(&self.x.title, "%{x}"), (&self.y.title, "%{y:.5g}")], &line.name);
        let mode = if line.y.len() < 60 { Mode::LinesMarkers } else { Mode::Lines };
        match &self.x.names {
            Some(names) => Scatter::new(unique(names), line.y.clone())
                .name(safe(&line.name))
                .mode(mode)
                .line(style)
                .hover_template(hover),
            None => Scatter::new(line.places(), line.y.clone())
                .name(safe(&line.name))
                .mode(mode)
                .line(style)
                .hover_template(hover),
        }
    }

    fn bars(&self, i: usize, line: &Line) -> Box<dyn Trace> {
        let hover = hover(&[(&self.x.title, "%{x}"), (&self.y.title, "%{y:.5g}")], &line.name);
        let marker = Marker::new().color(colour(i));
        match &self.x.names {
            Some(names) => {
                Bar::new(unique(names), line.y.clone()).name(safe(&line.name)).marker(marker).hover_template(hover)
            }
            None => Bar::new(line.places(), line.y.clone()).name(safe(&line.name)).marker(marker).hover_template(hover),
        }
    }

    fn points(&self, i: usize, points: &Points) -> Box<dyn Trace> {
        Scatter::new(places(&self.x, &points.x), places(&self.y, &points.y))
            .name(safe(&points.name))
            .mode(Mode::Markers)
            .marker(Marker::new().color(colour(i)).size(8).opacity(0.8).symbol(pick(&SYMBOLS, i)))
            .hover_text_array(points.hover.iter().map(|text| safe(text)).collect())
            .hover_info(HoverInfo::Text)
    }

    fn heat(&self, heat: &Heat, z: Vec<Vec<f32>>) -> Box<dyn Trace> {
        let (limit, scale) = (heat.limit(), heat.scale);
        let names = |axis: &Axis, count: usize| match &axis.names {
            Some(names) => unique(names),
            None => (0..count).map(|i| i.to_string()).collect(),
        };
        let (rows, columns) = heat.values.dim();
        HeatMap::new(names(&self.x, columns), names(&self.y, rows), z)
            .color_scale(ColorScale::Vector(colour_scale(&scale.colours())))
            .color_bar(ColorBar::new().thickness(12).outline_width(0))
            .zmin(if scale == Scale::Diverging { -limit } else { 0.0 })
            .zmax(limit)
            .hover_template(hover(&[(&self.y.title, "%{y}"), (&self.x.title, "%{x}"), ("value", "%{z:.5g}")], ""))
    }

    /// Axes, title and margins.
    pub(super) fn layout(&self) -> Layout {
        let axis = |axis: &Axis, heat: bool| {
            let mut out = PlotlyAxis::new().title(Title::with_text(safe(&axis.title))).auto_margin(true);
            if let (Some(names), Marks::Scatter(_)) = (&axis.names, &self.marks) {
                // In the order of the places, whichever has a point first.
                out = out.category_order(CategoryOrder::Array).category_array(unique(names));
            }
            if axis.log {
                out = out.type_(AxisType::Log);
            } else if axis.names.is_some() || heat {
                out = out.type_(AxisType::Category);
            }
            match axis.range {
                Some(range) if axis.log => out.range(range.map(f64::log10).to_vec()),
                Some(range) => out.range(range.to_vec()),
                None => out,
            }
        };
        let heat = matches!(self.marks, Marks::Heat(_));
        let mut y = axis(&self.y, heat);
        if let Marks::Heat(heat) = &self.marks {
            y = y.range(vec![heat.values.nrows() as f64 - 0.5, -0.5]);
        }
        let kinds = match &self.marks {
            Marks::Lines(lines) | Marks::Bars(lines) => lines.len(),
            Marks::Scatter(kinds) => kinds.len(),
            Marks::Heat(_) => 0,
        };
        Layout::new()
            .title(Title::with_text(safe(&self.title)))
            .x_axis(axis(&self.x, heat))
            .y_axis(y)
            .bar_mode(BarMode::Group)
            .hover_mode(HoverMode::Closest)
            .show_legend(kinds > 1)
            .margin(Margin::new().left(64).right(16).top(52).bottom(52))
    }
}

impl Line {
    /// Where its points stand.
    pub(super) fn places(&self) -> Vec<f64> {
        self.x.clone().unwrap_or_else(|| (0..self.y.len()).map(|i| i as f64).collect())
    }
}

/// Where points stand: at numbers, or at the names of places.
fn places(axis: &Axis, values: &[f64]) -> Vec<Value> {
    match axis.names.as_deref().map(unique) {
        None => values.iter().map(|&value| Value::from(value)).collect(),
        Some(names) => values.iter().map(|&place| names.get(place as usize).cloned().into()).collect(),
    }
}

fn colour(i: usize) -> Colour {
    let [r, g, b] = PALETTE[i % PALETTE.len()];
    Colour::new(r, g, b)
}

/// Kinds of more than one palette's number have another dash or symbol.
fn pick<T: Clone>(kinds: &[T], i: usize) -> T {
    kinds[i / PALETTE.len() % kinds.len()].clone()
}

/// For plotly: where on a scale which colour is.
fn colour_scale(colours: &[Rgb]) -> Vec<ColorScaleElement> {
    let last = (colours.len() - 1) as f64;
    colours
        .iter()
        .enumerate()
        .map(|(i, [r, g, b])| ColorScaleElement(i as f64 / last, format!("rgb({r},{g},{b})")))
        .collect()
}

fn hover(lines: &[(&str, &str)], name: &str) -> String {
    let lines: Vec<String> = lines.iter().map(|(what, value)| format!("{}: {value}", literal(what))).collect();
    format!("{}<extra>{}</extra>", lines.join("<br>"), literal(name))
}

/// Text that plotly shows as it is: it takes some tags for markup.
fn safe(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text in a template, where `%{` starts a variable.
fn literal(text: &str) -> String {
    safe(text).replace("%{", "% {")
}

/// Names by which plotly tells places apart: one that occurs again gets a number.
fn unique(names: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashMap::<&String, usize>::new();
    let name = |name| {
        let before = seen.entry(name).or_default();
        *before += 1;
        if *before == 1 { safe(name) } else { format!("{} ({before})", safe(name)) }
    };
    names.iter().map(name).collect()
}
